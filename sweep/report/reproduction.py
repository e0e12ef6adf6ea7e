"""What a reader of the report needs to come to its answer again: commands, and files for them.

The page carries the files too, so that it is enough where nothing else of the study is.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.folders import StudyDir
from sweep.journal import write_extract
from sweep.ledger import Record
from sweep.lineage import code_commands
from sweep.messages import shown_path
from sweep.options import command
from sweep.report.best import write_best
from sweep.report.result import StudyResult
from sweep.trial_record import records_of

BEST = "best.yaml"
RECORD = "best.jsonl"


@dataclass(frozen=True)
class Reproduction:
    """How the answer is come to again.

    Attributes:
        code: Commands that put the code back as it was; none where nothing is on record.
        run: What trains the best configuration alone.
        config: The best configuration as a study file.
        replay: What trains the best trial again and compares; None without its record.
        record: What the journal says of the best trial, as a journal of its own.
        patch: What the code differed from its commit in; None if in nothing.
    """

    code: Sequence[str]
    run: str
    config: Path
    replay: str | None
    record: Path | None
    patch: Path | None

    @property
    def files(self) -> Mapping[str, bytes]:
        """Return the files by the names under which the page offers them."""
        paths = (self.config, self.record, self.patch)
        return {path.name: path.read_bytes() for path in paths if path is not None}


def write_reproduction(
    result: StudyResult,
    folder: Path,
    *,
    places: Sequence[str],
    records: Sequence[Record] | None,
) -> Reproduction | None:
    """Write the files into the report's folder; None where nothing has completed.

    Args:
        result: What the study came to.
        folder: The report's, which lies in the study's.
        places: Options by which commands find runs and data.
        records: All of the journal; without them there is no record of the best trial.
    """
    if result.best is None:
        return None
    config = folder / BEST
    run = command(shown_path(config), *places)
    leader = result.answer.leader
    seeds = list(leader.values) if leader is not None else []
    write_best(result.study, result.best, config, seeds=seeds or [result.best.seed], command=run)
    replay, record = None, None
    if records is not None:
        record, number = folder / RECORD, result.best.number
        write_extract(record, records_of(records, number))
        replay = command(shown_path(record), str(number), *places, script="replay.py")
    study, kept, patch = StudyDir(folder.parent), StudyDir(folder), None
    lineage = result.best.lineage
    digest = (lineage.get("git") or {}).get("changes")
    if digest is not None and study.changes(digest).is_file():
        patch = kept.changes(digest)
        patch.parent.mkdir(exist_ok=True)
        shutil.copyfile(study.changes(digest), patch)
    return Reproduction(
        code=code_commands(lineage, study if patch is None else kept),
        run=run,
        config=config,
        replay=replay,
        record=record,
        patch=patch,
    )


def clear_reproduction(folder: Path) -> None:
    """Remove what an earlier report left for it."""
    for name in (BEST, RECORD):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(StudyDir(folder).patches, ignore_errors=True)

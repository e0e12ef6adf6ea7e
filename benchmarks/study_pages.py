"""Write a page of the documentation for every finished study of a runs folder.

    python benchmarks/study_pages.py runs
    python benchmarks/study_pages.py runs --to docs/studies --only peclr_search

A page holds what the study's journal says and nothing else: the question, the verdict and how sure
it is, arms and points with seeds and intervals, the cost, and where the numbers come from. Smoke
runs and studies of which something is left to run have none. The folder is only read.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hpe.whole_file import write_text
from sweep.continuation import changes, recorded_study
from sweep.folders import RunsDir, StudyDir
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.report.history import epochs_from
from sweep.report.result import result_of
from sweep.report.study_page import study_page
from sweep.study import Study
from sweep.study_file import STUDIES, load_study
from trainables.stages import StageStore

SMOKE = "-smoke"


def pages(runs: RunsDir, *, only: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield the name and the page of every finished study."""
    for folder in runs.studies():
        name = folder.root.name
        if name.endswith(SMOKE) or (only and name not in only) or not folder.journal.exists():
            continue
        page = page_of(folder, runs)
        if page is not None:
            yield name, page


def page_of(folder: StudyDir, runs: RunsDir) -> str | None:
    """Return a study's page, or None if it is not finished."""
    records = read_journal(folder.journal)
    content = recorded_study(records)
    if content is None:
        return None
    study, ledger = Study.model_validate(content), Ledger(records)
    result = result_of(ledger, study, epochs_of=epochs_from(StageStore(runs.stages)))
    if result.ended_by is None:
        return None
    return study_page(result, ledger, changed=changed_since(study))


def changed_since(study: Study) -> list[str] | None:
    """Return what of a study's file is not what it was; None if the project has no such study."""
    if not (STUDIES / f"{study.name}.yaml").exists():
        return None
    found = changes(study.model_dump(mode="json"), load_study(study.name))
    return [change.path for change in found]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pages and say which."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs_dir", type=Path)
    parser.add_argument("--to", type=Path, default=Path("docs/studies"))
    parser.add_argument("--only", nargs="*", default=[], metavar="STUDY")
    options = parser.parse_args(arguments)
    options.to.mkdir(parents=True, exist_ok=True)
    for name, page in pages(RunsDir(options.runs_dir), only=options.only):
        path = options.to / f"{name}.md"
        write_text(path, page)
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()

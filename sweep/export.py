"""`python sweep/export.py <study> [TRIAL] --out FOLDER`: study file, weights, ONNX, model card."""

import argparse
import shutil
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":  # run as a file: the project is importable, its folder `sweep` is not
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != ROOT / "sweep")]

from rich.console import Console  # noqa: E402 - after the path is right

from hpe.evaluation.onnx_export import export_onnx  # noqa: E402 - the same
from hpe.evaluation.onnx_networks import ONNX_NETWORKS  # noqa: E402 - the same
from hpe.phases.phase import Artifacts  # noqa: E402 - the same
from hpe.whole_file import write_text  # noqa: E402 - the same
from sweep.command import exit_code_of  # noqa: E402 - the same
from sweep.continuation import recorded_study  # noqa: E402 - the same
from sweep.folders import RunsDir, StudyDir  # noqa: E402 - the same
from sweep.journal import read_journal  # noqa: E402 - the same
from sweep.ledger import Ledger  # noqa: E402 - the same
from sweep.messages import counted, shown_path  # noqa: E402 - the same
from sweep.model_card import CardInputs, Exported, model_card  # noqa: E402 - the same
from sweep.naming import trial_name  # noqa: E402 - the same
from sweep.options import RUNS_DIR, command, places  # noqa: E402 - the same
from sweep.report.best import write_best  # noqa: E402 - the same
from sweep.report.history import epochs_from  # noqa: E402 - the same
from sweep.report.result import StudyResult, result_of  # noqa: E402 - the same
from sweep.report.weights_file import write_weights  # noqa: E402 - the same
from sweep.report.words import template_sentence  # noqa: E402 - the same
from sweep.study import Study  # noqa: E402 - the same
from sweep.trial_record import TrialRecord, journal_of, read_trial  # noqa: E402 - the same
from sweep.trials import TrialState  # noqa: E402 - the same
from trainables.manifest import CorruptStage  # noqa: E402 - the same
from trainables.stages import StageStore  # noqa: E402 - the same

STUDY, WEIGHTS, ONNX, CARD = "study.yaml", "weights.safetensors", "model.onnx", "README.md"
FILES = (STUDY, WEIGHTS, ONNX, CARD)
"""In the order in which they appear, the one last that speaks of all others."""

ENDED = {
    TrialState.PRUNED: "was stopped early after",
    TrialState.FAIL: "failed after",
    TrialState.RUNNING: "has come no further than",
}
TO_THE_END = ", or train its settings to their end: an arm with them, in a study without early_stop"

ABOUT = (
    "Export a study's best configuration (the verdict's winner where there is one), or one trial: "
    "a study file that trains only it, its weights, an ONNX file and a model card."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _export(options))


def _export(options: argparse.Namespace) -> None:
    console = Console(markup=False, highlight=False, soft_wrap=True)
    runs = RunsDir(options.runs_dir)
    journal, store = journal_of(options.study, runs), StageStore(runs.stages)
    result = _result(journal, store)
    record = read_trial(journal, options.trial or _best(result))
    where = places(options.runs_dir, options.data_dir)
    artifacts = _artifacts(record, store, where)
    out: Path = options.out or StudyDir(journal.parent).exported
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: there is a file of this name; give a folder.")
    console.print(f"exporting {trial_name(record.trial, many_seeds=True)} of {record.study.name}")
    is_winner = _is_winner(record, result)
    leader = result.answer.leader
    seeds = list(leader.values) if is_winner and leader is not None else [record.trial.seed]
    run = command(shown_path(out / STUDY), *where)
    number = str(record.trial.number)
    with _whole_folder(out) as folder:
        write_best(record.study, record.trial, folder / STUDY, seeds=seeds, command=run)
        write_weights(artifacts, folder / WEIGHTS)
        told = _write_onnx(artifacts, record.trial.stages[-1].phase, folder / ONNX)
        card = CardInputs(
            study=record.study,
            trial=record.trial,
            lineage=record.lineage,
            verdict=_verdict(result),
            is_winner=is_winner,
            metrics=_last_metrics(record, store),
            exported=Exported(
                weights=WEIGHTS,
                onnx_told=told,
                run=run,
                replay=command(options.study, number, *where, script="replay.py"),
            ),
        )
        write_text(folder / CARD, model_card(card))
    for name in FILES:
        if (out / name).exists():
            console.print(f"written   {shown_path(out / name)}")
    if not (out / ONNX).exists():
        console.print(told)


@contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """Yield a folder whose files become those of an export once all of them are written.

    Whenever this is cut off, the folder named is as it was, or its card is the last of its files to
    be there. Files of other names that it holds already stay.
    """
    beside = out if out.is_dir() else out.absolute().parent
    beside.mkdir(parents=True, exist_ok=True)
    folder = beside / f".export-{uuid.uuid4().hex[:8]}.new"
    folder.mkdir()
    try:
        yield folder
        if not out.is_dir():
            folder.replace(out)
            return
        for name in reversed(FILES):
            (out / name).unlink(missing_ok=True)
        for name in FILES:
            if (folder / name).exists():
                (folder / name).replace(out / name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _result(journal: Path, store: StageStore) -> StudyResult:
    records = read_journal(journal)
    study = recorded_study(records)
    if study is None:
        raise ValueError(f"{journal}: no study has begun there yet.")
    return result_of(Ledger(records), Study.model_validate(study), epochs_of=epochs_from(store))


def _best(result: StudyResult) -> str:
    if result.best is None:
        raise ValueError(f"{result.study.name}: no trial has completed yet; name one to export it.")
    return str(result.best.number)


def _verdict(result: StudyResult) -> list[str]:
    told = [result.answer.sentence, result.answer.certainty, template_sentence(result)]
    return [text for text in told if text]


def _is_winner(record: TrialRecord, result: StudyResult) -> bool:
    leader = result.answer.leader
    return leader is not None and any(t.number == record.trial.number for t in leader.trials)


def _artifacts(record: TrialRecord, store: StageStore, where: Sequence[str]) -> Artifacts:
    """Return what the trial's last stage left.

    Raises:
        ValueError: If it is not in the store, with the way to have it again, if there is one.
    """
    if not record.trial.stages:
        raise ValueError(f"trial {record.trial.number} has trained nothing.")
    stage = record.trial.stages[-1]
    try:
        return store.artifacts(stage.key)
    except (FileNotFoundError, CorruptStage) as error:
        if record.trial.state is not TrialState.COMPLETE:
            raise ValueError(_never_whole(record)) from error
        number = str(record.trial.number)
        there = ["--store", str(store.root), *where]
        again = command(record.study.name, number, *there, script="replay.py")
        raise ValueError(
            f"{stage.label} of trial {number} is not in {store.root} ({error}); "
            f"train it again there: {again}"
        ) from error


def _never_whole(record: TrialRecord) -> str:
    """Say how far a trial came that did not complete, and what can be exported instead."""
    trial = record.trial
    begun = [stage for stage in trial.stages if stage.epochs] or trial.stages[:1]
    stage, is_stopped = begun[-1], trial.state is TrialState.PRUNED
    reached = f"{len(stage.epochs)} of {counted(stage.epochs_planned, 'epoch')} of {stage.label}"
    return (
        f"trial {trial.number} {ENDED[trial.state]} {reached}, so it never became a network to "
        "export, and a replay goes no further. Export a trial that completed (without a number: "
        f"the best){TO_THE_END if is_stopped else ''}."
    )


def _last_metrics(record: TrialRecord, store: StageStore) -> dict[str, float]:
    epochs = epochs_from(store)(record.trial.stages[-1])
    return dict(epochs[-1].metrics) if epochs else {}


def _write_onnx(artifacts: Artifacts, phase: str, path: Path) -> str:
    """Write the ONNX file if there can be one; say how far it is from the network, or why not."""
    if phase not in ONNX_NETWORKS:
        return f"no ONNX file: `{phase}` leaves no network that says something of pictures"
    try:
        network = ONNX_NETWORKS[phase](artifacts)
        return f"`{path.name}`: {network.told(export_onnx(network, path))}"
    except ValueError as error:
        return f"no ONNX file: {error}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python sweep/export.py", description=ABOUT, allow_abbrev=False
    )
    add = parser.add_argument
    add("study", help="a study of the runs folder, or the path of a journal.jsonl or its folder")
    add("trial", nargs="?", help="a trial's number, or TRIAL,SEED (default: the best)")
    add("--out", type=Path, metavar="FOLDER", help="where to write (default: the study's `export`)")
    add("--runs-dir", type=Path, default=RUNS_DIR, metavar="DIR", help="default: runs")
    add(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where data sets lie that you bring, for the commands on the model card",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

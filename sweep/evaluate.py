"""`python sweep/evaluate.py <run, stage or study>`: what trained networks are worth on what."""

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NAME_DIGITS = 8

if __name__ == "__main__":  # run as a file: the project is importable, its folder `sweep` is not
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != ROOT / "sweep")]

from rich.console import Console  # noqa: E402 - after the path is right

from hpe.data.opened import OpenedData  # noqa: E402 - the same
from hpe.evaluation.catalog import SCORED_PHASES  # noqa: E402 - the same
from hpe.evaluation.hand_pose_scores import (  # noqa: E402 - the same
    Score,
    by_finger,
    by_joint,
    by_sequence,
    joint_errors_of,
    pck_curves,
    scores_of,
    two_hand_scores,
)
from hpe.evaluation.scored_hands import Looking, ScoredHands, sides_of  # noqa: E402 - the same
from hpe.evaluation.split_scores import SplitScores  # noqa: E402 - the same
from hpe.metrics.direction import direction_of  # noqa: E402 - the same
from hpe.names import nearest  # noqa: E402 - the same
from hpe.whole_file import sha256_of  # noqa: E402 - the same
from sweep.command import exit_code_of  # noqa: E402 - the same
from sweep.evaluation_data import EvaluationData, chosen_settings, ready_data  # noqa: E402 - the same
from sweep.evaluation_files import (  # noqa: E402 - the same
    Evaluation,
    parts_table,
    scores_table,
    table_of,
    write_evaluation,
    write_split_scores,
)
from sweep.folders import RunsDir  # noqa: E402 - the same
from sweep.found_model import FoundModel, find_model  # noqa: E402 - the same
from sweep.ledger import Ledger  # noqa: E402 - the same
from sweep.messages import shown_path  # noqa: E402 - the same
from sweep.network_scoring import (  # noqa: E402 - the same
    OpenedSplit,
    looking_of,
    named_scores,
    phase_of,
    require_labels,
    score_by_phase,
    score_hands,
)
from sweep.references import named_study  # noqa: E402 - the same
from sweep.study_scoring import (  # noqa: E402 - the same
    compare,
    notes_on,
    pairs_table,
    ranked_table,
    scored_trials,
    write_scored_study,
)
from sweep.submission import Submission, submit, told_limited  # noqa: E402 - the same
from trainables.keys import canonical_json  # noqa: E402 - the same

USES = {"train": "trained on", "val": "for choosing", "test": "held out"}
PLAIN_WIDTH = 150  # where there is no terminal that has a width of its own


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    console = Console(
        width=None if sys.stdout.isatty() else PLAIN_WIDTH, markup=False, highlight=False
    )
    runs = RunsDir(options.runs_dir)
    study = named_study(options.run, runs)
    if study is not None:
        _evaluate_study(study, runs, options, console)
        return
    if options.by is not None:
        raise ValueError("--by compares the arms of a study: give a study's name.")
    found = _found(options.run, runs, options)
    if options.submission is not None:
        console.print(submit(found, _submission(found, runs, options)), soft_wrap=True)
        return
    settings = chosen_settings(options.data, found.data, final=options.final)
    split = _opened(settings, runs, options)
    require_labels(found, split.data)
    if phase_of(found) in SCORED_PHASES:
        written = _evaluate_phase(found, split, runs, options, console)
    else:
        written = _evaluate_hands(found, split, runs, options, console)
    _say_written(written, console)


def _found(reference: str, runs: RunsDir, options: argparse.Namespace) -> FoundModel:
    return find_model(
        reference,
        runs=runs,
        tracking_uri=options.tracking_uri or runs.mlflow_uri,
        epoch=options.epoch,
    )


def _opened(settings: dict[str, Any], runs: RunsDir, options: argparse.Namespace) -> OpenedSplit:
    name: str = options.split or ("test" if options.final else "val")
    if options.final and name != "test":
        raise ValueError(f"--final scores on the official test part; leave out --split {name}.")
    data = _ready(settings, runs, options)
    return OpenedSplit(data, data.open(), name, options.limit)


def _evaluate_study(
    study: Ledger, runs: RunsDir, options: argparse.Namespace, console: Console
) -> None:
    """Score every trial that completed, and compare arms.

    Which scores there are is known once all are scored: by one that there is none of nothing is
    compared, and nothing lost.
    """
    if options.submission is not None:
        raise ValueError("--submission is of one network: give STUDY/TRIAL.")
    if options.by is not None and direction_of(options.by) is None:
        raise ValueError(
            f"--by {options.by}: which values of it are better, its name does not say."
        )
    trials = scored_trials(study)
    assert study.study is not None, "a study with trials was opened"
    settings = chosen_settings(options.data, study.study["data"], final=options.final)
    split = _opened(settings, runs, options)
    scores: dict[int, dict[str, Score]] = {}
    for trial in trials:
        found = _found(f"{options.run}/{trial.number}", runs, options)
        require_labels(found, split.data)
        scores[trial.number] = named_scores(found, split, options)
        console.print(f"scored {found.told}", style="dim")
    is_there = any(options.by in of_trial for of_trial in scores.values())
    scored = compare(study, scores, by=options.by if is_there else None)
    about = {
        "study": f"{options.run}, {len(trials)} trials that completed",
        "data": f"{_told(split)}: {split.count} samples, of which {scored.by.count} count",
        "score": f"{scored.by.name}: {scored.by.protocol}",
        **split.beforehand,
        "data_settings": split.settings,
    }
    _show_about(about, console)
    console.print(ranked_table(scored))
    if scored.rivals:
        console.print()
        console.print(pairs_table(scored))
    for note in notes_on(scored):
        console.print(note)
    folder = _folder(split, runs, options)
    _say_written(write_scored_study(folder, about, study, scores, scored), console)
    if options.by is not None and not is_there:
        names = sorted({name for of_trial in scores.values() for name in of_trial})
        raise ValueError(
            f"--by {options.by}: no trial has this score, so they are compared by {scored.by.name}"
            f"{nearest(options.by, names) or '.'}"
        )


def _say_written(files: Sequence[Path], console: Console) -> None:
    names = ", ".join(path.name for path in files)
    console.print(f"\nwritten   {shown_path(files[0].parent)}: {names}", soft_wrap=True)


def _ready(settings: dict[str, Any], runs: RunsDir, options: argparse.Namespace) -> EvaluationData:
    return ready_data(
        settings,
        data_dir=options.data_dir,
        made_dir=runs.data,
        processes=options.processes,
        progress=lambda _done, _total: None,
    )


def _evaluate_phase(
    found: FoundModel,
    split: OpenedSplit,
    runs: RunsDir,
    options: argparse.Namespace,
    console: Console,
) -> list[Path]:
    scored = score_by_phase(found, split, options)
    about = {
        "network": found.told,
        "data": f"{_told(split)}: {split.count} samples",
        "looks at": scored.looked,
        **split.beforehand,
        "data_settings": split.settings,
        "weights_facts": dict(found.artifacts.facts),
    }
    _show_phase(about, scored, console)
    return write_split_scores(_folder(split, runs, options), about, scored)


def _show_phase(about: dict[str, Any], scored: SplitScores, console: Console) -> None:
    _show_about(about, console)
    console.print(scores_table(scored.scores))
    for part, means in list(scored.tables.items())[:1]:
        console.print()
        console.print(table_of(part.removesuffix("s"), means))


def _show_about(about: dict[str, Any], console: Console) -> None:
    for name, text in about.items():
        if isinstance(text, str):
            console.print(f"{name:<10}{text}")
    console.print()


def _evaluate_hands(
    found: FoundModel,
    split: OpenedSplit,
    runs: RunsDir,
    options: argparse.Namespace,
    console: Console,
) -> list[Path]:
    looking = looking_of(options)
    console.print(f"scoring {split.count} samples", style="dim")
    hands = score_hands(found, split, looking, processes=options.processes)
    sides = sides_of(split.samples, range(split.count))
    kinds = joint_errors_of(hands)
    two_hands = [] if sides is None else two_hand_scores(hands, sides)
    evaluation = Evaluation(
        about=_about(found, split, looking, hands),
        scores=[*scores_of(kinds), *two_hands],
        kinds=kinds,
        joints=by_joint(kinds),
        fingers=by_finger(kinds),
        sequences=by_sequence(kinds, hands.sequences),
        curves=pck_curves(kinds),
    )
    _show_about(dict(evaluation.about), console)
    console.print(scores_table(evaluation.scores))
    console.print()
    console.print(parts_table(evaluation))
    if looking.finds_box:
        console.print(f"\n{told_limited(int(hands.limited.sum()), len(hands))}")
    return write_evaluation(_folder(split, runs, options), evaluation)


def _folder(split: OpenedSplit, runs: RunsDir, options: argparse.Namespace) -> Path:
    chosen: Path | None = options.out
    return chosen or runs.root / "evaluations" / _folder_name(options, split)


def _about(
    found: FoundModel, split: OpenedSplit, looking: Looking, hands: ScoredHands
) -> dict[str, Any]:
    photographs = len(set(hands.unique_id.tolist()))
    if looking.finds_box:
        crop = "the box in the photograph's middle, then the crop around what was predicted there"
    else:
        crop = "the crop around the true keypoints, as in training"
    turns = len(looking.turns)
    views = "one upright view" if turns == 1 else f"mean over {turns} views turned up to 30 degrees"
    return {
        "network": found.told,
        "data": f"{_told(split)}: {len(hands)} hands of {photographs} photographs",
        "looks at": f"{crop}; {views}",
        **split.beforehand,
        "hands_with_first_look_kept": int(hands.limited.sum()),
        "data_settings": split.settings,
        "weights_facts": dict(found.artifacts.facts),
    }


def _told(split: OpenedSplit) -> str:
    meaning = _meaning(split.settings, split.name)
    return f"{split.settings['name']}, split {split.name} ({meaning})"


def _meaning(settings: dict[str, Any], split: str) -> str:
    return "the official labels" if settings.get("final") and split == "test" else USES[split]


def _folder_name(options: argparse.Namespace, split: OpenedSplit) -> str:
    """Return a name that says what is scored, with a digest of what it does not say.

    No two evaluations that may come to other scores have the same, and repeating one has its own.
    """
    file = Path(options.run)
    parts = [file.stem if file.is_file() else options.run, split.settings["name"], split.name]
    parts += ["final"] if options.final else []
    parts += [f"first-{options.limit}"] if options.limit is not None else []
    parts += [] if options.epoch is None else [f"epoch-{options.epoch}"]
    parts += ["refined"] if options.refine_box else []
    parts += [f"{options.rotations}-turns"] if options.rotations > 1 else []
    parts += ["mirrored"] if options.mirrored else []
    parts += [f"by-{options.by}"] if options.by is not None else []
    unsaid = {
        "run": sha256_of(file) if file.is_file() else options.run,
        "data": split.settings,
        "place": None if options.data_dir is None else str(options.data_dir.resolve()),
    }
    parts.append(hashlib.sha256(canonical_json(unsaid).encode()).hexdigest()[:NAME_DIGITS])
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts)).strip("-.")


def _submission(found: FoundModel, runs: RunsDir, options: argparse.Namespace) -> Submission:
    def open_data() -> OpenedData[Any]:
        settings = chosen_settings(options.data, found.data, final=options.final)
        return _ready(settings, runs, options).open()

    return Submission(
        path=options.submission,
        data_dir=options.data_dir,
        runs_dir=options.runs_dir,
        rotations=options.rotations,
        mirrored=options.mirrored,
        open_data=open_data,
        limit=options.limit,
        processes=options.processes,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python sweep/evaluate.py", description=__doc__, allow_abbrev=False
    )
    add = parser.add_argument
    add(
        "run",
        help="STUDY/TRIAL, a stage's key, an MLflow run id, or a .safetensors file; STUDY alone "
        "scores all its trials that completed and compares its arms",
    )
    add("--data", metavar="NAME|{...}", help="score on this data set (default: the study's own)")
    add("--by", metavar="SCORE", help="of a study: the score to compare arms by")
    add("--split", choices=("train", "val", "test"), help="default: val; test with --final")
    add("--final", action="store_true", help="score on the data set's official labels, once")
    add("--epoch", metavar="latest|best|N", help="a kept epoch (default: the last one there is)")
    add("--rotations", type=int, default=1, metavar="N", help="mean over N turned views")
    add("--mirrored", action="store_true", help="encoder-decoders: as many mirrored views too")
    add("--refine-box", action="store_true", help="no true boxes: find the hand, look twice")
    add(
        "--submission",
        type=Path,
        metavar="FILE",
        help="write FreiHAND's leaderboard file instead (encoder-decoders: test_preds.json.gz, "
        "segmentation: test.lmdb.tar.gz, bodies: a CSV table)",
    )
    add("--limit", type=_positive, metavar="N", help="the first N samples only")
    add("--processes", type=_positive, default=1, metavar="N", help="processes that score")
    add("--out", type=Path, metavar="DIR", help="where to write (default: in the runs folder)")
    add("--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="default: runs")
    add("--data-dir", type=Path, metavar="DIR", help="where data sets lie that you bring")
    add("--tracking-uri", metavar="URI", help="where run ids are (default: the runs folder's)")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())

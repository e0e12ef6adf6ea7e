"""`python sweep/evaluate.py <run or stage>`: what a trained network is worth, and on what."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":  # run as a file: the project is importable, its folder `sweep` is not
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != ROOT / "sweep")]

from rich.console import Console  # noqa: E402 - after the path is right

from hpe.data.catalog import task_of  # noqa: E402 - after the path is right
from hpe.data.hands import HandSplit  # noqa: E402 - the same
from hpe.data.opened import OpenedData  # noqa: E402 - the same
from hpe.evaluation.catalog import SCORED_PHASES  # noqa: E402 - the same
from hpe.evaluation.hand_pose_scores import (  # noqa: E402 - the same
    by_finger,
    by_joint,
    by_sequence,
    joint_errors_of,
    pck_curves,
    scores_of,
    two_hand_scores,
)
from hpe.evaluation.inference import turns_deg  # noqa: E402 - the same
from hpe.evaluation.pose_model import best_device  # noqa: E402 - the same
from hpe.evaluation.scored_hands import Looking, ScoredHands, Sides, sides_of  # noqa: E402 - the same
from hpe.evaluation.split_scores import Asked, SplitScores  # noqa: E402 - the same
from hpe.phases.catalog import PHASES  # noqa: E402 - the same
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
from sweep.found_model import FINETUNE, FoundModel, find_model  # noqa: E402 - the same
from sweep.messages import shown_path  # noqa: E402 - the same
from sweep.split_scoring import score_in_processes  # noqa: E402 - the same
from sweep.submission import Submission, submit, told_limited  # noqa: E402 - the same

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
    found = find_model(
        options.run,
        runs=runs,
        tracking_uri=options.tracking_uri or runs.mlflow_uri,
        epoch=options.epoch,
    )
    if options.submission is not None:
        console.print(submit(found, _submission(found, runs, options)), soft_wrap=True)
        return
    split = options.split or ("test" if options.final else "val")
    if options.final and split != "test":
        raise ValueError(f"--final scores on the official test part; leave out --split {split}.")
    settings = chosen_settings(options.data, found.data, final=options.final)
    data = _ready(settings, runs, options)
    phase = str(found.artifacts.facts.get("phase", FINETUNE))
    _require_labels(phase, data)
    if phase in SCORED_PHASES:
        folder = _evaluate_phase(found, phase, data, split, runs, options, console)
    else:
        folder = _evaluate_hands(found, data, split, runs, options, console)
    names = ", ".join(path.name for path in folder)
    console.print(f"\nwritten   {shown_path(folder[0].parent)}: {names}", soft_wrap=True)


def _ready(settings: dict[str, Any], runs: RunsDir, options: argparse.Namespace) -> EvaluationData:
    return ready_data(
        settings,
        data_dir=options.data_dir,
        made_dir=runs.data,
        processes=options.processes,
        progress=lambda _done, _total: None,
    )


def _require_labels(phase: str, data: EvaluationData) -> None:
    """Refuse data that are annotated for another task than the network's."""
    wanted = PHASES[phase].task if phase in PHASES else "hand_pose"
    found = task_of(data.config)
    if wanted is not None and found != wanted:
        raise ValueError(
            f"a network of {phase} is scored on data for {wanted}; what --data or the study names "
            f"is for {found}."
        )


def _evaluate_phase(
    found: FoundModel,
    phase: str,
    data: EvaluationData,
    split: str,
    runs: RunsDir,
    options: argparse.Namespace,
    console: Console,
) -> list[Path]:
    if options.refine_box:
        raise ValueError(f"--refine-box is for hand pose by finetuning, got a network of {phase}.")
    samples = data.open().splits[split]
    count = _count(len(samples), options)
    asked = Asked(
        num_samples=count,
        device=best_device(),
        rotations=options.rotations,
        mirrored=options.mirrored,
        workers=options.processes if options.processes > 1 else 0,
    )
    scored = SCORED_PHASES[phase](found.artifacts, samples, asked)
    settings = data.config.model_dump(mode="json")
    about = {
        "network": found.told,
        "data": f"{settings['name']}, split {split} ({_meaning(settings, split)}): {count} samples",
        "looks at": scored.looked,
        "data_settings": settings,
        "weights_facts": dict(found.artifacts.facts),
    }
    _show_phase(about, scored, console)
    return write_split_scores(_folder(settings["name"], split, runs, options), about, scored)


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
    data: EvaluationData,
    split: str,
    runs: RunsDir,
    options: argparse.Namespace,
    console: Console,
) -> list[Path]:
    if options.mirrored:
        raise ValueError("--mirrored is for encoder-decoders; leave it out.")
    looking = Looking(turns=turns_deg(options.rotations), finds_box=options.refine_box)
    opened = data.open()
    hands, sides = _scored(found, data, opened.splits[split], split, looking, options, console)
    kinds = joint_errors_of(hands)
    two_hands = [] if sides is None else two_hand_scores(hands, sides)
    settings = data.config.model_dump(mode="json")
    evaluation = Evaluation(
        about=_about(found, settings, split, looking, hands, caveat=opened.card.get("caveat")),
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
    return write_evaluation(_folder(settings["name"], split, runs, options), evaluation)


def _folder(data: str, split: str, runs: RunsDir, options: argparse.Namespace) -> Path:
    chosen: Path | None = options.out
    return chosen or runs.root / "evaluations" / _slug(options, data, split)


def _count(available: int, options: argparse.Namespace) -> int:
    return available if options.limit is None else min(options.limit, available)


def _scored(
    found: FoundModel,
    data: EvaluationData,
    samples: HandSplit,
    split: str,
    looking: Looking,
    options: argparse.Namespace,
    console: Console,
) -> tuple[ScoredHands, Sides | None]:
    count = _count(len(samples), options)
    console.print(f"scoring {count} samples", style="dim")
    hands = score_in_processes(
        found.artifacts,
        data,
        split,
        range(count),
        looking=looking,
        processes=options.processes,
        device=best_device(),
    )
    return hands, sides_of(samples, range(count))


def _about(
    found: FoundModel,
    settings: dict[str, Any],
    split: str,
    looking: Looking,
    hands: ScoredHands,
    *,
    caveat: str | None,
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
        "data": f"{settings['name']}, split {split} ({_meaning(settings, split)}): "
        f"{len(hands)} hands of {photographs} photographs",
        "looks at": f"{crop}; {views}",
        **({} if caveat is None else {"caveat": caveat}),
        "hands_with_first_look_kept": int(hands.limited.sum()),
        "data_settings": settings,
        "weights_facts": dict(found.artifacts.facts),
    }


def _meaning(settings: dict[str, Any], split: str) -> str:
    return "the official labels" if settings.get("final") and split == "test" else USES[split]


def _slug(options: argparse.Namespace, data: str, split: str) -> str:
    parts = [Path(options.run).stem if Path(options.run).is_file() else options.run, data, split]
    parts += [] if options.epoch is None else [f"epoch-{options.epoch}"]
    parts += ["refined"] if options.refine_box else []
    parts += [f"{options.rotations}-turns"] if options.rotations > 1 else []
    parts += ["mirrored"] if options.mirrored else []
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
    add("run", help="STUDY/TRIAL, a stage's key, an MLflow run id, or a .safetensors file")
    add("--data", metavar="NAME|{...}", help="score on this data set (default: the study's own)")
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

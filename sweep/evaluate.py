"""`python sweep/evaluate.py <run or stage>`: what a trained pose network is worth, and on what."""

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

from hpe.data.catalog import data_config, data_root  # noqa: E402 - the same
from hpe.evaluation.axis_model import load_axis_model  # noqa: E402 - the same
from hpe.evaluation.course_submission import (  # noqa: E402 - the same
    predict_test_pictures,
    read_test_pictures,
    write_test_predictions,
)
from hpe.evaluation.freihand_submission import (  # noqa: E402 - the same
    NUM_PHOTOGRAPHS,
    predict_evaluation,
    read_evaluation_inputs,
    write_submission,
)
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
from hpe.evaluation.pose_model import best_device, load_pose_model  # noqa: E402 - the same
from hpe.evaluation.scored_hands import Looking, ScoredHands, Sides, sides_of  # noqa: E402 - the same
from sweep.command import exit_code_of  # noqa: E402 - the same
from sweep.evaluation_data import EvaluationData, chosen_settings, ready_data  # noqa: E402 - the same
from sweep.evaluation_files import (  # noqa: E402 - the same
    Evaluation,
    parts_table,
    scores_table,
    write_evaluation,
)
from sweep.folders import RunsDir  # noqa: E402 - the same
from sweep.found_model import FoundModel, find_model  # noqa: E402 - the same
from sweep.messages import shown_path  # noqa: E402 - the same
from sweep.split_scoring import score_in_processes  # noqa: E402 - the same

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
        _submit(found, options, console)
    else:
        _evaluate(found, runs, options, console)


def _evaluate(
    found: FoundModel, runs: RunsDir, options: argparse.Namespace, console: Console
) -> None:
    split = options.split or ("test" if options.final else "val")
    if options.final and split != "test":
        raise ValueError(f"--final scores on the official test part; leave out --split {split}.")
    settings = chosen_settings(options.data, found.data, final=options.final)
    data = ready_data(
        settings,
        data_dir=options.data_dir,
        made_dir=runs.data,
        processes=options.processes,
        progress=lambda _done, _total: None,
    )
    looking = Looking(turns=turns_deg(options.rotations), finds_box=options.refine_box)
    hands, sides = _scored(found, data, split, looking, options, console)
    kinds = joint_errors_of(hands)
    two_hands = [] if sides is None else two_hand_scores(hands, sides)
    evaluation = Evaluation(
        about=_about(found, settings, split, looking, hands),
        scores=[*scores_of(kinds), *two_hands],
        kinds=kinds,
        joints=by_joint(kinds),
        fingers=by_finger(kinds),
        sequences=by_sequence(kinds, hands.sequences),
        curves=pck_curves(kinds),
    )
    folder = options.out or runs.root / "evaluations" / _slug(options, settings["name"], split)
    for name, text in evaluation.about.items():
        if isinstance(text, str):
            console.print(f"{name:<10}{text}")
    console.print()
    console.print(scores_table(evaluation))
    console.print()
    console.print(parts_table(evaluation))
    if looking.finds_box:
        console.print(f"\n{_told_limited(int(hands.limited.sum()), len(hands))}")
    written = write_evaluation(folder, evaluation)
    names = ", ".join(path.name for path in written)
    console.print(f"\nwritten   {shown_path(folder)}: {names}", soft_wrap=True)


def _scored(
    found: FoundModel,
    data: EvaluationData,
    split: str,
    looking: Looking,
    options: argparse.Namespace,
    console: Console,
) -> tuple[ScoredHands, Sides | None]:
    samples = data.open().splits[split]
    count = len(samples) if options.limit is None else min(options.limit, len(samples))
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
    found: FoundModel, settings: dict[str, Any], split: str, looking: Looking, hands: ScoredHands
) -> dict[str, Any]:
    photographs = len(set(hands.unique_id.tolist()))
    meaning = "the official labels" if settings.get("final") and split == "test" else USES[split]
    if looking.finds_box:
        crop = "the box in the photograph's middle, then the crop around what was predicted there"
    else:
        crop = "the crop around the true keypoints, as in training"
    turns = len(looking.turns)
    views = "one upright view" if turns == 1 else f"mean over {turns} views turned up to 30 degrees"
    return {
        "network": found.told,
        "data": f"{settings['name']}, split {split} ({meaning}): {len(hands)} hands of "
        f"{photographs} photographs",
        "looks at": f"{crop}; {views}",
        "hands_with_first_look_kept": int(hands.limited.sum()),
        "data_settings": settings,
        "weights_facts": dict(found.artifacts.facts),
    }


def _told_limited(limited: int, count: int) -> str:
    return (
        f"first look kept for {limited} of {count} hands, where the network would have left the "
        "first box by far"
    )


def _slug(options: argparse.Namespace, data: str, split: str) -> str:
    parts = [Path(options.run).stem if Path(options.run).is_file() else options.run, data, split]
    parts += [] if options.epoch is None else [f"epoch-{options.epoch}"]
    parts += ["refined"] if options.refine_box else []
    parts += [f"{options.rotations}-turns"] if options.rotations > 1 else []
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts)).strip("-.")


def _submit(found: FoundModel, options: argparse.Namespace, console: Console) -> None:
    if found.artifacts.facts.get("phase") == "encoder_decoder":
        console.print(_course_submission(found, options), soft_wrap=True)
        return
    root = data_root(
        data_config({"name": "freihand"}), data_dir=options.data_dir, made_dir=options.runs_dir
    )
    inputs = read_evaluation_inputs(root)
    model = load_pose_model(found.artifacts, best_device())
    predicted = predict_evaluation(model, inputs, turns=turns_deg(options.rotations))
    write_submission(options.submission, predicted.hands_m)
    count = len(predicted.limited)
    depth = "analytic" if model.denoiser is None else "denoised"
    console.print(
        f"network   {found.told}\n"
        f"looks at  the box in the middle, then the crop around what was predicted there\n"
        f"depth     {depth} root depth, scale from evaluation_scale.json\n"
        f"kept      {_told_limited(sum(predicted.limited), count)}\n"
        f"written   {shown_path(options.submission)}: {count} hands, vertices are zeros",
        soft_wrap=True,
    )
    if count != NUM_PHOTOGRAPHS:
        console.print(f"The leaderboard takes {NUM_PHOTOGRAPHS}; this is a part of the set.")


def _course_submission(found: FoundModel, options: argparse.Namespace) -> str:
    root = data_root(
        data_config({"name": "freihand_course"}),
        data_dir=options.data_dir,
        made_dir=options.runs_dir,
    )
    model = load_axis_model(found.artifacts, best_device())
    pictures = read_test_pictures(root)
    hands_m = predict_test_pictures(model, pictures, rotations=options.rotations)
    write_test_predictions(options.submission, hands_m)
    return (
        f"network   {found.told}\n"
        f"looks at  whole pictures; mean over {options.rotations} views, evenly over a full turn\n"
        f"written   {shown_path(options.submission)}: {len(hands_m)} hands, millimetres, AIT order"
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
    add("--refine-box", action="store_true", help="no true boxes: find the hand, look twice")
    add(
        "--submission",
        type=Path,
        metavar="FILE",
        help="write FreiHAND's leaderboard file instead (encoder-decoders: test_preds.json.gz)",
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

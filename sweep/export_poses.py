"""`python sweep/export_poses.py STUDY/TRIAL --out poses.csv`: an evolved set as a table."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":  # run as a file: the project is importable, its folder `sweep` is not
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != ROOT / "sweep")]

from hpe.evolution.pose_table import write_pose_table  # noqa: E402 - after the path is right
from hpe.geometry.body_skeleton import PELVIS  # noqa: E402 - the same
from hpe.phases.phase import Artifacts  # noqa: E402 - the same
from sweep.command import exit_code_of  # noqa: E402 - the same
from sweep.folders import RunsDir  # noqa: E402 - the same
from sweep.messages import shown_path  # noqa: E402 - the same
from sweep.references import named_trial, recorded_trial  # noqa: E402 - the same
from trainables.stages import StageStore  # noqa: E402 - the same

EVOLVE = "evolve"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options))


def find_evolved(reference: str, runs: RunsDir) -> Artifacts:
    """Return what evolution left in a trial.

    Args:
        reference: STUDY/TRIAL.
        runs: Where studies and stages are.

    Raises:
        ValueError: If there is no such trial, or no evolved set in it yet.
    """
    named = named_trial(reference)
    if named is None:
        raise ValueError(f"{reference}: a trial is needed, as STUDY/NUMBER.")
    _, trial = recorded_trial(runs, *named)
    keys = [stage.key for stage in trial.stages if stage.phase == EVOLVE]
    store = StageStore(runs.stages)
    if not keys or not store.is_committed(keys[-1]):
        ran = ", ".join(stage.label for stage in trial.stages) or "nothing"
        raise ValueError(
            f"{reference} has no finished stage of {EVOLVE}; it ran {ran}. Give a trial of an arm "
            f"whose plan has {EVOLVE}."
        )
    return store.artifacts(keys[-1])


def _run(options: argparse.Namespace) -> None:
    if options.out.exists():
        raise ValueError(f"--out {options.out}: it exists; give another name or remove it.")
    artifacts = find_evolved(options.trial, RunsDir(options.runs_dir))
    joints_mm = artifacts.tensors["evolved"]["joints_mm"].double().numpy()
    recorded = int(artifacts.facts["recorded"])
    if options.children_only:
        joints_mm = joints_mm[recorded:]
    if options.root_relative:
        joints_mm = joints_mm - joints_mm[:, PELVIS, None]
    write_pose_table(options.out, joints_mm)
    sys.stdout.write(
        f"written   {shown_path(options.out)}: {len(joints_mm)} poses"
        f"{'' if options.children_only else f', the first {recorded} of them recorded'}\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python sweep/export_poses.py",
        description="Write an evolved set as CSV: 17 joints, x, y and z of each, in mm, y down.",
    )
    parser.add_argument("trial", metavar="STUDY/TRIAL", help="a trial whose plan has evolve")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table")
    parser.add_argument(
        "--children-only",
        action="store_true",
        help="leave out the recorded poses, which come first",
    )
    parser.add_argument(
        "--root-relative",
        action="store_true",
        help="the pelvis at the origin, instead of in front of the camera",
    )
    parser.add_argument(
        "--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="default: runs"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

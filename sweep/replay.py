"""`python sweep/replay.py <study> <trial>`: train a recorded trial again and compare it."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":  # run as a file: the project is importable, its folder `sweep` is not
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != ROOT / "sweep")]

from rich.console import Console  # noqa: E402 - after the path is right

from sweep.command import exit_code_of  # noqa: E402 - the same
from sweep.folders import RunsDir  # noqa: E402 - the same
from sweep.trial_record import TrialRecord, journal_of, read_trial  # noqa: E402 - the same

DIFFERENT = 1
PLAIN_WIDTH = 120  # where there is no terminal that has a width of its own
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

ABOUT = "Train a recorded trial again, from its record alone, and compare every number it reported."
EXIT_CODES = (
    "exit codes: 0 the same; 1 something differs; 2 bad input, or refused because code, packages "
    "or data are others; 130 or 143 interrupted"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _replay(options))


def _replay(options: argparse.Namespace) -> int:
    console = Console(
        width=None if sys.stdout.isatty() else PLAIN_WIDTH, markup=False, highlight=False
    )
    runs = RunsDir(options.runs_dir)
    record = read_trial(journal_of(options.study, runs), options.trial)
    _compute_as_then(record)
    # What trains takes seconds to import, and must not be before the number of threads is set.
    from hpe.data.catalog import data_config, data_root, open_data, prepare_data  # noqa: PLC0415
    from hpe.phases.catalog import PHASES  # noqa: PLC0415
    from sweep.machine import usable_cpus  # noqa: PLC0415
    from sweep.replaying import Here, replay, table_of  # noqa: PLC0415

    config = data_config(record.study.data)
    root = data_root(config, data_dir=options.data_dir, made_dir=runs.data)
    prepare_data(config, root, processes=usable_cpus(), progress=lambda _done, _total: None)
    opened = open_data(config, root)
    here = Here(runs=runs, data=opened, root=root, phases=PHASES)
    with _folder(options.store) as folder:
        outcome = replay(
            record,
            here,
            folder=folder,
            anyway=options.anyway,
            tolerance=options.tolerance,
            tell=lambda text: console.print(text, soft_wrap=True),
        )
    console.print(table_of(outcome))
    console.print(outcome.sentence, style="bold", soft_wrap=True)
    return 0 if outcome.holds else DIFFERENT


def _compute_as_then(record: TrialRecord) -> None:
    """Start this program over with the threads that workers had, unless it has them.

    Libraries read them when they are loaded, and another number rounds sums differently.
    """
    wanted = dict.fromkeys(THREADS, str(record.slot.threads))
    if __name__ == "__main__" and any(os.environ.get(k) != v for k, v in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wanted})


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Yield where stages go; a folder that was not named is gone afterwards."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="replay-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python sweep/replay.py", description=ABOUT, epilog=EXIT_CODES, allow_abbrev=False
    )
    add = parser.add_argument
    add("study", help="a study of the runs folder, or the path of a journal.jsonl or its folder")
    add("trial", help="a trial's or replicate's number, or TRIAL,SEED: its point with that seed")
    add("--anyway", action="store_true", help="say what differs from then, and train nevertheless")
    add(
        "--tolerance",
        type=_share,
        metavar="SHARE",
        help="relative difference that counts as the same (default: 0, bit-equal, on CPUs; 0.02 on "
        "GPUs)",
    )
    add("--store", type=Path, metavar="DIR", help="keep what is trained there, and go on from it")
    add("--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="default: runs")
    add("--data-dir", type=Path, metavar="DIR", help="where data sets lie that you bring")
    return parser


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to below 1, got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())

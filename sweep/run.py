"""`python sweep/run.py <study>`: search, train, track and report; again to continue."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":  # run as a file: the project is importable, its folder `sweep` is not
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != ROOT / "sweep")]

from rich.console import Console  # noqa: E402 - after the path is right
from rich.logging import RichHandler  # noqa: E402 - the same

from sweep.command import BAD_INPUT  # noqa: E402 - the same
from sweep.interruption import Interrupted, terminable  # noqa: E402 - the same
from sweep.messages import Refused, refusing  # noqa: E402 - the same
from sweep.options import Options, parse_options  # noqa: E402 - the same
from sweep.study import Study  # noqa: E402 - the same
from sweep.study_file import list_studies, load_study  # noqa: E402 - the same

PLAIN_WIDTH = 140  # where there is no terminal that has a width of its own


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    options = parse_options(sys.argv[1:] if arguments is None else arguments)
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    console = Console(width=width, soft_wrap=True, markup=False, highlight=False)
    logging.basicConfig(
        level=logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=console, show_path=False)],
        force=True,
    )
    try:
        with terminable():
            if options.show_list:
                return _list(console)
            if options.cluster is not None:
                return _launch(options, console)
            return _collect(options, console) if options.collect else _run(options, console)
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return BAD_INPUT
    except Interrupted as end:
        console.print(f"Stopped. To continue: {options.again}", style="bold")
        return end.exit_code


def _list(console: Console) -> int:
    with refusing():
        studies = list_studies()
    width = max((len(name) for name, _ in studies), default=0)
    for name, question in studies:
        console.print(f"{name:<{width}}  {question}")
    return 0


def _collect(options: Options, console: Console) -> int:
    # The stage store takes seconds to import, and not every call needs it here.
    from sweep.collection import collect, describe_collection  # noqa: PLC0415
    from sweep.folders import RunsDir  # noqa: PLC0415

    runs = RunsDir(options.runs_dir)
    with refusing():
        collection = collect(runs, delete=options.yes)
    console.print(describe_collection(collection, runs, deleted=options.yes))
    if not collection.is_empty and not options.yes:
        console.print("Nothing was deleted; --gc --yes does it.")
    return 0


def _launch(options: Options, console: Console) -> int:
    with refusing():
        study = _load(options)
    # What judges studies and cluster files takes seconds to import.
    from sweep.job import check_for_elsewhere  # noqa: PLC0415
    from sweep.launch import launch, run_command  # noqa: PLC0415

    with refusing():
        name = check_for_elsewhere(study, options)
        return launch(options, name, run=run_command, tell=lambda text: console.print(text))


def _run(options: Options, console: Console) -> int:
    with refusing():
        study = _load(options)
    # Only now, when the file is fine: what judges and runs it takes seconds to import.
    from sweep.session import run_session  # noqa: PLC0415

    return run_session(study, options, console)


def _load(options: Options) -> Study:
    assert options.study is not None
    return load_study(options.study, size=options.size, sets=options.sets, trials=options.trials)


if __name__ == "__main__":
    sys.exit(main())

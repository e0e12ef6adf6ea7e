"""`python sweep/copy.py STUDY[/TRIAL] FROM TO`: move results between machines and storage."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":  # run as a file: the project is importable, its folder `sweep` is not
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != ROOT / "sweep")]

from sweep.command import exit_code_of  # noqa: E402 - after the path is right
from sweep.copying import Copied, Wanted, bring, send  # noqa: E402 - the same
from sweep.folders import RunsDir  # noqa: E402 - the same
from sweep.messages import counted  # noqa: E402 - the same
from sweep.places import is_folder_here, place_at  # noqa: E402 - the same

EXAMPLES = """\
FROM and TO are runs folders (runs), runs folders of other machines (head:project/runs, over SSH) or
a study's --storage as a URI (s3://bucket/studies, file:///shared); one of them is on this machine.
The same command again goes on where it was interrupted.

  python sweep/copy.py quickstart head:hand-pose-sweeps/runs runs
  python sweep/copy.py quickstart/3 runs s3://bucket/studies
  python sweep/copy.py @finished.txt s3://bucket/studies runs      a study or trial per line
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options.what, options.source, options.target))


def _run(what: str, source: str, target: str) -> None:
    for wanted in list(_wanted(what)):
        copied = _copy(wanted, source, target)
        name = wanted.study if wanted.trial is None else f"{wanted.study}/{wanted.trial}"
        stages = counted(copied.copied, "stage")
        sys.stdout.write(f"{name}: {stages} copied, {copied.present} there before\n")
        sys.stdout.flush()


def _copy(wanted: Wanted, source: str, target: str) -> Copied:
    try:
        if is_folder_here(target):
            Path(target).mkdir(parents=True, exist_ok=True)
            return bring(wanted, place_at(source), RunsDir(Path(target)))
        if is_folder_here(source):
            return send(wanted, RunsDir(Path(source)), place_at(target))
    except OSError as error:
        raise ValueError(f"{wanted.study}: {error}. The same command goes on from here.") from error
    raise ValueError(f"{source}, {target}: one of them must be a folder of this machine.")


def _wanted(what: str) -> Iterator[Wanted]:
    """Yield what is asked for: a name, or with @ a file that has one in each line."""
    if not what.startswith("@"):
        yield Wanted.parse(what)
        return
    path = Path(what[1:])
    if not path.is_file():
        raise ValueError(f"{what}: there is no file {path}.")
    for line in path.read_text(encoding="utf-8").splitlines():
        name = line.partition("#")[0].strip()
        if name:
            yield Wanted.parse(name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python sweep/copy.py",
        description="Copy results; every file's sum is checked.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", metavar="STUDY[/TRIAL]|@FILE")
    parser.add_argument("source", metavar="FROM")
    parser.add_argument("target", metavar="TO")
    return parser


if __name__ == "__main__":
    sys.exit(main())

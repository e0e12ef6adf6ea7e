"""`python sweep/doctor.py`: what this machine has for studies, and what to mend.

The checks of Python and of the installed packages need nothing but Python itself, so that they can
speak where everything else is missing.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":  # run as a file: the project is importable, its folder `sweep` is not
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != ROOT / "sweep")]

from sweep.findings import Finding, Level, worst  # noqa: E402 - after the path is right
from sweep.installation import check_installation, check_python  # noqa: E402 - the same

_SIGNS = {Level.OK: "ok  ", Level.WARN: "warn", Level.FAIL: "FAIL"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every finding; return 1 if one of them keeps studies from running."""
    options = _parser().parse_args(arguments)
    findings = [check_python(), *check_installation(ROOT / "requirements.txt")]
    _show(findings)
    if worst(findings) is Level.FAIL:
        sys.stdout.write("Mend these first; the other checks need them.\n")
        return 1
    from sweep.checkup import check_machine  # noqa: PLC0415 - needs what was just found present

    more = check_machine(runs_dir=options.runs_dir, data_dir=options.data_dir)
    if options.cluster is not None:
        from sweep.auth_token import token_file  # noqa: PLC0415 - the same
        from sweep.cluster_check import check_cluster  # noqa: PLC0415 - the same

        more += check_cluster(options.cluster, token=token_file())
    _show(more)
    found = worst([*findings, *more])
    sys.stdout.write(
        {
            Level.OK: "Everything fits.\n",
            Level.WARN: "Studies can run; see the warnings.\n",
            Level.FAIL: "Studies cannot run yet; mend what failed.\n",
        }[found]
    )
    return 1 if found is Level.FAIL else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python sweep/doctor.py", description=__doc__)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), metavar="DIR")
    parser.add_argument("--data-dir", type=Path, default=None, metavar="DIR")
    parser.add_argument(
        "--cluster",
        type=Path,
        metavar="FILE",
        help="also check a cluster file, such as cluster.yaml",
    )
    return parser


def _show(findings: Sequence[Finding]) -> None:
    for finding in findings:
        sys.stdout.write(f"{_SIGNS[finding.level]}  {finding.part:<10} {finding.message}\n")
        if finding.remedy:
            sys.stdout.write(f"{'':<17}-> {finding.remedy}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""What the pages were started with: `sweep/view.py` hands it on as a command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.folders import RunsDir


@dataclass(frozen=True)
class ViewerOptions:
    """Where the pages look.

    Attributes:
        runs: The runs folder: its studies, stages, and data sets made there.
        data_dir: Where data sets lie that people bring.
    """

    runs: RunsDir
    data_dir: Path | None

    def as_arguments(self) -> list[str]:
        """Return the command line that `viewer_options` reads."""
        data = [] if self.data_dir is None else [f"--data-dir={self.data_dir.resolve()}"]
        return [f"--runs-dir={self.runs.root.resolve()}", *data]


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say where to look."""
    add = parser.add_argument
    add("--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="default: runs")
    add("--data-dir", type=Path, metavar="DIR", help="where data sets lie that you bring")


def viewer_options(arguments: Sequence[str]) -> ViewerOptions:
    """Read what `ViewerOptions.as_arguments` wrote."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_folders(parser)
    parsed = parser.parse_args(arguments)
    return ViewerOptions(RunsDir(parsed.runs_dir), parsed.data_dir)

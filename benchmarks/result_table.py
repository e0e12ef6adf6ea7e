"""The tables that benchmarks write down, each with date, machine and commit."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hpe.whole_file import write_text
from sweep.machine import see_machine

RESULTS = Path(__file__).resolve().parent / "results"


def write_result(name: str, about: str, lines: Sequence[str]) -> Path:
    """Write a benchmark's table under `results/` and return where.

    Args:
        name: The benchmark, which names the file.
        about: Its docstring, whose first line says what was measured.
        lines: The table, as Markdown.
    """
    machine = see_machine()
    memory = "" if machine.memory_bytes is None else f", {machine.memory_bytes / 2**30:.0f} GiB"
    gpus = "".join(f", {gpu.name}" for gpu in machine.gpus)
    path = RESULTS / f"{name}.md"
    origin = (
        f"{datetime.now(tz=UTC):%Y-%m-%d}, {machine.cpus} CPU cores{memory}{gpus}, Python "
        f"{machine.python}, commit {_commit()}; `python benchmarks/{name}.py`."
    )
    path.parent.mkdir(exist_ok=True)
    write_text(path, "\n".join([f"# {about.splitlines()[0]}", "", origin, "", *lines, ""]))
    return path


def _commit() -> str:
    """Return the commit, and whether files differ from it."""
    return subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=RESULTS.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

"""The tables that benchmarks write down, each with date, machine and commit."""

import shlex
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from hpe.whole_file import write_text
from sweep.lineage import PROJECT, read_commit
from sweep.machine import see_machine

RESULTS = Path(__file__).resolve().parent / "results"


def show_result(
    name: str, about: str, lines: Iterable[str], *, write: bool, as_text: bool = False
) -> None:
    """Print the lines of a table as they come; write them under `results/` as well, if asked to.

    Args:
        name: The file's; the benchmark's, unless it writes several.
        about: Its docstring, whose first line says what was measured.
        lines: The table, as Markdown.
        write: Whether to write it.
        as_text: Whether the lines are aligned as text instead.
    """
    shown = []
    for line in lines:
        print(line, flush=True)
        shown.append(line)
    if write:
        _write(name, about, ["```text", *shown, "```"] if as_text else shown)


def _write(name: str, about: str, lines: Sequence[str]) -> None:
    path = RESULTS / f"{name}.md"
    typed = shlex.join(
        [f"benchmarks/{Path(sys.argv[0]).name}", *(arg for arg in sys.argv[1:] if arg != "--write")]
    )
    origin = "\n".join(f"- {line}" for line in provenance(f"python {typed}"))
    path.parent.mkdir(exist_ok=True)
    write_text(path, "\n".join([f"# {about.splitlines()[0]}", "", origin, "", *lines, ""]))


def provenance(command: str) -> list[str]:
    """Return the lines that say where numbers come from: command and date, machine, commit."""
    machine, commit = see_machine(), read_commit(PROJECT)
    memory = "" if machine.memory_bytes is None else f", {machine.memory_bytes / 2**30:.0f} GiB"
    gpus = "".join(f", {gpu.name}" for gpu in machine.gpus)
    changed = " with changes" if commit and commit.dirty else ""
    return [
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}",
        f"machine: {machine.cpus} cores{memory}{gpus}, {machine.system}, Python {machine.python}",
        f"commit: {f'{commit.sha[:12]}{changed}' if commit else 'not under git'}",
    ]

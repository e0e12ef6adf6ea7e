"""The page of a scale run: a table and a figure of what a driver holds and what a trial takes."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from sweep.report.style import ARMS, INK, as_png, label, plain

MIB = 2**20
SHARE = 0.1
"""Early is the second tenth of the trials, since the first has all that is paid once; late is the
last."""


@dataclass(frozen=True)
class Measured:
    """A driver that ran trials to the end.

    Attributes:
        name: What it is called.
        is_real: What of it is what a study has, and what stands in for something.
        at_a_time: Trials that it had running.
        ends_s: When each trial ended, in order.
        memory: When the driver held how many bytes (resident set), in order.
    """

    name: str
    is_real: str
    at_a_time: int
    ends_s: Sequence[float]
    memory: Sequence[tuple[float, int]]

    @property
    def window(self) -> int:
        """Return how many trials a tenth of them is."""
        return max(1, round(SHARE * len(self.ends_s)))

    def seconds_per_trial(self, last: int) -> float:
        """Return the wall time per trial over the tenth that ends with this one, from 0."""
        first = last - self.window
        return (self.ends_s[last] - self.ends_s[first]) / self.window

    def bytes_at(self, trial: int) -> int:
        """Return what the driver held when a trial ended, from 0; the first sample before any."""
        after = bisect.bisect_right(self.memory, self.ends_s[trial], key=lambda sample: sample[0])
        return self.memory[max(0, after - 1)][1]

    @property
    def early(self) -> int:
        """Return the trial that ends the second tenth, from 0."""
        return min(2 * self.window, len(self.ends_s) - 1)

    @property
    def late(self) -> int:
        """Return the last trial, from 0."""
        return len(self.ends_s) - 1

    @property
    def bytes_per_trial(self) -> float:
        """Return by how much the driver grew from one trial to the next, between early and late."""
        growth = self.bytes_at(self.late) - self.bytes_at(self.early)
        return growth / max(1, self.late - self.early)


def page(runs: Sequence[Measured], *, setting: Sequence[str]) -> str:
    """Return the table, where it comes from, and what of each row is real.

    Args:
        runs: The drivers that ended.
        setting: Lines on date, hardware, commit and cluster.
    """
    head = (
        "| driver | trials | at a time | s per trial, early | late | late / early "
        "| MiB, early | late | KiB more per trial |"
    )
    lines = [
        "# Scale: a driver's memory and time as trials finish",
        "",
        *(f"- {line}" for line in setting),
        "",
        head,
        f"|{' --- |' * (head.count('|') - 1)}",
        *(_row(run) for run in runs),
        "",
        "Early is the second tenth of the trials, late the last. Seconds are wall time from one "
        "trial's end to the next; memory is the resident set of the driver's process.",
        "",
        *(f"- **{run.name}**: {run.is_real}" for run in runs),
    ]
    return "\n".join(lines) + "\n"


def picture(runs: Sequence[Measured]) -> bytes:
    """Return a PNG: the driver's memory and the seconds per trial over trials that have ended."""
    figure = Figure(figsize=(8.2, 3.4), layout="constrained", facecolor="white")
    memory, time = figure.subplots(1, 2)
    for run, colour in zip(runs, ARMS, strict=False):
        ended = range(1, len(run.ends_s) + 1)
        held = [run.bytes_at(trial) / MIB for trial in range(len(run.ends_s))]
        memory.plot(ended, held, color=colour, label=run.name)
        taken = [run.seconds_per_trial(trial) for trial in range(run.window, len(run.ends_s))]
        time.plot(ended[run.window :], taken, color=colour)
    for axes, y in ((memory, "driver's memory (MiB)"), (time, "wall seconds per trial")):
        plain(axes)
        label(axes, x="trials ended", y=y)
        axes.set_ylim(bottom=0)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=INK)
    return as_png(figure)


def _row(run: Measured) -> str:
    early_s, late_s = run.seconds_per_trial(run.early), run.seconds_per_trial(run.late)
    cells = [
        run.name,
        f"{len(run.ends_s)}",
        f"{run.at_a_time}",
        f"{early_s:.3f}",
        f"{late_s:.3f}",
        f"{late_s / early_s:.2f}",
        f"{run.bytes_at(run.early) / MIB:.0f}",
        f"{run.bytes_at(run.late) / MIB:.0f}",
        f"{run.bytes_per_trial / 1024:.1f}",
    ]
    return f"| {' | '.join(cells)} |"

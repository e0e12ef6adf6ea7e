"""The page of a scale run: a table and a figure of what a driver holds and what a trial takes.

Wall time is shared with all else that runs on the machine; the driver's own CPU time is not.
"""

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
class Sample:
    """What a driver's process had taken by a moment.

    Attributes:
        time_s: The moment, since the epoch.
        resident: Bytes it holds in memory.
        cpu_s: CPU time of all its threads so far, in the kernel too.
    """

    time_s: float
    resident: int
    cpu_s: float


@dataclass(frozen=True)
class Measured:
    """A driver that ran trials to the end.

    Attributes:
        name: What it is called.
        is_real: What of it is what a study has, and what stands in for something.
        at_a_time: Trials that it had running.
        ends_s: When each trial ended, in order.
        samples: Of its process, in order.
    """

    name: str
    is_real: str
    at_a_time: int
    ends_s: Sequence[float]
    samples: Sequence[Sample]

    @property
    def window(self) -> int:
        """Return how many trials a tenth of them is."""
        return max(1, round(SHARE * len(self.ends_s)))

    def seconds_per_trial(self, last: int) -> float:
        """Return the wall time per trial over the tenth that ends with this one, from 0."""
        first = last - self.window
        return (self.ends_s[last] - self.ends_s[first]) / self.window

    def cpu_per_trial(self, last: int) -> float:
        """Return the driver's CPU seconds per trial over the tenth that ends with this one."""
        first = last - self.window
        return (self.at(last).cpu_s - self.at(first).cpu_s) / self.window

    def at(self, trial: int) -> Sample:
        """Return the last sample before a trial ended, from 0; the first one before any."""
        ended_s = self.ends_s[trial]
        after = bisect.bisect_right(self.samples, ended_s, key=lambda sample: sample.time_s)
        return self.samples[max(0, after - 1)]

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
        growth = self.at(self.late).resident - self.at(self.early).resident
        return growth / max(1, self.late - self.early)


def page(runs: Sequence[Measured], *, setting: Sequence[str]) -> str:
    """Return the table, where it comes from, and what of each row is real.

    Args:
        runs: The drivers that ended.
        setting: Lines on date, hardware, commit and cluster.
    """
    head = (
        "| driver | trials | at a time | CPU ms per trial, early | late | late / early "
        "| wall s per trial, early | late | late / early | MiB, early | late | KiB more per trial |"
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
        "Early is the second tenth of the trials, late the last. CPU time and memory (resident "
        "set) are those of the driver's process; wall time is from one trial's end to the next, "
        "and shared with all else that the machine does.",
        "",
        *(f"- **{run.name}**: {run.is_real}" for run in runs),
    ]
    return "\n".join(lines) + "\n"


def picture(runs: Sequence[Measured]) -> bytes:
    """Return a PNG: the driver's memory and the seconds per trial over trials that have ended."""
    figure = Figure(figsize=(9.6, 3.2), layout="constrained", facecolor="white")
    memory, cpu, wall = figure.subplots(1, 3)
    for run, colour in zip(runs, ARMS, strict=False):
        ended = range(1, len(run.ends_s) + 1)
        held = [run.at(trial).resident / MIB for trial in range(len(run.ends_s))]
        memory.plot(ended, held, color=colour, label=run.name)
        whole = range(run.window, len(run.ends_s))
        computed = [1000 * run.cpu_per_trial(trial) for trial in whole]
        cpu.plot(ended[run.window :], computed, color=colour)
        taken = [run.seconds_per_trial(trial) for trial in whole]
        wall.plot(ended[run.window :], taken, color=colour)
    titles = "driver's memory (MiB)", "driver's CPU time per trial (ms)", "wall time per trial (s)"
    for axes, y in zip((memory, cpu, wall), titles, strict=True):
        plain(axes)
        label(axes, x="trials ended", y=y)
        axes.set_ylim(bottom=0)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=INK)
    return as_png(figure)


def _row(run: Measured) -> str:
    early_s, late_s = run.seconds_per_trial(run.early), run.seconds_per_trial(run.late)
    early_cpu, late_cpu = (1000 * run.cpu_per_trial(trial) for trial in (run.early, run.late))
    cells = [
        run.name,
        f"{len(run.ends_s)}",
        f"{run.at_a_time}",
        f"{early_cpu:.0f}",
        f"{late_cpu:.0f}",
        f"{late_cpu / early_cpu:.2f}" if early_cpu else "-",
        f"{early_s:.3f}",
        f"{late_s:.3f}",
        f"{late_s / early_s:.2f}",
        f"{run.at(run.early).resident / MIB:.0f}",
        f"{run.at(run.late).resident / MIB:.0f}",
        f"{run.bytes_per_trial / 1024:.1f}",
    ]
    return f"| {' | '.join(cells)} |"

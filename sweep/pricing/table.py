"""The price of a study as text for a terminal of 80 columns."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from sweep.pricing.estimate import Interval, PhasePrice, Price
from sweep.pricing.wording import shown_bytes, shown_hours, shown_seconds, shown_sizes

WIDTH = 80
INDENT = "  "


@dataclass(frozen=True)
class Bill:
    """All that is told about a study's price.

    Attributes:
        title: What was tried.
        price: What it comes to; None if nothing could be tried.
        gpus_per_slot: GPUs that a slot holds.
        prepare_s: Seconds that making the data takes, which no slot works on.
        start_s: Seconds in which Ray and the slots start.
        other_bytes: What else is written than stages that end.
        free_bytes: Bytes free on the disk.
        warnings: What will not work, or not well.
        assumptions: What the price rests on.
    """

    title: str
    price: Price | None
    gpus_per_slot: float
    prepare_s: float
    start_s: float
    other_bytes: float
    free_bytes: float
    warnings: Sequence[str]
    assumptions: Sequence[str]


def describe_bill(bill: Bill) -> str:
    """Return the price: phases, totals, what was assumed, warnings last."""
    parts = [textwrap.fill(bill.title, WIDTH)]
    if bill.price is not None:
        parts += [_phases(bill.price.phases), _totals(bill, bill.price)]
    parts.append(_items("assumed", bill.assumptions))
    if bill.warnings:
        parts.append(_items("warnings", bill.warnings))
    return "\n\n".join(parts) + "\n"


def _phases(phases: Sequence[PhasePrice]) -> str:
    uses_gpu = any(phase.cuda_bytes for phase in phases)
    rows = [["phase", "stages", "epochs", "per epoch", "all of them", "memory", "disk"]]
    for phase in phases:
        low, high = phase.epochs
        memory = phase.cuda_bytes if uses_gpu else phase.host_bytes
        rows.append(
            [
                phase.label,
                f"{phase.stages:,}",
                f"{low}" if low == high else f"{low}..{high}",
                shown_seconds(phase.epoch_s),
                shown_seconds(phase.slot_s),
                shown_bytes(memory),
                shown_bytes(phase.disk_bytes.expected),
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(INDENT + line for line in lines)


def _totals(bill: Bill, price: Price) -> str:
    extra = bill.prepare_s + bill.start_s
    wall = price.wall_s.plus(Interval(extra, extra, extra))
    disk = price.disk_bytes.plus(Interval(bill.other_bytes, bill.other_bytes, bill.other_bytes))
    preparing = Interval(bill.prepare_s, bill.prepare_s, bill.prepare_s)
    facts = [
        ("wall clock", shown_hours(wall)),
        ("slot-hours", shown_hours(price.slot_s)),
        ("GPU-hours", shown_hours(price.slot_s.times(bill.gpus_per_slot))),
        ("storage", f"{shown_sizes(disk)}; {shown_bytes(bill.free_bytes)} are free"),
    ]
    if bill.prepare_s:
        facts.append(("of these", f"{shown_seconds(preparing)} to make the data"))
    width = max(len(name) for name, _ in facts)
    return "\n".join(f"{INDENT}{name:<{width}}  {value}" for name, value in facts)


def _items(title: str, items: Sequence[str]) -> str:
    lines = [
        textwrap.fill(
            item,
            WIDTH,
            initial_indent=f"{INDENT}- ",
            subsequent_indent=f"{INDENT}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for item in items
    ]
    return "\n".join([title, *lines])

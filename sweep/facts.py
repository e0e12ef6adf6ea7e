"""From what a slot reports to what the journal records."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.trials import StageEntry, Trial
from trainables.assignment import Event

Report = Mapping[str, Any]
"""A `SlotReport` as a dict, with `trial` and `label`."""

StoredEpochs = Sequence[Mapping[str, Any]]
"""`{"epoch", "metrics"}` of every epoch of a committed stage."""

DIVERGED = "diverged"
"""The error class of a loss or metric that is not finite."""


@dataclass(frozen=True)
class Failure:
    """Why a trial cannot go on.

    Attributes:
        by_slot: Whether the slot said so; else it may still be training.
        label: The plan step it happened in, if it is known.
    """

    error_class: str
    message: str
    by_slot: bool
    label: str | None = None


def failure_in(report: Report) -> Failure | None:
    """Return the failure a report states, or is, because a metric in it is not a number."""
    if report["event"] == Event.FAILED:
        return Failure(
            report["error_class"], report["message"], by_slot=True, label=report["label"]
        )
    for name, value in report["metrics"].items():
        if not math.isfinite(value):
            message = f"{report['label']}/{name} was {value} after epoch {report['epoch']}."
            return Failure(DIVERGED, message, by_slot=False)
    return None


def facts_in(report: Report, trial: Trial, stored: StoredEpochs) -> Iterator[dict[str, Any]]:
    """Yield the records that a report without a failure adds to a trial, as known so far.

    Args:
        report: What the slot reported.
        trial: The trial as the ledger has it.
        stored: For a finished or reused stage, what the stage store has of its epochs; those whose
            reports were lost on the way are taken from there.
    """
    stage = trial.stage(report["label"])
    about = {"trial": trial.number, "label": stage.label}
    match Event(report["event"]):
        case Event.STARTED:
            yield _status(about, "running", resumed_from=report["epoch"])
        case Event.EPOCH:
            yield from _epochs(about, stage, [report])
        case Event.FINISHED if stage.status != "done":
            yield from _epochs(about, stage, stored)
            yield _status(about, "done")
        case Event.REUSED if stage.status == "planned":
            yield from _epochs(about, stage, stored)
            yield _status(about, "reused")
        case Event.REUSED if stage.status == "running":  # its own work: only the end was not told
            yield _status(about, "running", resumed_from=stage.epochs_planned)
            yield from _epochs(about, stage, stored)
            yield _status(about, "done")


def _status(about: Mapping[str, Any], status: str, *, resumed_from: int = 0) -> dict[str, Any]:
    return {"kind": "stage", **about, "status": status, "resumed_from": resumed_from}


def _epochs(
    about: Mapping[str, Any], stage: StageEntry, epochs: StoredEpochs
) -> Iterator[dict[str, Any]]:
    for epoch in epochs:
        if stage.epoch(epoch["epoch"]) is None:
            metrics = dict(epoch["metrics"])
            record = {"kind": "epoch", **about, "epoch": epoch["epoch"], "metrics": metrics}
            usage = [dict(worker) for worker in epoch.get("usage", ())]
            yield {**record, "usage": usage} if any(usage) else record

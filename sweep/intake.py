"""What is new in the reports of a trial's slot: each fact once, and none of an earlier attempt."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweep.facts import Failure, Report, StoredEpochs, facts_in, failure_in
from sweep.trials import Trial


@dataclass
class Run:
    """A trial on a slot.

    Attributes:
        seen: Assignment id -> last sequence number.
    """

    trial: int
    attempt: int
    slot: str
    seen: dict[str, int] = field(default_factory=dict)

    def is_news(self, report: Report) -> bool:
        """Say whether a report is of this attempt and was not seen before; it is seen then."""
        assignment: str = report["assignment"]
        if not assignment.startswith(f"{self.trial}.{self.attempt}."):
            return False
        if report["seq"] <= self.seen.get(assignment, -1):
            return False
        self.seen[assignment] = report["seq"]
        return True


@dataclass(frozen=True)
class News:
    """What reports come to.

    Attributes:
        records: What they add to the journal.
        failure: Why the trial cannot go on; what came after it is not looked at.
        dropped: Reports that came twice, or late from an earlier attempt.
    """

    records: list[dict[str, Any]]
    failure: Failure | None
    dropped: int


def news_in(
    reports: Sequence[Report],
    run: Run,
    trial: Trial,
    stored: Callable[[Report], StoredEpochs | Failure],
) -> News:
    """Return what reports add to what the ledger has of a trial.

    Args:
        reports: In the order in which they came.
        run: The trial's present run.
        trial: The trial as the ledger has it.
        stored: What the stage store has of the epochs of the stage that a report is about, or why
            it cannot tell.
    """
    records: list[dict[str, Any]] = []
    dropped = 0
    for report in reports:
        if not run.is_news(report):
            dropped += 1
            continue
        found = failure_in(report) or stored(report)
        if isinstance(found, Failure):
            return News(list(_once(records)), found, dropped)
        records += facts_in(report, trial, found)
    return News(list(_once(records)), None, dropped)


def _once(records: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the records without the epochs that the same batch has already."""
    known: set[tuple[str, int]] = set()
    for record in records:
        if record["kind"] == "epoch":
            if (record["label"], record["epoch"]) in known:
                continue
            known.add((record["label"], record["epoch"]))
        yield record

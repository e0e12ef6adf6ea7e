"""Whether what a trial reported once and reports now is the same, number by number."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sweep.retraining import Retrained
from sweep.stage_again import Epochs
from sweep.study import split_metric
from sweep.trial_record import TrialRecord
from sweep.trials import TrialState

OBJECTIVE = "objective"
ENDING = "ending"


@dataclass(frozen=True)
class Agreement:
    """How far one number of the record and of the replay are apart.

    Attributes:
        name: `<plan label>/<metric key>`, `objective` or `ending`.
        compared: Epochs that were compared.
        apart: Largest absolute difference.
        relative: Largest difference in shares of the larger magnitude.
        epoch: Where the relative difference is largest; None where all are bit-equal.
        missing: Why something could not be compared, or "".
        value: What the replay gave in the last epoch that was compared; None for endings, and where
            nothing was.
    """

    name: str
    compared: int
    apart: float = 0.0
    relative: float = 0.0
    epoch: int | None = None
    missing: str = ""
    value: float | None = None

    @property
    def is_equal(self) -> bool:
        """Say whether everything is there and the same to the last bit."""
        return not self.missing and self.epoch is None

    def holds(self, tolerance: float) -> bool:
        """Say whether it counts as the same: bit-equal where the relative tolerance is 0."""
        return not self.missing and self.relative <= tolerance


def agreements(record: TrialRecord, replayed: Retrained) -> list[Agreement]:
    """Return every metric of every stage, the objective, and how the trial ended."""
    found: list[Agreement] = []
    for entry in record.trial.stages:
        then = {epoch.epoch: epoch.metrics for epoch in entry.epochs}
        now = replayed.epochs.get(entry.label, {})
        found += _of_metrics(entry.label, then, now)
    if record.trial.objective is not None:
        now_value = _objective(record, replayed)
        found.append(_of_objective(record.trial.objective, now_value))
    ending = _of_ending(record, replayed)
    return [*found, ending] if ending is not None else found


def _of_metrics(label: str, then: Epochs, now: Epochs) -> Iterator[Agreement]:
    names = dict.fromkeys(
        name for epochs in (then, now) for metrics in epochs.values() for name in metrics
    )
    for name in names:
        values = {e: metrics[name] for e, metrics in then.items() if name in metrics}
        others = {e: metrics[name] for e, metrics in now.items() if name in metrics}
        yield _compared(f"{label}/{name}", values, others)


def _compared(name: str, then: Mapping[int, float], now: Mapping[int, float]) -> Agreement:
    both = sorted(then.keys() & now.keys())
    pairs = [(epoch, then[epoch], now[epoch]) for epoch in both]
    worst = max(((_relative(a, b), epoch) for epoch, a, b in pairs if a != b), default=None)
    return Agreement(
        name,
        compared=len(both),
        apart=max((abs(a - b) for _, a, b in pairs), default=0.0),
        relative=0.0 if worst is None else worst[0],
        epoch=None if worst is None else worst[1],
        missing=_missing(sorted(then.keys() - now.keys()), sorted(now.keys() - then.keys())),
        value=now[both[-1]] if both else None,
    )


def _missing(only_then: Sequence[int], only_now: Sequence[int]) -> str:
    parts = []
    if only_then:
        parts.append(f"epochs {_spans(only_then)} on record alone")
    if only_now:
        parts.append(f"epochs {_spans(only_now)} not on record")
    return ", ".join(parts)


def _spans(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _relative(a: float, b: float) -> float:
    return abs(a - b) / max(abs(a), abs(b))


def _objective(record: TrialRecord, replayed: Retrained) -> float | None:
    label, key = split_metric(record.study.objective.metric)
    last = record.trial.stage(label).epochs_planned
    return replayed.epochs.get(label, {}).get(last, {}).get(key)


def _of_objective(then: float, now: float | None) -> Agreement:
    if now is None:
        return Agreement(OBJECTIVE, compared=0, missing="the replay did not reach it")
    return _compared(OBJECTIVE, {0: then}, {0: now})


def _of_ending(record: TrialRecord, replayed: Retrained) -> Agreement | None:
    """Compare failures; None where there was none, then and now."""
    trial, failure = record.trial, replayed.failure
    failed = trial.state is TrialState.FAIL
    if not failed and failure is None:
        return None
    then = f"{trial.error_class}" if failed else "no failure"
    now = "no failure" if failure is None else f"{failure.error_class} in {replayed.failed_in}"
    is_same = failed and failure is not None and failure.error_class == trial.error_class
    missing = "" if is_same else f"on record: {then}; now: {now}"
    if missing and failure is not None:
        missing += f" ({failure.message.splitlines()[0]})"
    return Agreement(ENDING, compared=1, missing=missing)

"""Whether a proxy foretells the objective well enough to stop trials by it."""

from collections.abc import Iterable, Iterator
from typing import Any

from hpe.metrics.direction import Direction
from sweep.early_stop import Rung, proxy_is_useless
from sweep.ledger import Ledger
from sweep.study import Study
from sweep.trials import Trial, TrialState


def is_switched_off(rung: Rung, ledger: Ledger) -> bool:
    """Say whether the rung's proxy was found useless, once and for ever."""
    return rung.is_proxy and any(note.get("proxy_off") == rung.label for note in ledger.notes)


def switching_off(rung: Rung, study: Study, judged_by: Iterable[Trial]) -> dict[str, Any] | None:
    """Return the note that switches the rung's proxy off, if these trials show it useless.

    Args:
        rung: A rung at which a proxy is compared.
        study: Its rules and its objective.
        judged_by: Trials; those that completed count.
    """
    pairs = list(_proxy_and_objective(rung, study.objective.direction, judged_by))
    correlation = proxy_is_useless(pairs, study.early_stop)
    if correlation is None:
        return None
    return {
        "kind": "note",
        "message": (
            f"{rung.label}/{rung.metric} no longer stops trials: over {len(pairs)} finished "
            f"trials its rank correlation with the objective is {correlation:.2f}, below "
            f"early_stop/min_correlation = {study.early_stop.min_correlation:g}."
        ),
        "proxy_off": rung.label,
    }


def _proxy_and_objective(
    rung: Rung, direction: Direction, trials: Iterable[Trial]
) -> Iterator[tuple[float, float]]:
    """Yield each completed trial's last proxy value, turned to the objective's way, and its end."""
    sign = 1.0 if rung.direction == direction else -1.0
    for trial in trials:
        if trial.state is not TrialState.COMPLETE or trial.objective is None:
            continue
        for stage in trial.stages:
            if stage.label == rung.label and stage.epochs:
                value = stage.epochs[-1].metrics.get(rung.metric)
                if value is not None:
                    yield sign * value, trial.objective

"""The leaderboard: every trial of the ledger in order of merit."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweep.ledger import Ledger
from sweep.objectives import is_feasible, is_plain, other_metrics, pareto_front
from sweep.study import Objective
from sweep.trials import Trial, TrialState

COLUMNS = ("rank", "trial", "arm", "state", "objective", "progress", "duration_s")
"""The leaderboard's first columns. One per parameter follows; before these, where a study has
further objectives or constraints, one per metric of those, and `JUDGED`."""

JUDGED = ("feasible", "pareto")
"""Whether a completed trial keeps every constraint, and whether no such trial dominates it."""

ORDER = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL)


@dataclass(frozen=True)
class Row:
    """One trial of the leaderboard; rank 1 is the best.

    Attributes:
        others: Metric -> value of what it is judged by beside the objective; empty where the study
            has nothing of the kind.
        feasible: Whether it keeps every constraint; None if it has not completed, or there are none
            and no further objectives.
        pareto: Whether it is on the front; None likewise.
    """

    rank: int
    trial: Trial
    others: Mapping[str, float | None] = field(default_factory=dict)
    feasible: bool | None = None
    pareto: bool | None = None

    @property
    def cells(self) -> tuple[Any, ...]:
        """Return the values of `COLUMNS`."""
        trial = self.trial
        return (
            self.rank,
            trial.number,
            trial.arm or "",
            str(trial.state),
            "" if trial.objective is None else trial.objective,
            round(trial.progress, 4),
            round(trial.duration_s, 1),
        )


def ranked(ledger: Ledger, objective: Objective) -> list[Row]:
    """Return all trials, best first.

    Complete ones come first, by objective, those that break a constraint after all others; then
    those stopped early, the further the better and among equals by the value they were stopped at;
    then running ones; then failed ones.
    """
    sign = 1.0 if objective.direction == "minimize" else -1.0

    def merit(trial: Trial) -> tuple[float, float, float, int]:
        if trial.state is TrialState.COMPLETE and trial.objective is not None:
            values = (float(not is_feasible(trial, objective)), sign * trial.objective)
        else:
            values = (-trial.progress, sign * trial.rungs[-1].value if trial.rungs else 0.0)
        return (ORDER.index(trial.state), *values, trial.number)

    trials = sorted(ledger.trials.values(), key=merit)
    if is_plain(objective):
        return [Row(rank, trial) for rank, trial in enumerate(trials, start=1)]
    front = {trial.number for trial in pareto_front(trials, objective)}
    return [
        _judged(rank, trial, objective, on_front=trial.number in front)
        for rank, trial in enumerate(trials, start=1)
    ]


def _judged(rank: int, trial: Trial, objective: Objective, *, on_front: bool) -> Row:
    others = {metric: trial.others.get(metric) for metric in other_metrics(objective)}
    if trial.state is not TrialState.COMPLETE:
        return Row(rank, trial, others)
    return Row(rank, trial, others, feasible=is_feasible(trial, objective), pareto=on_front)


def parameter_names(trials: Iterable[Trial]) -> list[str]:
    """Return the paths of all parameters that any of the trials has, in order."""
    return sorted({path for trial in trials for path in trial.params})


def write_leaderboard(rows: Sequence[Row], path: Path) -> None:
    """Write the leaderboard; an empty cell is a parameter that the trial does not have."""
    names = parameter_names(row.trial for row in rows)
    others = list(rows[0].others) if rows else []
    judged = JUDGED if any(row.feasible is not None for row in rows) else ()
    write_csv(
        path,
        (*COLUMNS, *others, *judged, *names),
        (
            (
                *row.cells,
                *(row.others[metric] for metric in others),
                *(getattr(row, name) for name in judged),
                *(as_cell(row.trial.params[n]) if n in row.trial.params else "" for n in names),
            )
            for row in rows
        ),
    )


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table; None becomes an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def as_cell(value: Any) -> Any:
    """Return a parameter's value as a CSV cell."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def composed(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return parameters for people: an operation and its strengths become one entry.

    `{"a/rotate/enabled": True, "a/rotate/max_deg": 45.0, "a/blur/enabled": False, "a/lr": 1e-3}`
    becomes `[("a/rotate", "max_deg 45"), ("a/blur", "off"), ("a/lr", "0.001")]`.
    """
    operations = [p.removesuffix("/enabled") for p in params if p.endswith("/enabled")]
    entries: list[tuple[str, str]] = []
    for path, value in params.items():
        operation = next((o for o in operations if path.startswith(f"{o}/")), None)
        if operation is None:
            entries.append((path, shown_value(value)))
        elif path == f"{operation}/enabled":
            strengths = [
                f"{p.removeprefix(f'{operation}/')} {shown_value(v)}"
                for p, v in params.items()
                if p.startswith(f"{operation}/") and p != path
            ]
            entries.append((operation, (", ".join(strengths) or "on") if value else "off"))
    return entries


def shown_value(value: Any) -> str:
    """Return a parameter's value with as many digits as a person reads."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)

"""The cost ledger: where the slots' seconds went, and what training nothing twice saved."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweep.ledger import Ledger
from sweep.report.cost import GPU_HOURS, Cost
from sweep.report.style import (
    ARMS,
    BEST,
    FAINT,
    INK,
    MUTED,
    QUIET,
    Chart,
    as_png,
    label,
    legend,
    new_figure,
)
from sweep.slot_time import NOTHING, Spent
from sweep.trials import Trial, TrialState

ARM, SEARCH, REPLICATE, ABLATION = "arms", "search", "replicates", "ablation"
STOPPED, FAILED, OPEN = "stopped early", "failed", "not finished"
SAVED = "saved by reuse"
KINDS: Mapping[str, str] = {
    SEARCH: INK,
    ARM: ARMS[0],
    REPLICATE: ARMS[1],
    ABLATION: ARMS[2],
    STOPPED: MUTED,
    FAILED: BEST,
    OPEN: QUIET,
}
"""What was paid for, in the order of the bars, with its colour."""

REPLACED = "begun and given up"
"""Stands for a phase: stages that a trial does not have any more."""


@dataclass(frozen=True)
class Spending:
    """What slots spent on training.

    Attributes:
        by_phase: Phase label -> kind -> what was spent; without what is nothing.
        saved: Phase label -> what stages taken over from this study had cost it.
    """

    by_phase: Mapping[str, Mapping[str, Spent]]
    saved: Mapping[str, Spent]

    @property
    def total(self) -> Spent:
        """Return all that was spent."""
        return sum((sum(kinds.values(), NOTHING) for kinds in self.by_phase.values()), NOTHING)


def spending_of(ledger: Ledger) -> Spending:
    """Add up what was spent, each second once: on the phase and for what became of the trial."""
    spent: dict[str, dict[str, Spent]] = defaultdict(lambda: defaultdict(Spent))
    saved: dict[str, Spent] = defaultdict(Spent)
    for trial in ledger.everything():
        kind = _kind(trial)
        for stage in trial.stages:
            spent[stage.label][kind] += stage.spent
            if stage.status == "reused":
                saved[stage.label] += ledger.first_spent.get(stage.key, NOTHING)
        spent[REPLACED][kind] += trial.replaced
    by_phase = {
        phase: {kind: taken for kind, taken in kinds.items() if taken}
        for phase, kinds in spent.items()
    }
    shown = {phase: kinds for phase, kinds in by_phase.items() if kinds or saved.get(phase)}
    return Spending(shown, {phase: taken for phase, taken in saved.items() if taken})


def spending_chart(ledger: Ledger, cost: Cost) -> Chart | None:
    """Draw a bar per phase; None where nothing was spent."""
    found, cost = spending_of(ledger), cost.comparable
    if not found.total:
        return None
    phases = list(dict.fromkeys([*found.by_phase, *found.saved]))
    kinds = [kind for kind in KINDS if any(kind in found.by_phase.get(p, {}) for p in phases)]
    figure, axes = new_figure(height_in=0.55 * len(phases) + 1.4)
    left = dict.fromkeys(phases, 0.0)
    for kind in [*kinds, *([SAVED] if found.saved else [])]:
        parts = [_part(found, phase, kind, cost) for phase in phases]
        look: dict[str, Any] = (
            {"facecolor": "white", "edgecolor": MUTED, "hatch": "////"}
            if kind == SAVED
            else {"color": KINDS[kind]}
        )
        axes.barh(range(len(phases)), parts, 0.6, left=list(left.values()), label=kind, **look)
        left = {p: left[p] + part for p, part in zip(phases, parts, strict=True)}
    axes.set_yticks(range(len(phases)), phases)
    axes.set_ylim(len(phases) - 0.4, -0.6)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.grid(visible=False, axis="y")
    label(axes, x=cost.unit, y="")
    legend(axes)
    columns = [*kinds, *([SAVED] if found.saved else [])]
    digits = 4 if cost.unit == GPU_HOURS else 1
    return Chart(
        name="cost_ledger",
        title="Where the time went",
        caption=_caption(found, cost),
        png=as_png(figure),
        columns=("phase", *columns),
        rows=tuple(
            (phase, *(round(_part(found, phase, kind, cost), digits) for kind in columns))
            for phase in phases
        ),
    )


def _part(found: Spending, phase: str, kind: str, cost: Cost) -> float:
    if kind == SAVED:
        return cost.in_unit(found.saved.get(phase, NOTHING))
    return cost.in_unit(found.by_phase.get(phase, {}).get(kind, NOTHING))


def _caption(found: Spending, cost: Cost) -> str:
    text = (
        f"{cost.told(found.total)} of training by phase and by what they were for; completed "
        "trials count as arms, search, replicates or ablation."
    )
    if found.saved:
        text += " Hatched is what stages that were taken over had cost, and was not spent again."
    if cost.num_reused_elsewhere:
        text += (
            f" {cost.num_reused_elsewhere} more came from other studies, at a cost not known here."
        )
    return text


def _kind(trial: Trial) -> str:
    match trial.state:
        case TrialState.PRUNED:
            return STOPPED
        case TrialState.FAIL:
            return FAILED
        case TrialState.RUNNING:
            return OPEN
    if trial.replicate_of is not None:
        return REPLICATE if trial.without is None else ABLATION
    return SEARCH if trial.arm is None else ARM

"""What a study cost, and what training nothing twice saved."""

from dataclasses import dataclass, replace

from sweep.ledger import Ledger
from sweep.slot_time import NOTHING, Spent

GPU_HOURS = "GPU-hours"


@dataclass(frozen=True)
class Cost:
    """What slots were at work for.

    Attributes:
        trained: Spent on training, on stages that trials do not have any more too.
        saved: What stages that were reused had cost when this study trained them.
        num_reused: How often a stage was reused.
        num_reused_elsewhere: Those of them that another study trained, at a cost not known here.
        num_on_prefixes: Trials that the search placed on the finished prefix of an earlier one.
        elapsed_s: Time in which the driver was at work.
    """

    trained: Spent
    saved: Spent
    num_reused: int
    num_reused_elsewhere: int
    num_on_prefixes: int
    elapsed_s: float

    @property
    def unit(self) -> str:
        """Return what is paid for: GPU-hours, or core-seconds where there was no GPU."""
        if self.trained.gpu_s:
            return GPU_HOURS
        return "core-seconds" if self.trained.core_s else "slot-seconds"

    def in_unit(self, spent: Spent) -> float:
        """Return what was spent in the unit, without what that leaves out."""
        if self.trained.gpu_s:
            return spent.gpu_s / 3600
        return spent.core_s if self.trained.core_s else spent.slot_s

    def told(self, spent: Spent) -> str:
        """Return what was spent in the unit, as a person reads it, with what that leaves out."""
        beside = ""
        if self._is_mixed and spent.core_s:
            beside = f" and {spent.core_s:,.0f} core-seconds without a GPU"
        return f"{self.number(spent)} {self.unit}{beside}"

    def number(self, spent: Spent) -> str:
        """Return the number in the unit alone."""
        return self.shown(self.in_unit(spent))

    def shown(self, value: float) -> str:
        """Return a number of the unit as a person reads it."""
        return f"{value:.3g}" if self.unit == GPU_HOURS and value < 100 else f"{value:,.0f}"

    @property
    def comparable(self) -> "Cost":
        """Return the same in a unit that all sessions have: slot-seconds if not all had GPUs."""
        return replace(self, trained=Spent(self.trained.slot_s)) if self._is_mixed else self

    @property
    def _is_mixed(self) -> bool:
        """Say whether slots had GPUs in some sessions and none in others."""
        return bool(self.trained.gpu_s and self.trained.core_s)


def cost_of(ledger: Ledger) -> Cost:
    """Add up what the study's stages took."""
    trials, known = ledger.everything(), ledger.first_spent
    stages = [stage for trial in trials for stage in trial.stages]
    reused = [stage.key for stage in stages if stage.status == "reused"]
    return Cost(
        trained=sum((trial.spent for trial in trials), NOTHING),
        saved=sum((known.get(key, NOTHING) for key in reused), NOTHING),
        num_reused=len(reused),
        num_reused_elsewhere=sum(key not in known for key in reused),
        num_on_prefixes=sum(trial.prefix_of is not None for trial in ledger.trials.values()),
        elapsed_s=ledger.elapsed_s,
    )

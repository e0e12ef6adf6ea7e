"""What a study cost, and what training nothing twice saved."""

from dataclasses import dataclass

from sweep.ledger import Ledger
from sweep.lineage import gpus_per_slot


@dataclass(frozen=True)
class Cost:
    """Seconds that slots were at work.

    Attributes:
        trained_s: Spent on training.
        saved_s: What stages that were reused had cost when this study trained them.
        num_reused: How often a stage was reused.
        num_reused_elsewhere: Those of them that another study trained, at a cost not known here.
        num_on_prefixes: Trials that the search placed on the finished prefix of an earlier one.
        elapsed_s: Time in which the driver was at work.
        cores: Cores of a slot, if known.
        gpus: GPUs of a slot; 0 where it has none.
    """

    trained_s: float
    saved_s: float
    num_reused: int
    num_reused_elsewhere: int
    num_on_prefixes: int
    elapsed_s: float
    cores: float | None
    gpus: float = 0.0

    @property
    def unit(self) -> str:
        """Return what is paid for: GPU-hours, or core-seconds where there is no GPU."""
        if self.gpus:
            return "GPU-hours"
        return "slot-seconds" if self.cores is None else "core-seconds"

    def in_unit(self, seconds: float) -> float:
        """Return a slot's seconds in the unit."""
        if self.gpus:
            return seconds * self.gpus / 3600
        return seconds * (1.0 if self.cores is None else self.cores)

    def told(self, seconds: float) -> str:
        """Return a slot's seconds in the unit, as a person reads them."""
        return f"{self.number(seconds)} {self.unit}"

    def number(self, seconds: float) -> str:
        """Return the same without the unit."""
        value = self.in_unit(seconds)
        return f"{value:.3g}" if self.gpus and value < 100 else f"{value:,.0f}"


def cost_of(ledger: Ledger, *, cores_per_slot: float | None) -> Cost:
    """Add up what the study's stages took."""
    stages = [stage for trial in ledger.everything() for stage in trial.stages]
    first_s = {stage.key: stage.trained_s for stage in stages if stage.status == "done"}
    reused = [stage.key for stage in stages if stage.status == "reused"]
    return Cost(
        trained_s=sum(stage.trained_s for stage in stages if stage.status != "reused"),
        saved_s=sum(first_s.get(key, 0.0) for key in reused),
        num_reused=len(reused),
        num_reused_elsewhere=sum(key not in first_s for key in reused),
        num_on_prefixes=sum(trial.prefix_of is not None for trial in ledger.trials.values()),
        elapsed_s=ledger.elapsed_s,
        cores=cores_per_slot,
        gpus=gpus_per_slot(ledger.lineage),
    )

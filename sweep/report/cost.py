"""What a study cost, and what training nothing twice saved."""

from dataclasses import dataclass

from sweep.ledger import Ledger


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
    """

    trained_s: float
    saved_s: float
    num_reused: int
    num_reused_elsewhere: int
    num_on_prefixes: int
    elapsed_s: float
    cores: float | None

    @property
    def unit(self) -> str:
        """Return what the seconds are seconds of."""
        return "slot" if self.cores is None else "core"

    def in_unit(self, seconds: float) -> float:
        """Return slot seconds as core seconds where the cores are known."""
        return seconds * (1.0 if self.cores is None else self.cores)


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
    )

"""What the tryouts of a study's configurations say: costs, needs, and what failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweep.pricing.costs import Shortened, StageCost, epoch_times, stage_cost
from sweep.pricing.estimate import Costs
from sweep.pricing.measuring import NO_PARENT, OUT_OF_MEMORY, Found
from sweep.pricing.room import Need
from sweep.pricing.samples import PREFETCHED, Sample, config_identity, cut_short
from sweep.slot_fit import SlotFit
from trainables.plans import PlanStep


@dataclass
class Findings:
    """What is known of a study's configurations.

    Attributes:
        tried: Settings' identity -> cost.
        typical: Label -> costs of the points of the space; of arms where no point has one.
        needs: One for each settings of a phase.
        failures: What went wrong, but for memory, one sentence each.
    """

    tried: dict[str, StageCost] = field(default_factory=dict)
    typical: dict[str, list[StageCost]] = field(default_factory=dict)
    needs: dict[str, Need] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def costs(self) -> Costs:
        """Return the costs alone."""
        return Costs(tried=self.tried, typical=self.typical)


def read_findings(
    samples: Sequence[Sample],
    found: Mapping[str, Found],
    *,
    fit: SlotFit,
    sizes: Mapping[str, int],
    tried_sizes: Mapping[str, int],
    common: Mapping[str, Any],
) -> Findings:
    """Return what was found out about these configurations.

    Args:
        samples: What was tried.
        found: Shortened settings' identity -> what its tryout found.
        fit: The slots.
        sizes: Samples of each split of the study's data.
        tried_sizes: The same of the data it was tried on.
        common: The study's settings, which need not be named.
    """
    findings = Findings()
    of_arms: dict[str, list[StageCost]] = {}
    for sample in samples:
        plan, short = sample.point.plan, cut_short(sample.point, fit)
        for step in plan:
            result = found.get(config_identity(plan, short, step.label))
            if result is None:
                continue  # given weights stand for it
            identity = config_identity(plan, sample.point.configs, step.label)
            who = _who(sample, step, common)
            if result["failure"] is not None:
                _take_failure(findings, identity, who, result["failure"])
                continue
            work = _shortened(step, sample, short, sizes, tried_sizes)
            skipped = PREFETCHED * getattr(work.tried_config, "loader_workers", 0)
            epochs, commit_s = epoch_times(result["events"], skipped=skipped)
            cost = stage_cost(epochs, commit_s, work, result)
            findings.tried[identity] = cost
            findings.needs.setdefault(identity, Need(who, cost.host_bytes, cost.cuda_bytes))
            group = findings.typical if sample.is_searched else of_arms
            group.setdefault(step.label, []).append(cost)
    findings.typical = {**of_arms, **findings.typical}
    return findings


def _take_failure(findings: Findings, identity: str, who: str, failure: Mapping[str, str]) -> None:
    error_class = failure["error_class"]
    message = failure["message"].strip().splitlines()[0].rstrip(".")
    if error_class == OUT_OF_MEMORY:
        findings.needs.setdefault(identity, Need(who, 0, 0, out_of_memory=message))
    elif error_class != NO_PARENT:  # the parent's failure is told already
        findings.failures.setdefault(identity, f"{who} fails ({error_class}): {message}.")


def _shortened(
    step: PlanStep,
    sample: Sample,
    short: Mapping[str, Any],
    sizes: Mapping[str, int],
    tried_sizes: Mapping[str, int],
) -> Shortened:
    spec, config, tried = step.spec, sample.point.configs[step.label], short[step.label]
    return Shortened(
        config=config,
        epochs=spec.epochs(config),
        workload=spec.workload(config, sizes) if spec.workload else None,
        tried_config=tried,
        tried_epochs=spec.epochs(tried),
        tried_workload=spec.workload(tried, tried_sizes) if spec.workload else None,
        batches=getattr(config, "accumulate", 1) / getattr(tried, "accumulate", 1),
    )


def _who(sample: Sample, step: PlanStep, common: Mapping[str, Any]) -> str:
    own = [
        f"{path}={value}"
        for path, value in sample.point.settings.items()
        if path.startswith(f"{step.label}/") and common.get(path) != value
    ]
    return f"{step.label} of {sample.name}" + (f" ({', '.join(own)})" if own else "")

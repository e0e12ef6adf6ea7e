"""The fixed template pose beside the objective: what a predictor that sees nothing would score."""

from collections.abc import Iterable

from sweep.ledger import Ledger
from sweep.report.history import EpochsOf
from sweep.study import Objective, split_metric
from sweep.trials import Epoch, Trial, TrialState

TEMPLATE = "template_"


def template_value(ledger: Ledger, objective: Objective, epochs_of: EpochsOf) -> float | None:
    """Return the template's value of the objective's metric, if the last phase reports it.

    `finetune/val/root_epe_mm` is compared with `val/template_root_epe_mm` of the same phase.
    """
    label, key = split_metric(objective.metric)
    split, _, name = key.rpartition("/")
    template_key = f"{split}/{TEMPLATE}{name}" if split else f"{TEMPLATE}{name}"
    for epoch in _last_epochs(ledger.in_state(TrialState.COMPLETE), label, epochs_of):
        if template_key in epoch.metrics:
            return epoch.metrics[template_key]
    return None


def _last_epochs(trials: Iterable[Trial], label: str, epochs_of: EpochsOf) -> Iterable[Epoch]:
    for trial in trials:
        for stage in trial.stages:
            if stage.label == label:
                yield from list(epochs_of(stage))[-1:]

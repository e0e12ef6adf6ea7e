"""The phases that plans are made of."""

from collections.abc import Mapping
from types import MappingProxyType

from hpe.phases.finetune import FinetuneConfig, finetune, finetune_metrics
from hpe.phases.phase import PhaseSpec
from hpe.phases.pretrain import PretrainConfig, pretrain, pretrain_metrics
from hpe.phases.probe import PROBE_METRIC

PHASES: Mapping[str, PhaseSpec] = MappingProxyType(
    {
        "pretrain": PhaseSpec(
            config=PretrainConfig,
            run=pretrain,
            metrics=pretrain_metrics,
            epochs=lambda config: config.epochs,
            proxy=PROBE_METRIC,
        ),
        "finetune": PhaseSpec(
            config=FinetuneConfig,
            run=finetune,
            metrics=finetune_metrics,
            epochs=lambda config: config.epochs,
            follows=("pretrain",),
            inherits=("encoder",),
        ),
    }
)

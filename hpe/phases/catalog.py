"""The phases that plans are made of."""

from collections.abc import Mapping
from types import MappingProxyType

from hpe.phases.body_phases import BODY_PHASES
from hpe.phases.encoder_decoder import encoder_decoder
from hpe.phases.encoder_decoder_config import RANKING_METRIC as ENCODER_DECODER_RANKING_METRIC
from hpe.phases.encoder_decoder_config import EncoderDecoderConfig, encoder_decoder_metrics
from hpe.phases.evaluation import RANKING_METRIC
from hpe.phases.finetune import finetune
from hpe.phases.finetune_config import FinetuneConfig, finetune_metrics
from hpe.phases.label_budget import label_workload
from hpe.phases.micro_batch import halved_micro_batch
from hpe.phases.phase import PhaseSpec
from hpe.phases.pretrain import pretrain
from hpe.phases.pretrain_config import PretrainConfig, pretrain_metrics, pretrain_workload
from hpe.phases.probe import PROBE_METRIC
from hpe.phases.rehearsal import (
    FIRST_METRICS,
    LAST_METRICS,
    FirstRehearsalConfig,
    LastRehearsalConfig,
    rehearse_first,
    rehearse_last,
)
from hpe.phases.segmentation_phases import SEGMENTATION_PHASES
from hpe.phases.skeleton_phases import SKELETON_PHASES
from hpe.viz.axis_sheets import draw_axes
from hpe.viz.hand_sheets import draw_hands, framed_views, labelled_views, unlabelled_views

PHASES: Mapping[str, PhaseSpec] = MappingProxyType(
    {
        "pretrain": PhaseSpec(
            config=PretrainConfig,
            run=pretrain,
            metrics=pretrain_metrics,
            epochs=lambda config: config.epochs,
            proxy=PROBE_METRIC,
            ranked_by=PROBE_METRIC,
            workload=pretrain_workload,
            lighter=halved_micro_batch,
            task="hand_pose",
            show_views=unlabelled_views,
        ),
        "finetune": PhaseSpec(
            config=FinetuneConfig,
            run=finetune,
            metrics=finetune_metrics,
            epochs=lambda config: config.epochs,
            ranked_by=RANKING_METRIC,
            workload=label_workload,
            follows=("pretrain",),
            inherits=("encoder",),
            lighter=halved_micro_batch,
            task="hand_pose",
            draw=draw_hands,
            show_views=labelled_views,
        ),
        **BODY_PHASES,
        **SKELETON_PHASES,
        **SEGMENTATION_PHASES,
        "encoder_decoder": PhaseSpec(
            config=EncoderDecoderConfig,
            run=encoder_decoder,
            metrics=encoder_decoder_metrics,
            epochs=lambda config: config.epochs,
            ranked_by=ENCODER_DECODER_RANKING_METRIC,
            workload=label_workload,
            follows=("pretrain",),
            inherits=("encoder",),
            lighter=halved_micro_batch,
            task="hand_pose",
            draw=draw_axes,
            show_views=framed_views,
        ),
        "rehearse_first": PhaseSpec(
            config=FirstRehearsalConfig,
            run=rehearse_first,
            metrics=lambda _: FIRST_METRICS,
            epochs=lambda config: config.epochs,
            proxy="val/proxy",
        ),
        "rehearse_last": PhaseSpec(
            config=LastRehearsalConfig,
            run=rehearse_last,
            metrics=lambda _: LAST_METRICS,
            epochs=lambda config: config.epochs,
            follows=("rehearse_first",),
        ),
    }
)

"""The phases of the segmentation GAN, for the catalog."""

from collections.abc import Mapping
from types import MappingProxyType

from hpe.phases.generator import generator
from hpe.phases.micro_batch import halved_micro_batch
from hpe.phases.paired import paired
from hpe.phases.phase import PhaseSpec
from hpe.phases.pseudo_labels import pseudo_labels
from hpe.phases.segmentation_config import (
    RANKING_METRIC,
    GeneratorConfig,
    PairedConfig,
    PseudoLabelsConfig,
    generator_metrics,
    lighter_labelling,
    paired_metrics,
    paired_workload,
    pseudo_labels_metrics,
    pseudo_labels_workload,
)
from hpe.viz.segmentation_sheets import draw_masks, masked_views, unmasked_views

SEGMENTATION_PHASES: Mapping[str, PhaseSpec] = MappingProxyType(
    {
        "generator": PhaseSpec(
            config=GeneratorConfig,
            run=generator,
            metrics=generator_metrics,
            epochs=lambda config: config.epochs,
            ranked_by=RANKING_METRIC,
            workload=paired_workload,
            lighter=halved_micro_batch,
            task="hand_segmentation",
            draw=draw_masks,
            show_views=masked_views,
        ),
        "pseudo_labels": PhaseSpec(
            config=PseudoLabelsConfig,
            run=pseudo_labels,
            metrics=pseudo_labels_metrics,
            epochs=lambda config: config.epochs,
            ranked_by=RANKING_METRIC,
            workload=pseudo_labels_workload,
            follows=("generator", "pseudo_labels", "paired"),
            requires=("generator",),
            inherits=("segmenter",),
            lighter=lighter_labelling,
            task="hand_segmentation",
            draw=draw_masks,
            show_views=unmasked_views,
        ),
        "paired": PhaseSpec(
            config=PairedConfig,
            run=paired,
            metrics=paired_metrics,
            epochs=lambda config: config.epochs,
            ranked_by=RANKING_METRIC,
            workload=paired_workload,
            follows=("generator", "pseudo_labels", "paired"),
            inherits=("segmenter", "discriminator"),
            lighter=halved_micro_batch,
            task="hand_segmentation",
            draw=draw_masks,
            show_views=masked_views,
        ),
    }
)
"""`paired` alone is supervised training; S3's schedule is generator, pseudo_labels, paired,
pseudo_labels, paired."""

"""Training of G2 on images without masks, by what G1 says of them."""

import json
from collections.abc import Generator

from torch import nn

from hpe.models.segmenters import SegmenterConfig
from hpe.phases.distribution import data_parallel, require_divisible
from hpe.phases.loaders import Batch
from hpe.phases.mask_batches import masked_batches, pseudo_labelled, require_enough_kept
from hpe.phases.mask_run import (
    GOES_ON,
    MaskRun,
    carry_moments,
    class_weights_of,
    last_trained,
    segmenter_optimizer,
    steps_behind,
    trained_segmenter,
)
from hpe.phases.mask_training import run_segmentation
from hpe.phases.phase import Phase, PhaseInputs, State
from hpe.phases.precision import Numerics
from hpe.phases.segmentation_config import PseudoLabelsConfig, steps_per_epoch


def pseudo_labels(
    config: PseudoLabelsConfig, inputs: PhaseInputs, resume: State | None = None
) -> Phase:
    """Train a segmenter on the images of each batch of which the generator is surest.

    Yields:
        A report per epoch with all scores on the validation split.

    Returns:
        The groups `segmenter` (G2), `optimizer` (its moments) and `predictions`.

    Raises:
        ValueError: If a parent's segmenter is another one than the settings say.
        Diverged: If a loss is not finite.
    """
    require_divisible(config.batch_size)
    require_enough_kept(batch_size=config.batch_size, keep_share=config.keep_share)
    numerics = Numerics(inputs.device, config.precision, config.channels_last)
    steps = steps_per_epoch(config, len(inputs.data.splits["unlabelled"]))
    trained = last_trained(inputs.parents, GOES_ON)
    segmenter = numerics.placed(
        trained_segmenter(config.segmenter, section=GOES_ON, parent=trained, seed=inputs.seed)
    )
    optimizer = segmenter_optimizer(segmenter, config, steps_per_epoch=steps)
    if trained is not None and config.carry_optimizer:
        carry_moments(optimizer, trained, "optimizer")
    run = MaskRun(
        config=config,
        numerics=numerics,
        section=GOES_ON,
        segmenter=segmenter,
        parallel=data_parallel(segmenter),
        optimizer=optimizer,
        adversary=None,
        class_weights=class_weights_of(config, inputs.device),
        steps_per_epoch=steps,
        steps_before=steps_behind(trained, GOES_ON),
    )

    def batches_from(finished: int) -> Generator[Batch, None, None]:
        images = masked_batches(
            config, inputs, split="unlabelled", steps_per_epoch=steps, first_epoch=finished
        )
        labeller = numerics.placed(_labeller(inputs))
        return pseudo_labelled(images, labeller, numerics=numerics, keep_share=config.keep_share)

    return (
        yield from run_segmentation(run, inputs, batches_from, phase="pseudo_labels", resume=resume)
    )


def _labeller(inputs: PhaseInputs) -> nn.Module:
    parent = inputs.parents["generator"]
    config = SegmenterConfig.model_validate_json(json.dumps(parent.facts["network"]))
    return trained_segmenter(config, section="network", parent=parent, seed=0).requires_grad_(False)

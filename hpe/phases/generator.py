"""Training of G1, which will label images without masks, and of the discriminator beside it."""

from collections.abc import Generator

from hpe.data.hand_masks import UNPAIRED_MASKS
from hpe.phases.distribution import data_parallel, require_divisible
from hpe.phases.loaders import Batch
from hpe.phases.mask_batches import masked_batches, with_real_masks
from hpe.phases.mask_run import (
    MaskRun,
    build_adversary,
    class_weights_of,
    segmenter_optimizer,
    trained_segmenter,
)
from hpe.phases.mask_training import run_segmentation
from hpe.phases.phase import Phase, PhaseInputs, State
from hpe.phases.precision import Numerics
from hpe.phases.segmentation_config import GeneratorConfig, PairedConfig, steps_per_epoch


def generator(config: GeneratorConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Train a segmenter on images with masks, and a discriminator on what it says of them.

    Yields:
        A report per epoch with all scores on the validation split.

    Returns:
        The groups `network` (G1), `discriminator` with its optimizer's moments, and `predictions`
        (some validation samples).

    Raises:
        Diverged: If a loss is not finite; the message says in which of the two networks.
    """
    require_divisible(config.batch_size)
    numerics = Numerics(inputs.device, config.precision, config.channels_last)
    steps = steps_per_epoch(config, len(inputs.data.splits["train"]))
    network = numerics.placed(
        trained_segmenter(config.network, section="network", parent=None, seed=inputs.seed)
    )
    run = MaskRun(
        config=config,
        numerics=numerics,
        section="network",
        segmenter=network,
        parallel=data_parallel(network),
        optimizer=segmenter_optimizer(network, config, steps_per_epoch=steps),
        adversary=build_adversary(
            config.discriminator,
            config.adversary,
            config,
            numerics=numerics,
            steps_per_epoch=steps,
            seed=inputs.seed,
        ),
        class_weights=class_weights_of(config, inputs.device),
        steps_per_epoch=steps,
    )

    def batches_from(finished: int) -> Generator[Batch, None, None]:
        return paired_batches(config, inputs, steps_per_epoch=steps, first_epoch=finished)

    return (
        yield from run_segmentation(run, inputs, batches_from, phase="generator", resume=resume)
    )


def paired_batches(
    config: GeneratorConfig | PairedConfig,
    inputs: PhaseInputs,
    *,
    steps_per_epoch: int,
    first_epoch: int,
) -> Generator[Batch, None, None]:
    """Yield batches of images with masks, with what the discriminator is taught as true masks."""
    streams = [
        masked_batches(
            config, inputs, split=split, steps_per_epoch=steps_per_epoch, first_epoch=first_epoch
        )
        for split in ("train", UNPAIRED_MASKS)
    ]
    teaches = isinstance(config, GeneratorConfig) or config.adversary.trains
    if teaches and config.adversary.real_masks == "unpaired":
        return with_real_masks(*streams)
    return streams[0]

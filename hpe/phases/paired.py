"""Training of G2 on images with masks, with a discriminator that tells its masks from true ones."""

from collections.abc import Generator

from hpe.phases.adversary import Adversary
from hpe.phases.distribution import data_parallel, require_divisible
from hpe.phases.generator import paired_batches
from hpe.phases.loaders import Batch
from hpe.phases.mask_run import (
    GOES_ON,
    MaskRun,
    build_adversary,
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
from hpe.phases.segmentation_config import PairedConfig, steps_per_epoch


def paired(config: PairedConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Train a segmenter on images with masks: the supervised terms and the adversarial one.

    Yields:
        A report per epoch with all scores on the validation split.

    Returns:
        The groups `segmenter` (G2), `optimizer` (its moments), `predictions` and, where there is
        one, `discriminator`.

    Raises:
        ValueError: If a parent's network is another one than the settings say, or there is a
            discriminator to be heard that nobody trains.
        Diverged: If a loss is not finite; the message says in which network.
    """
    require_divisible(config.batch_size)
    numerics = Numerics(inputs.device, config.precision, config.channels_last)
    steps = steps_per_epoch(config, len(inputs.data.splits["train"]))
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
        adversary=_adversary(config, inputs, numerics, steps),
        class_weights=class_weights_of(config, inputs.device),
        steps_per_epoch=steps,
        steps_before=steps_behind(trained, GOES_ON),
    )

    def batches_from(finished: int) -> Generator[Batch, None, None]:
        return paired_batches(config, inputs, steps_per_epoch=steps, first_epoch=finished)

    return (yield from run_segmentation(run, inputs, batches_from, phase="paired", resume=resume))


def _adversary(
    config: PairedConfig, inputs: PhaseInputs, numerics: Numerics, steps: int
) -> Adversary | None:
    if not config.has_adversary:
        return None
    parent = last_trained(inputs.parents, "discriminator")
    if parent is None and not config.adversary.trains:
        raise ValueError(
            f"loss/adversarial_weight must be 0 where no phase trains the discriminator, got "
            f"{config.loss.adversarial_weight}; put generator before paired in the plan, or set "
            "adversary/trains: true."
        )
    return build_adversary(
        config.discriminator,
        config.adversary,
        config,
        numerics=numerics,
        steps_per_epoch=steps,
        seed=inputs.seed,
        parent=parent,
        trains=config.adversary.trains,
        carry_optimizer=config.carry_optimizer,
    )

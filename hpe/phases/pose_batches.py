"""The batches that a pose network trains on: labelled views, made anew or kept in memory."""

from collections.abc import Generator, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float

from hpe.augment.composition import CompositionConfig, build_composition
from hpe.augment.crop import Frame
from hpe.data.weights import sampling_weights
from hpe.phases.distribution import own_rows
from hpe.phases.label_budget import LabelBudget
from hpe.phases.labelled import Crops, LabelledRows, encoded_rows
from hpe.phases.loaders import Batch, endless_draws, load
from hpe.phases.phase import PhaseInputs
from hpe.phases.precision import EncodedHead
from hpe.phases.randomness import Draw
from hpe.phases.views import is_reference, training_composition


@runtime_checkable
class LabelledTraining(LabelBudget, Protocol):
    """The settings that decide what batches hold; `FinetuneConfig` says what they mean."""

    @property
    def augment(self) -> CompositionConfig: ...
    @property
    def image_px(self) -> int: ...
    @property
    def train_encoder(self) -> bool: ...
    @property
    def loader_workers(self) -> int: ...


def pose_batches(
    config: LabelledTraining,
    inputs: PhaseInputs,
    network: EncodedHead | None,
    *,
    labelled: Sequence[int],
    steps_per_epoch: int,
    first_epoch: int,
    frame: Frame = "hand",
) -> Generator[Batch, None, None]:
    """Yield this rank's part of every batch from an epoch (from 0) to the end of the phase.

    Where views are reference crops that fit in memory they are made once, and where the encoder is
    frozen as well, encoded once; maps are too large to keep.

    Args:
        config: The phase's settings.
        inputs: What it works on.
        network: Its encoder encodes crops where it is frozen; None to yield images in any case.
        labelled: Indices of the labels in use.
        steps_per_epoch: Optimizer steps per epoch.
        first_epoch: Epochs that are behind the phase.
        frame: What a reference crop shows.
    """
    train = inputs.data.splits["train"]
    weights = sampling_weights(train)
    draws = label_draws(
        config,
        num_labels=len(labelled),
        weights=None if weights is None else weights[np.asarray(labelled)],
        steps_per_epoch=steps_per_epoch,
        seed=inputs.seed,
        first_epoch=first_epoch,
    )
    crops = Crops(
        train,
        labelled,
        image_px=config.image_px,
        workers=config.loader_workers,
        on_batch=inputs.on_batch,
        composition=build_composition(CompositionConfig(), image_px=config.image_px, frame=frame),
    )
    if is_reference(config.augment) and crops.fit_in_memory:
        rows = crops.rows()
        if network is not None and not config.train_encoder and not network.on_maps:
            rows = encoded_rows(crops, network.encoder, network.numerics)
        for group in draws:
            chosen = torch.tensor([index for _, index in group])
            inputs.on_batch()
            yield {name: values[chosen] for name, values in rows.items()}
        return
    composition = training_composition(
        config.augment, image_px=config.image_px, seed=inputs.seed, frame=frame
    )
    made = LabelledRows(train, labelled, composition, inputs.seed)
    yield from load(made, draws, workers=config.loader_workers, on_batch=inputs.on_batch)


def label_draws(
    config: LabelBudget,
    *,
    num_labels: int,
    weights: Float[np.ndarray, " labels"] | None,
    steps_per_epoch: int,
    seed: int,
    first_epoch: int,
) -> Iterator[Sequence[Draw]]:
    """Yield this rank's part of every batch's draws, from an epoch (from 0) to the phase's end."""
    per_epoch = steps_per_epoch * config.accumulate
    for epoch in range(first_epoch, config.epochs):
        batches = endless_draws(
            num_labels,
            seed=seed,
            first=epoch * per_epoch,
            batches=per_epoch,
            batch_size=config.batch_size,
            weights=weights,
        )
        yield from map(own_rows, batches)

"""Unlabelled hands labelled by the network itself, where two views of one make it say the same."""

from collections.abc import Generator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from hpe.config import Config
from hpe.data.weights import sampling_weights
from hpe.losses.equivariant import undo_affine
from hpe.phases.loaders import Batch, load
from hpe.phases.phase import PhaseInputs
from hpe.phases.pose_batches import LabelledTraining, label_draws
from hpe.phases.view_pairs import ViewPairs
from hpe.phases.views import training_composition


class SemiSupervisedConfig(Config):
    """Settings of training on a network's own confident predictions (Lee, 2013).

    Confidence is agreement: of the two views of an unlabelled hand, each brought back to the
    reference crop by its affine. Their mean is the label of both.

    Attributes:
        weight: Of the loss on such labels beside that on true ones; 0 leaves all of this out.
        max_disagreement_px: A joint is labelled where the views put it at most so far apart, in
            pixels of the network's input.
        start_share: Share of the epochs that pass before it begins, so that the network has learnt
            something to label by.
    """

    weight: float = Field(0.0, ge=0)
    max_disagreement_px: float = Field(3.0, gt=0)
    start_share: float = Field(0.25, ge=0, lt=1)

    @property
    def enabled(self) -> bool:
        """Return whether unlabelled hands are trained on."""
        return self.weight > 0

    def canonical(self) -> "SemiSupervisedConfig":
        """Return the settings without those that mean nothing where the weight is 0."""
        return self if self.enabled else SemiSupervisedConfig()

    def first_epoch(self, epochs: int) -> int:
        """Return the epoch, counted from 1, that is the first with such labels."""
        return int(self.start_share * epochs) + 1


@dataclass(frozen=True)
class PseudoLabels:
    """What both views of each hand are to say; rows are those of the views, first and second.

    Attributes:
        keypoints_px: In pixels of the view.
        depth_rel: Depth behind the root in lengths of the scale bone.
        valid: Joints that the views agree on.
        depth_valid: Those of them with a root that they agree on.
    """

    keypoints_px: Float[Tensor, "views 21 2"]
    depth_rel: Float[Tensor, "views 21"]
    valid: Bool[Tensor, "views 21"]
    depth_valid: Bool[Tensor, "views 21"]


def pseudo_labels(
    keypoints_px: Float[Tensor, "views 21 2"],
    depth_rel: Float[Tensor, "views 21"],
    affine: Float[Tensor, "pairs 2 2 3"],
    *,
    image_px: int,
    max_disagreement_px: float,
) -> PseudoLabels:
    """Return the labels that predictions on pairs of views come to.

    Turning, scaling, shifting and flipping a view change K alone, so that relative depths of both
    views are of the same joints and are averaged as they are.

    Args:
        keypoints_px: Predicted, in pixels of each view; the views of a pair follow each other.
        depth_rel: Predicted depths behind the root.
        affine: How each view was made: normalised reference crop -> normalised view.
        image_px: Side of the views.
        max_disagreement_px: See `SemiSupervisedConfig`.
    """
    of_views = affine.flatten(0, 1)
    points = undo_affine(2 * keypoints_px / image_px - 1, of_views)
    apart_px = (points[0::2] - points[1::2]).norm(dim=-1) * (image_px / 2)
    mean = ((points[0::2] + points[1::2]) / 2).repeat_interleave(2, dim=0)
    moved = mean @ of_views[:, :, :2].mT + of_views[:, None, :, 2]
    depth = (depth_rel[0::2] + depth_rel[1::2]) / 2
    valid = (apart_px <= max_disagreement_px).repeat_interleave(2, dim=0)
    return PseudoLabels(
        keypoints_px=(moved + 1) * (image_px / 2),
        depth_rel=depth.repeat_interleave(2, dim=0),
        valid=valid,
        depth_valid=valid & valid[:, :1],
    )


def unlabelled_pairs(
    config: LabelledTraining,
    semi_supervised: SemiSupervisedConfig,
    inputs: PhaseInputs,
    *,
    steps_per_epoch: int,
    first_epoch: int,
) -> Generator[Batch, None, None]:
    """Yield this rank's pairs of views of unlabelled hands, as many batches as of labelled ones.

    Args:
        config: The phase's settings.
        semi_supervised: When it begins.
        inputs: What the phase works on.
        steps_per_epoch: Optimizer steps per epoch.
        first_epoch: Epochs that are behind the phase.
    """
    split = inputs.data.splits["unlabelled"]
    draws = label_draws(
        config,
        num_labels=len(split),
        weights=sampling_weights(split),
        steps_per_epoch=steps_per_epoch,
        seed=inputs.seed,
        first_epoch=max(first_epoch, semi_supervised.first_epoch(config.epochs) - 1),
    )
    composition = training_composition(config.augment, image_px=config.image_px, seed=inputs.seed)
    pairs = ViewPairs(split, composition, inputs.seed)
    yield from load(pairs, draws, workers=config.loader_workers, on_batch=inputs.on_batch)


def no_pseudo_labels(names: tuple[str, ...]) -> dict[str, Tensor]:
    """Return the metrics of a step that has none yet."""
    return {name: torch.zeros(()) for name in names}

"""What a network that says where joints are in front of the camera is trained to minimise."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hpe.geometry.camera import project
from hpe.geometry.target_space import TargetSpace
from hpe.losses.axes import distribution_loss, point_loss, soft_targets
from hpe.losses.heatmaps import heatmap_loss
from hpe.models.decoded_axes import DecodedAxes
from hpe.phases.encoder_decoder_config import AxisLossConfig
from hpe.phases.loaders import Batch


@dataclass(frozen=True)
class AxisTargets:
    """What a network should say of a batch.

    Attributes:
        points: Where joints are, in the unit of its space.
        shares: The same in shares of the space's box.
        seen_px: Where they appear in the views.
        valid: Joints that count, in space and in the view alike.
    """

    points: Float[Tensor, "batch 21 3"]
    shares: Float[Tensor, "batch 21 3"]
    seen_px: Float[Tensor, "batch 21 2"]
    valid: Bool[Tensor, "batch 21"]


def axis_targets(batch: Batch, *, space: TargetSpace, device: torch.device) -> AxisTargets:
    """Return the targets, found in double precision where depths are large."""
    joints_m, intrinsics = batch["joints_m"], batch["intrinsics"]
    points = space.points(joints_m, intrinsics)
    valid = batch["visible"] & batch["has_depth"][:, None]
    return AxisTargets(
        points=points.float().to(device),
        shares=space.box.shares(points).float().to(device),
        seen_px=project(joints_m, intrinsics).float().to(device),
        valid=valid.to(device),
    )


def axis_losses(
    decoded: DecodedAxes, targets: AxisTargets, *, space: TargetSpace, config: AxisLossConfig
) -> Float[Tensor, " metrics"]:
    """Return the loss and its terms, in the order of `train_metrics`.

    The distributions' divergence is not computed, and 0, where it does not count.
    """
    points = point_loss(
        space.box.points(decoded.shares), targets.points, valid=targets.valid, kind=config.points
    )
    distribution = torch.zeros_like(points)
    if config.distribution_weight > 0:
        soft = soft_targets(
            targets.shares,
            bins=decoded.logits.shape[-1],
            std_bins=config.std_bins,
            softening=config.softening,
        )
        distribution = distribution_loss(
            decoded.logits, soft, valid=targets.valid, divergence=config.divergence
        )
    total = config.points_weight * points + config.distribution_weight * distribution
    terms = [points, distribution]
    if decoded.plane is not None:
        plane_px = (decoded.plane + 1) * (space.side_px / 2)
        plane = point_loss(plane_px, targets.seen_px, valid=targets.valid, kind="mse")
        total = total + config.plane_weight * plane
        terms.append(plane)
    if decoded.heatmaps is not None:
        heatmaps = heatmap_loss(
            decoded.heatmaps,
            targets.seen_px * (2 / space.side_px) - 1,
            valid=targets.valid,
            std_cells=config.heatmap_std_cells,
        )
        total = total + config.heatmap_weight * heatmaps
        terms.append(heatmaps)
    return torch.stack([total, *terms])

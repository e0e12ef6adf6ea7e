"""Errors of 3D hand poses: EPE, root-relative EPE, PA-EPE, PCK and AUC.

Joints come in metres, errors go out in millimetres. Wherever `valid` is left out, all joints count.
A mean over joints is FreiHAND's: over samples for each joint, then over joints that have any. It
equals the grand mean when every joint of every sample is valid.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hpe.geometry.skeleton import WRIST
from hpe.metrics.alignment import align_official_freihand, align_similarity

MAX_THRESHOLD_MM = 50.0
NUM_THRESHOLDS = 100


def joint_errors_mm(
    predicted_m: Float[Tensor, "batch joints 3"], true_m: Float[Tensor, "batch joints 3"]
) -> Float[Tensor, "batch joints"]:
    """Return each joint's Euclidean error."""
    return 1000 * (predicted_m - true_m).square().sum(-1).sqrt()


def mean_over_joints(
    values: Float[Tensor, "batch joints"], valid: Bool[Tensor, "batch joints"] | None = None
) -> Float[Tensor, ""]:
    """Average over samples for each joint, then over the joints that have a valid sample.

    Raises:
        ValueError: If no joint of any sample is valid.
    """
    if valid is None:
        return values.mean()
    counts = valid.sum(0)
    seen = counts > 0
    if not seen.any():
        raise ValueError("an error needs at least one valid joint, got none in the whole set.")
    sums = values.masked_fill(~valid, 0.0).sum(0)
    return (sums[seen] / counts[seen]).mean()


def epe(
    predicted_m: Float[Tensor, "batch joints 3"],
    true_m: Float[Tensor, "batch joints 3"],
    *,
    valid: Bool[Tensor, "batch joints"] | None = None,
) -> Float[Tensor, ""]:
    """Mean end-point error in camera coordinates, in mm: FreiHAND's unaligned error."""
    return mean_over_joints(joint_errors_mm(predicted_m, true_m), valid)


def epe_2d_px(
    predicted_px: Float[Tensor, "batch joints 2"],
    true_px: Float[Tensor, "batch joints 2"],
    *,
    valid: Bool[Tensor, "batch joints"] | None = None,
) -> Float[Tensor, ""]:
    """Mean keypoint error, in pixels of whatever image both are given in."""
    return mean_over_joints((predicted_px - true_px).square().sum(-1).sqrt(), valid)


def root_relative(
    joints_m: Float[Tensor, "batch joints 3"], *, root: int = WRIST
) -> Float[Tensor, "batch joints 3"]:
    """Return the joints with the root at the origin."""
    return joints_m - joints_m[:, root, None]


def root_epe(
    predicted_m: Float[Tensor, "batch joints 3"],
    true_m: Float[Tensor, "batch joints 3"],
    *,
    valid: Bool[Tensor, "batch joints"] | None = None,
    root: int = WRIST,
) -> Float[Tensor, ""]:
    """Mean error after moving both roots to the origin, in mm (MPJPE, the root's 0 included).

    Samples whose root is not valid are left out, since nothing can be said relative to it.
    """
    if valid is not None:
        valid = valid & valid[:, root, None]
    return epe(root_relative(predicted_m, root=root), root_relative(true_m, root=root), valid=valid)


def pa_epe(
    predicted_m: Float[Tensor, "batch joints 3"],
    true_m: Float[Tensor, "batch joints 3"],
    *,
    valid: Bool[Tensor, "batch joints"] | None = None,
) -> Float[Tensor, ""]:
    """Mean error after alignment by scale, proper rotation and translation, in mm."""
    return epe(align_similarity(predicted_m, true_m, valid=valid), true_m, valid=valid)


def pa_epe_official_freihand(
    predicted_m: Float[Tensor, "batch joints 3"], true_m: Float[Tensor, "batch joints 3"]
) -> Float[Tensor, ""]:
    """FreiHAND's aligned error, in mm: reflections are allowed, all joints must be annotated."""
    return epe(align_official_freihand(predicted_m, true_m), true_m)


def pck_curve(
    errors_mm: Float[Tensor, "batch joints"],
    *,
    valid: Bool[Tensor, "batch joints"] | None = None,
    max_threshold_mm: float = MAX_THRESHOLD_MM,
    num_thresholds: int = NUM_THRESHOLDS,
) -> tuple[Float[Tensor, " thresholds"], Float[Tensor, "thresholds joints"]]:
    """Return thresholds in mm and each joint's share of errors at or below them.

    The default grid is FreiHAND's: 100 thresholds from 0 to 50 mm, both ends included. Joints
    without a valid sample have the share NaN.
    """
    thresholds_mm = torch.linspace(
        0, max_threshold_mm, num_thresholds, dtype=errors_mm.dtype, device=errors_mm.device
    )
    if valid is None:
        valid = torch.ones_like(errors_mm, dtype=torch.bool)
    counted = errors_mm.masked_fill(~valid, torch.inf).sort(dim=0).values.T.contiguous()
    grid = thresholds_mm.expand(errors_mm.shape[1], -1).contiguous()
    hits = torch.searchsorted(counted, grid, right=True).T.to(errors_mm.dtype)
    return thresholds_mm, hits / valid.sum(0)


def auc(
    errors_mm: Float[Tensor, "batch joints"],
    *,
    valid: Bool[Tensor, "batch joints"] | None = None,
    max_threshold_mm: float = MAX_THRESHOLD_MM,
    num_thresholds: int = NUM_THRESHOLDS,
) -> Float[Tensor, ""]:
    """Area under the PCK curve, 1 for a perfect prediction: FreiHAND's definition by default.

    Trapezoids per joint over the range of thresholds, then the mean over joints with valid samples.
    PeCLR's repository reports another AUC (strictly below, up to 0.5 m): never compare the two.
    """
    thresholds_mm, pck = pck_curve(
        errors_mm,
        valid=valid,
        max_threshold_mm=max_threshold_mm,
        num_thresholds=num_thresholds,
    )
    area = torch.trapezoid(pck, thresholds_mm, dim=0) / max_threshold_mm
    return area.nanmean()


def auc_s0_to_half_a_metre(
    errors_mm: Float[Tensor, "batch joints"],
    *,
    valid: Bool[Tensor, "batch joints"] | None = None,
) -> Float[Tensor, ""]:
    """Area under the PCK curve as S0 and PeCLR's repository compute it: `<`, 0 to 495 mm by 5 mm.

    An error of 1 cm gives 0.975 here and 0.803 under FreiHAND's definition (`auc`): this one is for
    comparing with numbers of those two alone.
    """
    thresholds_mm = 5.0 * torch.arange(100, dtype=errors_mm.dtype, device=errors_mm.device)
    if valid is None:
        valid = torch.ones_like(errors_mm, dtype=torch.bool)
    counted = errors_mm.masked_fill(~valid, torch.inf).sort(dim=0).values.T.contiguous()
    grid = thresholds_mm.expand(errors_mm.shape[1], -1).contiguous()
    hits = torch.searchsorted(counted, grid, right=False).to(errors_mm.dtype)
    area = torch.trapezoid(hits / valid.sum(0)[:, None], thresholds_mm, dim=1)
    return (area / thresholds_mm[-1]).nanmean()

"""Resampling a batch of sources to views on any device, correct also where it shrinks."""

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from jaxtyping import Float
from torch import Tensor

from hpe.geometry.affine import Affine, compose, inverse, pixels_from_normalized

_SAMPLES_PER_CALL = 2**25  # of all channels together: 128 MiB in single precision


def warp_batch(
    sources: Float[Tensor, "batch 4 height width"],
    source_to_view: Float[np.ndarray, "batch 2 3"],
    *,
    side_px: int,
) -> Float[Tensor, "batch 4 side side"]:
    """Resample premultiplied RGB and coverage; what lies outside of a source is 0.

    As `hpe.augment.warp` does, a view that is coarser than its source by up to a factor k is
    sampled k x k times as densely and averaged. Beyond 4 the source is first halved by area, as
    often as leaves a factor of at least 2, which softens the view a little more than that.
    """
    views = sources.new_zeros((len(sources), 4, side_px, side_px))
    plans = [_plan(affine) for affine in source_to_view]
    for level, density in sorted(set(plans)):
        rows = [row for row, plan in enumerate(plans) if plan == (level, density)]
        per_call = max(1, _SAMPLES_PER_CALL // (4 * (side_px * density) ** 2))
        for start in range(0, len(rows), per_call):
            chosen = rows[start : start + per_call]
            halved = _halved(sources[chosen], level)
            height, width = (size * 2**level for size in halved.shape[2:])
            theta = np.stack(
                [_grid(source_to_view[row], side_px, width=width, height=height) for row in chosen]
            )
            views[chosen] = _sampled(halved, theta, side_px=side_px, density=density)
    return views


def _plan(source_to_view: Affine) -> tuple[int, int]:
    """Return how often to halve the source, and the samples per view pixel and axis after that."""
    (a, b, _), (c, d, _) = inverse(source_to_view).tolist()
    step = max(math.hypot(a, c), math.hypot(b, d))
    level = max(0, math.ceil(math.log2(step / 4) - 1e-6)) if step > 0 else 0
    return level, max(1, math.ceil(step / 2**level - 1e-6))


def _halved(sources: Tensor, level: int) -> Tensor:
    if level == 0:
        return sources
    block = 2**level
    below, right = (-size % block for size in sources.shape[2:])
    return F.avg_pool2d(F.pad(sources, (0, right, 0, below)), block)


def _grid(source_to_view: Affine, side_px: int, *, width: int, height: int) -> Affine:
    """Return the map from the normalised view to the source normalised as `grid_sample` does."""
    to_source = compose(inverse(source_to_view), pixels_from_normalized(side_px))
    normalized: np.ndarray = np.array([[2 / width], [2 / height]]) * to_source
    normalized[:, 2] -= 1.0
    return normalized


def _sampled(sources: Tensor, theta: np.ndarray, *, side_px: int, density: int) -> Tensor:
    dense_px = side_px * density
    grid = F.affine_grid(
        torch.from_numpy(theta).to(sources),
        [len(sources), 4, dense_px, dense_px],
        align_corners=False,
    )
    samples = F.grid_sample(
        sources, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return F.avg_pool2d(samples, density) if density > 1 else samples

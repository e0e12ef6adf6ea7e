"""A composition's views of a whole batch on a device: drawn as one by one, computed together.

Each view draws its numbers from its own generator with the same functions and in the same order as
`hpe.augment.composition`, so that the same generator gives the same geometry, to the last bit, and
the same colour changes. Two things differ: pixels are computed in floating point and rounded once,
and white noise comes from the device, so that from a view's noise on its further draws are others
of the same distribution.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from hpe.augment import batched_colors as colors
from hpe.augment.appearance import (
    AppearanceOperation,
    Blur,
    ChannelGain,
    ColorDrop,
    ColorJitter,
    CutOut,
    HsvJitter,
    Keypoints,
    Noise,
    Sobel,
)
from hpe.augment.batched_warp import warp_batch
from hpe.augment.composition import Composition, CompositionConfig, appearance_of
from hpe.augment.crop import hand_crop, normalized_from_source
from hpe.augment.geometric import Pose
from hpe.augment.view import UNCHANGED_COLORS
from hpe.geometry.affine import Affine, compose, homogeneous, pixels_from_normalized, transform

_SUPPORTED = (Sobel, CutOut, Blur, ColorJitter, HsvJitter, ChannelGain, Noise, ColorDrop)


@dataclass(frozen=True)
class SourceBatch:
    """Samples of one size; pixels on the device, the rest where numbers are drawn.

    Attributes:
        images: RGB, whole pictures or parts of them.
        keypoints_px: In those pictures or parts, and likewise `intrinsics`.
        intrinsics: K.
        visible: Whether a joint is annotated.
        foreground: Hand pixels, for replacing the background; None where no sample has them.
        has_foreground: Whether a sample has them.
    """

    images: UInt8[Tensor, "batch height width 3"]
    keypoints_px: Float[np.ndarray, "batch 21 2"]
    intrinsics: Float[np.ndarray, "batch 3 3"]
    visible: Bool[np.ndarray, "batch 21"]
    foreground: Bool[Tensor, "batch height width"] | None = None
    has_foreground: Bool[np.ndarray, " batch"] | None = None


@dataclass(frozen=True)
class ViewBatch:
    """One view of each sample; see `hpe.augment.view.View` for what the arrays mean."""

    images: UInt8[Tensor, "batch side side 3"]
    keypoints_px: Float[np.ndarray, "batch 21 2"]
    intrinsics: Float[np.ndarray, "batch 3 3"]
    visible: Bool[np.ndarray, "batch 21"]
    affine: Float[np.ndarray, "batch 2 3"]
    angle_deg: Float[np.ndarray, " batch"]
    zoom: Float[np.ndarray, " batch"]
    shift: Float[np.ndarray, "batch 2"]
    hsv_change: Float[np.ndarray, "batch 4"]


@dataclass(frozen=True)
class _Drawn:
    """The numbers of one view.

    Attributes:
        pose: How it lies over the reference crop.
        source_to_view: From source pixels to view pixels.
        keypoints_px: In the view.
        window: Of the backgrounds; None where the background stays.
        changes: Place of an operation in the composition -> what it drew, if it applies.
    """

    pose: Pose
    source_to_view: Affine
    keypoints_px: Keypoints
    window: tuple[int, int, int, bool] | None
    changes: dict[int, Any] = field(default_factory=dict)


def require_batchable(composition: Composition) -> None:
    """Refuse a composition that only the path on the processor can make.

    Raises:
        ValueError: With what cannot be made in a batch.
    """
    others = [op for op in composition.appearance if not isinstance(op, _SUPPORTED)]
    names = [type(op).__name__.lower() for op in others]
    _refuse(names + (["control"] if composition.control is not None else []))


def require_batchable_settings(config: CompositionConfig) -> None:
    """Refuse settings of a composition that `require_batchable` would refuse.

    Raises:
        ValueError: With what cannot be made in a batch.
    """
    on = appearance_of(config)
    names = [name for name, operation in on.items() if not isinstance(operation, _SUPPORTED)]
    _refuse(names + (["control"] if config.control != "none" else []))


def _refuse(names: Sequence[str]) -> None:
    if names:
        raise ValueError(
            f"views are made in batches on a device without {', '.join(names)}; "
            f"switch that off, or augment on the cpu."
        )


def view_batch(
    composition: Composition, sources: SourceBatch, rngs: Sequence[np.random.Generator]
) -> ViewBatch:
    """Return a random view of each sample, where its pixels are.

    Args:
        composition: What to draw; see `require_batchable`.
        sources: The samples.
        rngs: A generator for each view, as for a view made alone.

    Raises:
        ValueError: If the composition cannot be made so, or a sample's hand has no extent.
    """
    require_batchable(composition)
    drawn = [_draw(composition, sources, row, rng) for row, rng in enumerate(rngs)]
    images = _painted(composition, sources, drawn)
    for place, operation in enumerate(composition.appearance):
        rows = [row for row, one in enumerate(drawn) if place in one.changes]
        if rows:
            parameters = [drawn[row].changes[place] for row in rows]
            images[rows] = _APPLY[type(operation)](images[rows], operation, parameters)
    matrices = np.array([homogeneous(one.source_to_view) for one in drawn])
    return ViewBatch(
        images=images.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous(),
        keypoints_px=np.array([one.keypoints_px for one in drawn]),
        intrinsics=matrices @ sources.intrinsics,
        visible=sources.visible,
        affine=np.array([one.pose.affine() for one in drawn]),
        angle_deg=np.array([one.pose.angle_deg for one in drawn]),
        zoom=np.array([one.pose.zoom for one in drawn]),
        shift=np.array([one.pose.shift for one in drawn]),
        hsv_change=np.array([_hsv_change(composition, one) for one in drawn]),
    )


def _draw(
    composition: Composition, sources: SourceBatch, row: int, rng: np.random.Generator
) -> _Drawn:
    pose = composition.poses(rng)
    keypoints_px, side_px = sources.keypoints_px[row], composition.image_px
    crop = normalized_from_source(*hand_crop(keypoints_px, sources.visible[row]))
    source_to_view = compose(pixels_from_normalized(side_px), compose(pose.affine(), crop))
    window = None
    if composition.backgrounds is not None and rng.random() < composition.background_prob:
        window = composition.backgrounds.draw(side_px, rng)
    drawn = _Drawn(pose, source_to_view, transform(source_to_view, keypoints_px), window)
    for place, operation in enumerate(composition.appearance):
        if rng.random() < operation.prob:
            drawn.changes[place] = _changes(operation, drawn.keypoints_px, side_px, rng)
    return drawn


def _changes(
    operation: AppearanceOperation, keypoints_px: Keypoints, side_px: int, rng: np.random.Generator
) -> Any:
    """Draw what an operation needs: whatever its function in `_APPLY` takes for one view."""
    if isinstance(operation, CutOut):
        return operation.draw(keypoints_px, side_px, rng)
    if isinstance(operation, Noise):
        return operation.draw(rng), int(rng.integers(2**63))
    if isinstance(operation, Blur | ColorJitter | HsvJitter | ChannelGain):
        return operation.draw(rng)
    return None


def _hsv_change(composition: Composition, drawn: _Drawn) -> np.ndarray:
    for place, operation in enumerate(composition.appearance):
        if isinstance(operation, HsvJitter) and place in drawn.changes:
            change: np.ndarray = drawn.changes[place]
            return change
    return np.array(UNCHANGED_COLORS)


def _painted(
    composition: Composition, sources: SourceBatch, drawn: Sequence[_Drawn]
) -> colors.Images:
    side_px = composition.image_px
    pixels = sources.images.permute(0, 3, 1, 2).float()
    opaque = torch.cat([pixels, torch.full_like(pixels[:, :1], 255.0)], dim=1)
    rows = [row for row, one in enumerate(drawn) if _replaces(sources, one, row)]
    if rows and sources.foreground is not None:
        opaque[rows] *= _inner(sources.foreground[rows])
    maps = np.array([one.source_to_view for one in drawn])
    layers = warp_batch(opaque, maps, side_px=side_px)
    images = layers[:, :3]
    if rows and composition.backgrounds is not None:
        windows = [_window(composition, drawn[row]) for row in rows]
        behind = torch.from_numpy(np.stack(windows)).to(images.device).permute(0, 3, 1, 2)
        images[rows] += behind * (1 - layers[rows, 3:] / 255)
    return images


def _replaces(sources: SourceBatch, drawn: _Drawn, row: int) -> bool:
    if drawn.window is None or sources.foreground is None:
        return False
    return sources.has_foreground is None or bool(sources.has_foreground[row])


def _window(composition: Composition, drawn: _Drawn) -> UInt8[np.ndarray, "side side 3"]:
    assert composition.backgrounds is not None
    assert drawn.window is not None
    index, top, left, is_flipped = drawn.window
    side_px = composition.image_px
    window = composition.backgrounds.pictures[index, top : top + side_px, left : left + side_px]
    return window[:, ::-1] if is_flipped else window


def _inner(
    masks: Bool[Tensor, "batch height width"],
) -> Float[Tensor, "batch 1 height width"]:
    """Return the masks drawn in by one pixel up, down, left and right."""
    outside = 1.0 - masks[:, None].float()
    down = F.max_pool2d(outside, (3, 1), stride=1, padding=(1, 0))
    across = F.max_pool2d(outside, (1, 3), stride=1, padding=(0, 1))
    return 1.0 - torch.maximum(down, across)


def _on(images: Tensor, rows: Sequence[Any], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.from_numpy(np.array(rows)).to(images.device, dtype)


def _jitter(images: Tensor, _operation: Any, drawn: Sequence[Any]) -> Tensor:
    changes, orders = zip(*drawn, strict=True)
    return colors.color_jitter(images, _on(images, changes), _on(images, orders, torch.int64))


def _recolor(images: Tensor, operation: HsvJitter, drawn: Sequence[Any]) -> Tensor:
    swaps = operation.channels == "as_published"
    return colors.hsv_jitter(images, _on(images, drawn), swaps=swaps)


_APPLY: dict[type, Callable[[Tensor, Any, Sequence[Any]], Tensor]] = {
    Sobel: lambda images, _operation, _drawn: colors.sobel(images),
    CutOut: lambda images, _operation, drawn: colors.cut_out(
        images, _on(images, drawn, torch.int64)
    ),
    Blur: lambda images, _operation, drawn: colors.blur(images, drawn),
    ColorJitter: _jitter,
    HsvJitter: _recolor,
    ChannelGain: lambda images, _operation, drawn: colors.gain(images, _on(images, drawn)),
    Noise: lambda images, _operation, drawn: colors.noise(images, *zip(*drawn, strict=True)),
    ColorDrop: lambda images, _operation, _drawn: colors.luma(images).expand_as(images),
}
"""An operation for the views it applies to, from what each of them drew."""

"""What augmentation makes of an image of two hands and their masks: one warp, then colour gains.

It is written on OpenCV and not on albumentations, whose transforms are applied one after the other:
here the square to look at, its move, scale, turn and flip are one affine map, by which pixels are
resampled once, and a flip also swaps the hands.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from pydantic import Field

from hpe.augment.crop import normalized_from_source
from hpe.augment.warp import warp
from hpe.config import Config
from hpe.data.hand_masks import MaskedSample, square_of
from hpe.geometry.affine import (
    Affine,
    compose,
    inverse,
    pixels_from_normalized,
    similarity,
)

SCALE_CLIP, ROTATE_CLIP = 1.0, 2.0
"""Where S3 cuts the standard normals of scale and rotation, before it multiplies them."""

MaskAugmentation = Callable[[MaskedSample, np.random.Generator], MaskedSample]


class MaskAugmentationConfig(Config):
    """How strongly a sample is changed, as S3 draws it; nothing is by default.

    Attributes:
        translate_share: Largest move of the square along each axis, as a share of its side;
            uniform.
        scale_std: The square's side grows by a normal of this deviation, cut at one deviation.
        rotate_std_deg: Deviation of the turn, a normal cut at two deviations.
        rotate_prob: Share of the samples that are turned.
        flip_prob: Share of the samples with left and right swapped; the left hand becomes the
            right one, in the masks too.
        gain_share: Largest change of each colour channel, as a share of it; uniform.
    """

    translate_share: float = Field(0.0, ge=0, le=0.5)
    scale_std: float = Field(0.0, ge=0, le=0.5)
    rotate_std_deg: float = Field(0.0, ge=0, le=90)
    rotate_prob: float = Field(0.6, ge=0, le=1)
    flip_prob: float = Field(0.0, ge=0, le=1)
    gain_share: float = Field(0.0, ge=0, le=1)


S3_MASK_AUGMENTATION = MaskAugmentationConfig(
    translate_share=0.01,
    scale_std=0.01,
    rotate_std_deg=5.0,
    rotate_prob=0.6,
    flip_prob=0.5,
    gain_share=0.01,
)
"""S3's own strengths, from its code."""


def build_mask_augmentation(config: MaskAugmentationConfig, image_px: int) -> MaskAugmentation:
    """Return the function from a sample and a random state to the square that a network gets.

    It changes no sample it is given, and draws the same numbers whatever is switched on. Without
    image or masks, that part of the sample stays None. It can be pickled.

    Args:
        config: Strengths; the default ones crop and scale alone, as for evaluation.
        image_px: Side of the square.
    """
    if image_px < 1:
        raise ValueError(f"image_px must be at least 1, got {image_px}.")
    return _Augmented(config, image_px)


@dataclass(frozen=True)
class _Augmented:
    """The augmentation that `build_mask_augmentation` returns."""

    config: MaskAugmentationConfig
    image_px: int

    def __call__(self, sample: MaskedSample, rng: np.random.Generator) -> MaskedSample:
        change = _draw(self.config, rng)
        source_to_view = _view_from_source(sample, change, self.image_px)
        view = warped(sample, source_to_view, image_px=self.image_px)
        if change.is_flipped:
            view = _hands_swapped(view)
        return view if view.image is None else replace(view, image=_gained(view.image, change))


def warped(sample: MaskedSample, source_to_view: Affine, *, image_px: int) -> MaskedSample:
    """Return a square view of a sample; what lies outside of its picture is black background.

    The image is resampled linearly, or averaged where it shrinks; classes are those of the nearest
    source pixel.

    Args:
        sample: Image, masks or both.
        source_to_view: Maps source pixels to view pixels (left edges at 0).
        image_px: Side of the view.
    """

    def nearest(planes: np.ndarray) -> np.ndarray:
        return np.stack([_nearest(plane, source_to_view, image_px) for plane in planes])

    def image_of(image: np.ndarray) -> np.ndarray:
        return warp(image, source_to_view=source_to_view, side_px=image_px).image

    visible = sample.visible
    return replace(
        sample,
        image=None if sample.image is None else image_of(sample.image),
        masks=None if sample.masks is None else nearest(sample.masks),
        visible=None if visible is None else nearest(visible.view(np.uint8)).view(np.bool_),
        crop_px=None,
    )


@dataclass(frozen=True)
class _Change:
    """One draw of everything that augmentation does; moves are in normalised coordinates."""

    angle_deg: float
    zoom: float
    shift: Float[np.ndarray, " 2"]
    is_flipped: bool
    gains: Float[np.ndarray, " 3"]


def _draw(config: MaskAugmentationConfig, rng: np.random.Generator) -> _Change:
    moves, gains = rng.uniform(-1.0, 1.0, 2), rng.uniform(-1.0, 1.0, 3)
    growth, turn = rng.standard_normal(2).tolist()
    is_turned, is_flipped = rng.random(2) < (config.rotate_prob, config.flip_prob)
    side = 2.0  # of a square in normalised coordinates
    return _Change(
        angle_deg=config.rotate_std_deg * _clipped(turn, ROTATE_CLIP) * bool(is_turned),
        zoom=1.0 / (1.0 + config.scale_std * _clipped(growth, SCALE_CLIP)),
        shift=side * config.translate_share * moves,
        is_flipped=bool(is_flipped),
        gains=1.0 + config.gain_share * gains,
    )


def _clipped(value: float, bound: float) -> float:
    return min(max(value, -bound), bound)


def _view_from_source(sample: MaskedSample, change: _Change, image_px: int) -> Affine:
    """Return source pixels -> view pixels: the square, flipped, turned and scaled, then moved."""
    square = similarity(angle_deg=change.angle_deg, zoom=change.zoom, shift=change.shift)
    if change.is_flipped:
        square[:, 0] *= -1.0
    normalized = compose(square, normalized_from_source(*square_of(sample)))
    return compose(pixels_from_normalized(image_px), normalized)


def _nearest(
    plane: UInt8[np.ndarray, "height width"], source_to_view: Affine, side_px: int
) -> UInt8[np.ndarray, "side side"]:
    matrix = inverse(source_to_view)
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # OpenCV's first pixel has its centre at 0
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(plane, matrix, (side_px, side_px), flags=flags))


def _hands_swapped(sample: MaskedSample) -> MaskedSample:
    """Return a mirrored sample with its hands under their new names."""
    masks, visible = sample.masks, sample.visible
    return replace(
        sample,
        masks=None if masks is None else np.ascontiguousarray(masks[::-1]),
        visible=None if visible is None else np.ascontiguousarray(visible[::-1]),
    )


def _gained(
    image: UInt8[np.ndarray, "side side 3"], change: _Change
) -> UInt8[np.ndarray, "side side 3"]:
    levels = np.arange(256, dtype=np.float64)[:, None] * change.gains
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]))

"""Two views of one hand, and the second brought back over the first by the maps on record."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from hpe.augment.composition import Composition, CompositionConfig, build_composition
from hpe.augment.view import View
from hpe.augment.warp import warp
from hpe.data.hands import HandSample
from hpe.geometry.affine import (
    Affine,
    compose,
    inverse,
    normalized_from_pixels,
    pixels_from_normalized,
    transform,
)
from hpe.viz.hands import PANEL_PX, Image, draw_skeleton, enlarged

MARKER = (255, 255, 255)
RECORD_COLUMNS = ("view", "angle_deg", "zoom", "shift_x", "shift_y", "hue", "saturation", "value")


@dataclass(frozen=True)
class PairOfViews:
    """A hand's reference crop, and two views that a composition made of it."""

    reference: View
    first: View
    second: View

    @property
    def side_px(self) -> int:
        """Return the side of the views."""
        return len(self.first.image)


@dataclass(frozen=True)
class Panel:
    """A picture and what it shows."""

    title: str
    image: Image


def make_pair(composition: Composition, sample: HandSample, *, seed: int) -> PairOfViews:
    """Return two views of a sample; a seed gives the same ones whenever it is asked for them.

    Raises:
        ValueError: If the sample has no two visible keypoints apart from each other.
    """
    plain = build_composition(CompositionConfig(), image_px=composition.image_px)
    first, second = (composition(sample, np.random.default_rng([seed, n])) for n in range(2))
    return PairOfViews(plain(sample, np.random.default_rng(seed)), first, second)


def first_from_second(pair: PairOfViews) -> Affine:
    """Return the map from the second view's pixels to the first one's, of the recorded affines.

    It undoes the second view's and does the first one's; that is what PeCLR's loss does to
    projections (Spurr et al., 2021, eq. 4), and those of both views should meet there.
    """
    side_px = pair.side_px
    undone = compose(inverse(pair.second.affine), normalized_from_pixels(side_px))
    return compose(pixels_from_normalized(side_px), compose(pair.first.affine, undone))


def brought_back(pair: PairOfViews) -> Float[np.ndarray, "21 2"]:
    """Return the second view's keypoints in pixels of the first one."""
    return transform(first_from_second(pair), pair.second.keypoints_px)


def panels(pair: PairOfViews, *, side_px: int = PANEL_PX) -> tuple[Panel, ...]:
    """Draw the reference crop, both views with their joints, and the second over the first."""
    views = (("the hand as it is", pair.reference), ("view 1", pair.first), ("view 2", pair.second))
    return (
        *(
            Panel(title, draw_skeleton(v.image, v.keypoints_px, visible=v.visible, side_px=side_px))
            for title, v in views
        ),
        Panel("view 2 brought back over view 1", _overlay(pair, side_px=side_px)),
    )


def record_rows(pair: PairOfViews) -> Sequence[Sequence[float | str]]:
    """Return what each view's random numbers came to, in the order of `RECORD_COLUMNS`."""
    return [
        (
            name,
            view.angle_deg,
            view.zoom,
            *(float(value) for value in view.shift),
            *(float(value) for value in view.hsv_change[:3]),
        )
        for name, view in (("view 1", pair.first), ("view 2", pair.second))
    ]


def _overlay(pair: PairOfViews, *, side_px: int) -> Image:
    """Mix both views' pixels where both have any, under joints of the first and rings of both."""
    moved = warp(pair.second.image, source_to_view=first_from_second(pair), side_px=pair.side_px)
    kept = 1 - moved.coverage[..., None] / 510
    mixed = (pair.first.image * kept + moved.image / 2).round().clip(0, 255).astype(np.uint8)
    drawn = draw_skeleton(
        mixed, pair.first.keypoints_px, visible=pair.first.visible, side_px=side_px
    )
    points = brought_back(pair) * (side_px / pair.side_px)
    for (x, y), is_visible in zip(points, pair.second.visible, strict=True):
        if is_visible and max(abs(x), abs(y)) < 4 * side_px:
            center = (round(x - 0.5), round(y - 0.5))
            cv2.circle(drawn, center, max(4, side_px // 40), MARKER, 1, cv2.LINE_AA)
    return enlarged(drawn, side_px=side_px)

"""One resampling from source pixels to a view, correct also where it shrinks."""

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from hpe.geometry.affine import Affine, compose, inverse, scaling, transform

_MASK_EROSION = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_TILE_SAMPLES = 384  # along a side; larger dense samples are no longer cached, or newly mapped
_REACH_PX = 2  # the farthest a bilinear sample reaches past the view's corners, and one to spare


@dataclass(frozen=True)
class Layer:
    """A warped image over nothing.

    Attributes:
        image: RGB, already weighted by coverage: black where nothing is.
        coverage: The share of each pixel that it covers, as 0..255.
    """

    image: UInt8[np.ndarray, "height width 3"]
    coverage: UInt8[np.ndarray, "height width"]


def warp(
    image: UInt8[np.ndarray, "height width 3"],
    *,
    source_to_view: Affine,
    side_px: int,
    foreground: Bool[np.ndarray, "height width"] | None = None,
) -> Layer:
    """Resample an image, or what its mask keeps of it, once.

    Where the view is coarser than the source by up to a factor k (an integer), the view is sampled
    k x k times as densely (bilinearly) and each pixel is the mean of its samples, so nothing
    aliases. Only the part of the source that the view shows is touched.

    With a mask, pixels outside of it have no weight in any sample, so none of the old background
    bleeds into the soft edge; the mask is first drawn in by one source pixel, whose colour mixes
    hand and background already in the photograph.

    Args:
        image: RGB source.
        source_to_view: Maps source pixels to view pixels (left edges at 0).
        side_px: Side of the square view.
        foreground: What to keep; everything inside the image if None.

    Returns:
        The view; what lies outside of the image or the mask is not covered.
    """
    return warp_to(
        image,
        source_to_view=source_to_view,
        size_px=(side_px, side_px),
        foreground=foreground,
    )


def warp_to(
    image: UInt8[np.ndarray, "height width 3"],
    *,
    source_to_view: Affine,
    size_px: tuple[int, int],
    foreground: Bool[np.ndarray, "height width"] | None = None,
) -> Layer:
    """Do as `warp` does, to a view of any width and height (`size_px`)."""
    density = math.ceil(_source_px_per_view_px(source_to_view) - 1e-6)
    across, down = (_tile_edges(side_px, density) for side_px in size_px)
    layers = np.empty((size_px[1], size_px[0], 4), np.uint8)
    for top, bottom in pairwise(down):
        for left, right in pairwise(across):
            tile = layers[top:bottom, left:right]
            tile_from_view = scaling(1.0, np.array([-left, -top], float))
            tile[:] = _tile(
                image,
                foreground=foreground,
                source_to_tile=compose(tile_from_view, source_to_view),
                size=(right - left, bottom - top),
                density=density,
            )
    return Layer(image=cv2.cvtColor(layers, cv2.COLOR_RGBA2RGB), coverage=layers[:, :, 3])


def _tile_edges(side_px: int, density: int) -> list[int]:
    """Return where tiles begin along a side, and where the last one ends."""
    num_tiles = math.ceil(side_px * density / _TILE_SAMPLES)
    return [side_px * number // num_tiles for number in range(num_tiles + 1)]


def _tile(
    image: UInt8[np.ndarray, "height width 3"],
    *,
    foreground: Bool[np.ndarray, "height width"] | None,
    source_to_tile: Affine,
    size: tuple[int, int],
    density: int,
) -> UInt8[np.ndarray, "tile_height tile_width 4"]:
    """Return one tile of a view, of size (width, height), as RGB and coverage.

    A tile's samples stay in the processor's cache, where those of a whole view may not.
    """
    rows, columns = _shown_part(source_to_tile, size=size, shape=image.shape)
    part = np.asarray(image)[rows, columns]
    if part.size == 0:
        return np.zeros((size[1], size[0], 4), np.uint8)
    opaque = cv2.cvtColor(part, cv2.COLOR_RGB2RGBA)  # four channels also warp faster than three
    if foreground is not None:
        mask = np.asarray(foreground)[rows, columns].astype(np.uint8)
        inner = cv2.erode(mask, _MASK_EROSION, borderType=cv2.BORDER_REPLICATE)
        opaque = cv2.copyTo(opaque, inner)
    samples = cv2.warpAffine(
        opaque,
        _for_opencv(source_to_tile, origin=(columns.start, rows.start), density=density),
        (size[0] * density, size[1] * density),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    return averaged(samples, density)


def averaged(
    samples: UInt8[np.ndarray, "dense_height dense_width 4"], density: int
) -> UInt8[np.ndarray, "height width 4"]:
    """Return the means of blocks of density x density samples, rounded.

    What `cv2.resize` by area gives, to within one grey level for even densities, which it halves as
    often as it can; it is fast for halves alone, and for what is left a box filter is faster.
    """
    height, width = samples.shape[:2]
    while density % 2 == 0:
        density, height, width = density // 2, height // 2, width // 2
        samples = cv2.resize(samples, (width, height), interpolation=cv2.INTER_AREA)
    if density > 1:
        means = cv2.boxFilter(samples, -1, (density, density), anchor=(0, 0))
        samples = np.ascontiguousarray(means[::density, ::density])
    return samples


def _source_px_per_view_px(source_to_view: Affine) -> float:
    """Return how far apart in the source neighbours of the view lie, in the wider direction."""
    (a, b, _), (c, d, _) = inverse(source_to_view).tolist()
    return max(math.hypot(a, c), math.hypot(b, d))


def _shown_part(
    source_to_tile: Affine, *, size: tuple[int, int], shape: tuple[int, ...]
) -> tuple[slice, slice]:
    """Return the rows and columns of the source that can reach the tile; empty if none can."""
    across, down = size
    corners = np.array([(0.0, 0.0), (across, 0.0), (0.0, down), (across, down)])
    shown = transform(inverse(source_to_tile), corners)
    left, top = np.floor(shown.min(axis=0)).astype(int) - _REACH_PX
    right, bottom = np.ceil(shown.max(axis=0)).astype(int) + _REACH_PX
    height, width = shape[:2]
    return (
        slice(min(max(int(top), 0), height), min(max(int(bottom), 0), height)),
        slice(min(max(int(left), 0), width), min(max(int(right), 0), width)),
    )


def _for_opencv(
    source_to_tile: Affine, *, origin: tuple[int, int], density: int
) -> Float[np.ndarray, "2 3"]:
    """Return the matrix from dense samples of a tile to pixels of the part, as OpenCV counts them.

    OpenCV's coordinates are 0 at the centre of the first pixel, ours 0.5.
    """
    to_source = inverse(source_to_tile)
    sample = scaling(1.0 / density, np.array([0.5 / density, 0.5 / density]))
    matrix: np.ndarray = to_source[:, :2] @ sample
    matrix[:, 2] += to_source[:, 2] - np.array(origin) - 0.5
    return matrix

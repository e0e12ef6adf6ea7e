"""A bank of pictures to put behind hands, and putting them there."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from hpe.augment.warp import Layer
from hpe.data.render.background import PANORAMAS, panorama_crop


@dataclass(frozen=True)
class Backgrounds:
    """Pictures larger than a view; a pick is a window of one of them, flipped half of the time."""

    pictures: UInt8[np.ndarray, "count height width 3"]

    def pick(self, side_px: int, rng: np.random.Generator) -> UInt8[np.ndarray, "side side 3"]:
        """Return a square window of a random picture.

        Raises:
            ValueError: If the pictures are smaller than that.
        """
        index, top, left, is_flipped = self.draw(side_px, rng)
        window = self.pictures[index, top : top + side_px, left : left + side_px]
        return cv2.flip(window, 1) if is_flipped else window

    def draw(self, side_px: int, rng: np.random.Generator) -> tuple[int, int, int, bool]:
        """Draw a window: its picture, top and left edge, and whether it is mirrored.

        Raises:
            ValueError: If the pictures are smaller than that.
        """
        count, height, width, _ = self.pictures.shape
        if min(height, width) < side_px:
            raise ValueError(
                f"backgrounds must be at least as large as a view of {side_px} px, "
                f"got {width} x {height} px."
            )
        index = int(rng.integers(count))
        top = int(rng.integers(height - side_px + 1))
        left = int(rng.integers(width - side_px + 1))
        return index, top, left, bool(rng.random() < 0.5)


def panorama_backgrounds(*, side_px: int, seed: int, count: int = 256) -> Backgrounds:
    """Return square pictures of the training split's panoramas, for views of `side_px`.

    They are a quarter larger than a view, so that windows of one picture differ. Panoramas that
    validation and test images show are not among them.
    """
    rng = np.random.default_rng(seed)
    names = PANORAMAS["train"]
    picture_px = side_px + side_px // 4
    pictures = [panorama_crop(names[i % len(names)], rng, picture_px) for i in range(count)]
    return Backgrounds(np.stack(pictures))


def over(
    layer: Layer, background: UInt8[np.ndarray, "side side 3"]
) -> UInt8[np.ndarray, "side side 3"]:
    """Lay a warped image over a background, each pixel by how much of it is covered."""
    uncovered = cv2.merge([cv2.bitwise_not(layer.coverage)] * 3)
    composite: np.ndarray = cv2.add(layer.image, cv2.multiply(background, uncovered, scale=1 / 255))
    return composite

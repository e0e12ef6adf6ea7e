"""Operations on tones and colours by one given amount, as PIL and AutoAugment define them.

Each is a function of pixels and an amount; who draws the amount is `hpe.augment.control`. Blends
are rounded where PIL truncates.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from hpe.augment.appearance import Image

_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13  # PIL's ImageFilter.SMOOTH


def auto_contrast(image: Image, _amount: float, /) -> Image:
    """Stretch each channel from its darkest and brightest value to 0 and 255."""
    return _by_channel(image, _stretching)


def equalize(image: Image, _amount: float, /) -> Image:
    """Flatten each channel's histogram, in PIL's integer arithmetic."""
    return _by_channel(image, _equalizing)


def solarize(image: Image, threshold: float, /) -> Image:
    """Invert values that are at least the threshold; 256 inverts none."""
    values = np.arange(256)
    table = np.where(values >= threshold, 255 - values, values).astype(np.uint8)
    solarized: Image = cv2.LUT(image, table)
    return solarized


def posterize(image: Image, bits: float, /) -> Image:
    """Keep so many of each value's leading bits (rounded to a whole number)."""
    posterized: Image = image & np.uint8(256 - (1 << (8 - round(bits))))
    return posterized


def color(image: Image, change: float, /) -> Image:
    """Move away from grey (change > 0) or towards it (-1 is grey)."""
    return _blended(
        cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), image, change
    )


def contrast(image: Image, change: float, /) -> Image:
    """Move away from the mean grey, or towards it."""
    mean = round(float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean()))
    return _blended(np.full_like(image, mean), image, change)


def brightness(image: Image, change: float, /) -> Image:
    """Multiply by 1 + change."""
    return _blended(np.zeros_like(image), image, change)


def sharpness(image: Image, change: float, /) -> Image:
    """Move away from a smoothed image, or towards it; the outermost pixels stay."""
    smooth = cv2.filter2D(image, -1, _SMOOTH)
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        smooth[edge] = image[edge]
    return _blended(smooth, image, change)


TONES: Mapping[str, Callable[[Image, float], Image]] = {
    "auto_contrast": auto_contrast,
    "equalize": equalize,
    "solarize": solarize,
    "posterize": posterize,
    "color": color,
    "contrast": contrast,
    "brightness": brightness,
    "sharpness": sharpness,
}
"""By the names of RandAugment's operations."""


def _blended(degenerate: Image, image: Image, change: float) -> Image:
    """Return degenerate + (1 + change) (image - degenerate), clipped: PIL's `ImageEnhance`."""
    blended: Image = cv2.addWeighted(image, 1 + change, degenerate, -change, 0)
    return blended


def _by_channel(image: Image, table_of: Callable[[np.ndarray], np.ndarray]) -> Image:
    tables = [table_of(image[:, :, channel]) for channel in range(3)]
    changed: Image = cv2.LUT(image, np.stack(tables, axis=-1)[None])
    return changed


def _stretching(channel: np.ndarray) -> np.ndarray:
    lowest, highest = int(channel.min()), int(channel.max())
    values = np.arange(256)
    if highest == lowest:
        return values.astype(np.uint8)
    stretched = np.clip((values - lowest) * 255 / (highest - lowest), 0, 255)
    return np.rint(stretched).astype(np.uint8)


def _equalizing(channel: np.ndarray) -> np.ndarray:
    counts = np.bincount(channel.ravel(), minlength=256)
    step = (channel.size - counts[counts > 0][-1]) // 255
    values = np.arange(256)
    if step == 0:
        return values.astype(np.uint8)
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    table: np.ndarray = ((below + step // 2) // step).clip(0, 255).astype(np.uint8)
    return table

"""A picture with a caption and the numbers that are drawn in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8


@dataclass(frozen=True)
class Sheet:
    """A contact sheet for a report.

    Attributes:
        image: RGB.
        caption: What is seen, and what is not.
        columns: Names of the numbers behind it.
        rows: Those numbers, one row per sample or panel.
    """

    image: UInt8[np.ndarray, "height width 3"]
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[float | int | str]]

    def as_png(self) -> bytes:
        """Return the image as a PNG file's content."""
        encoded, png = cv2.imencode(".png", cv2.cvtColor(self.image, cv2.COLOR_RGB2BGR))
        assert encoded, "PNG takes any image of three channels"
        return bytes(png)

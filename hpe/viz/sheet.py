"""A picture with a caption and the numbers that are drawn in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from hpe.viz.turning import Turning


@dataclass(frozen=True)
class Sheet:
    """A contact sheet for a report.

    Attributes:
        image: RGB.
        caption: What is seen, and what is not.
        columns: Names of the numbers behind it.
        rows: Those numbers, one row per sample or panel.
        turning: What is drawn, to be looked at from all sides, where it has three dimensions.
    """

    image: UInt8[np.ndarray, "height width 3"]
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[float | int | str]]
    turning: Turning | None = None

    def as_png(self) -> bytes:
        """Return the image as a PNG file's content."""
        encoded, png = cv2.imencode(".png", cv2.cvtColor(self.image, cv2.COLOR_RGB2BGR))
        assert encoded, "PNG takes any image of three channels"
        return bytes(png)

    def as_files(self, name: str) -> Mapping[str, bytes]:
        """Return the contents of its files, by file name: the picture, and what there is to turn.

        Args:
            name: Of the files, without suffix.
        """
        files = {f"{name}.png": self.as_png()}
        if self.turning is not None:
            files[f"{name}.html"] = self.turning.as_page(name).encode()
        return files

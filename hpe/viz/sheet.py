"""A picture with a caption and the numbers that are drawn in it."""

from collections.abc import Sequence
from dataclasses import dataclass

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

"""Rows of pretraining: two views of an unlabelled sample, and how each was made."""

from dataclasses import dataclass

import numpy as np

from hpe.augment.composition import Composition
from hpe.augment.view import View
from hpe.data.hands import HandSplit
from hpe.phases.loaders import Row
from hpe.phases.randomness import Draw, view_rng

RELATIVE = "relative_"
"""What the names of a row's own pair for the relative loss begin with."""

RECORDED = ("affine", "angle_deg", "shift", "zoom", "hsv_change")
"""What a row says of how each view was made, besides its pixels."""


@dataclass(frozen=True)
class ViewPairs:
    """Makes a row of two views of an unlabelled sample, with the geometry that a loss undoes.

    Attributes:
        split: The samples.
        composition: Makes the pair.
        seed: The stage's seed.
        relative: Makes a second pair for the relative loss, if that has its own.
    """

    split: HandSplit
    composition: Composition
    seed: int
    relative: Composition | None = None

    def __call__(self, draw: Draw) -> Row:
        """Return arrays whose first axis is the view."""
        sample = self.split[draw[1]]

        def views(composition: Composition, numbers: tuple[int, int]) -> list[View]:
            return [composition(sample, view_rng(draw, seed=self.seed, view=n)) for n in numbers]

        row = _arrays(views(self.composition, (0, 1)))
        if self.relative is not None:
            second = _arrays(views(self.relative, (2, 3)))
            row |= {RELATIVE + name: values for name, values in second.items()}
        return row


def _arrays(views: list[View]) -> dict[str, np.ndarray]:
    return {
        "image": np.stack([view.image for view in views]),
        **{
            name: np.array([getattr(view, name) for view in views], dtype=np.float32)
            for name in RECORDED
        },
    }

"""Control arms: RandAugment and TrivialAugment, which search nothing.

Both know the same fourteen operations. Those that move pixels become part of a view's affine, so
that labels and equivariance stay exact; they act about the view's centre, where PIL shears from the
left top corner. They are applied with the rest of the view's geometry, before any colour changes,
and the operations on tones last, in the order drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from hpe.augment.appearance import Image
from hpe.augment.tone import TONES
from hpe.config import Config
from hpe.geometry.affine import Affine, compose, similarity

NUM_LEVELS = 31
"""TrivialAugment's strengths: 0, 1, ..., 30 of 30."""


class RandAugmentConfig(Config):
    """Settings of RandAugment (Cubuk et al., 2020).

    Attributes:
        num_operations: N, operations per view, drawn with replacement.
        magnitude: M, one strength for all of them; 10 is the largest of AutoAugment's range.
    """

    num_operations: int = Field(2, ge=1, le=14)
    magnitude: float = Field(9.0, ge=0, le=10)


@dataclass(frozen=True)
class Strengths:
    """How strong an operation is, from none to most, in its own unit.

    Attributes:
        none: The amount at strength 0.
        most: The amount at strength 1.
        is_signed: Whether the amount is negated half of the time.
    """

    none: float = 0.0
    most: float = 0.0
    is_signed: bool = False


AUTO_AUGMENT: Mapping[str, Strengths] = {
    "identity": Strengths(),
    "auto_contrast": Strengths(),
    "equalize": Strengths(),
    "rotate": Strengths(most=30.0, is_signed=True),
    "solarize": Strengths(none=256.0, most=0.0),
    "color": Strengths(most=0.9, is_signed=True),
    "posterize": Strengths(none=8.0, most=4.0),
    "contrast": Strengths(most=0.9, is_signed=True),
    "brightness": Strengths(most=0.9, is_signed=True),
    "sharpness": Strengths(most=0.9, is_signed=True),
    "shear_x": Strengths(most=0.3, is_signed=True),
    "shear_y": Strengths(most=0.3, is_signed=True),
    "translate_x": Strengths(most=150 / 331, is_signed=True),
    "translate_y": Strengths(most=150 / 331, is_signed=True),
}
"""RandAugment's operations with AutoAugment's ranges (Cubuk et al., 2019, table 6): degrees, shares
of the view's side, bits, thresholds of 256; a factor of 1 + amount for colours."""

WIDE: Mapping[str, Strengths] = {
    **AUTO_AUGMENT,
    "rotate": Strengths(most=135.0, is_signed=True),
    "color": Strengths(most=0.99, is_signed=True),
    "posterize": Strengths(none=8.0, most=2.0),
    "contrast": Strengths(most=0.99, is_signed=True),
    "brightness": Strengths(most=0.99, is_signed=True),
    "sharpness": Strengths(most=0.99, is_signed=True),
    "shear_x": Strengths(most=0.99, is_signed=True),
    "shear_y": Strengths(most=0.99, is_signed=True),
    "translate_x": Strengths(most=32 / 224, is_signed=True),
    "translate_y": Strengths(most=32 / 224, is_signed=True),
}
"""TrivialAugment's wide ranges (Müller and Hutter, 2021); its 32 px are counted at 224 px."""


@dataclass(frozen=True)
class Drawn:
    """An operation that a view gets, and how much of it."""

    name: str
    amount: float


@dataclass(frozen=True)
class ControlArm:
    """Draws what a view gets: a number of operations, at one strength or at any.

    Attributes:
        ranges: The operations, all equally likely.
        num_operations: How many of them a view gets.
        strength: Between 0 and 1; None draws one of `NUM_LEVELS` for each operation.
    """

    ranges: Mapping[str, Strengths]
    num_operations: int
    strength: float | None

    def __call__(self, rng: np.random.Generator) -> tuple[Drawn, ...]:
        """Draw a view's operations."""
        return tuple(self._one(rng) for _ in range(self.num_operations))

    def _one(self, rng: np.random.Generator) -> Drawn:
        name = list(self.ranges)[rng.integers(len(self.ranges))]
        strength = self.strength
        if strength is None:
            strength = float(rng.integers(NUM_LEVELS)) / (NUM_LEVELS - 1)
        allowed = self.ranges[name]
        amount = allowed.none + strength * (allowed.most - allowed.none)
        is_negative = rng.random() < 0.5
        return Drawn(name, -amount if allowed.is_signed and is_negative else amount)


def rand_augment(config: RandAugmentConfig) -> ControlArm:
    """Return RandAugment."""
    return ControlArm(AUTO_AUGMENT, config.num_operations, config.magnitude / 10)


def trivial_augment() -> ControlArm:
    """Return TrivialAugment (Wide), which has no settings: one operation at any strength."""
    return ControlArm(WIDE, num_operations=1, strength=None)


def geometry_of(drawn: Sequence[Drawn]) -> Affine | None:
    """Return what the operations do to normalised coordinates; None if nothing."""
    moves = [_move(one) for one in drawn if one.name in _GEOMETRIC]
    if not moves:
        return None
    whole = moves[0]
    for move in moves[1:]:
        whole = compose(move, whole)
    return whole


def toned(image: Image, drawn: Sequence[Drawn]) -> Image:
    """Return the image after the operations on tones."""
    for one in drawn:
        if one.name in TONES:
            image = TONES[one.name](image, one.amount)
    return image


_GEOMETRIC = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
_SIDE = 2.0  # of a view in normalised coordinates


def _move(drawn: Drawn) -> Affine:
    if drawn.name == "rotate":
        return similarity(angle_deg=drawn.amount, zoom=1.0, shift=np.zeros(2))
    move = np.eye(2, 3)
    row, column = {"shear_x": (0, 1), "shear_y": (1, 0), "translate_x": (0, 2)}.get(
        drawn.name, (1, 2)
    )
    move[row, column] = drawn.amount * (_SIDE if column == 2 else 1.0)
    return move

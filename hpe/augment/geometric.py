"""Rotation, zoom and translation: sampled one by one, applied as one affine map."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pydantic import Field

from hpe.config import Config
from hpe.geometry.affine import Affine, similarity


class RotateConfig(Config):
    """Turn a view about its hand's centre by an angle uniform in [-max_deg, max_deg]."""

    enabled: bool = False
    max_deg: float = Field(45.0, ge=0, le=180)


class ZoomConfig(Config):
    """Scale a view about its hand's centre.

    As in S0 it is the width of the field of view (S0's crop margin) that is uniform: it spans
    1 / max_factor to 1 / min_factor times the reference crop's.

    Attributes:
        max_factor: The largest magnification.
        min_factor: The smallest; 1 / max_factor if not given.
    """

    enabled: bool = False
    max_factor: float = Field(1.5, ge=1, le=4)
    min_factor: float | None = Field(None, ge=0.25, le=1)


class TranslateConfig(Config):
    """Move a view's content by a vector uniform in a square.

    Attributes:
        max_share: The largest move along each axis, as a share of the view's side.
        one_sided: Move left and up only, as S0 does: it shifts the crop's origin by
            U(0, 15) px in x and y.
    """

    enabled: bool = False
    max_share: float = Field(0.12, ge=0, le=0.5)
    one_sided: bool = False


@dataclass(frozen=True)
class Pose:
    """How a view lies over its reference crop, in normalised coordinates (see `View`)."""

    angle_deg: float
    zoom: float
    shift: Float[np.ndarray, " 2"]

    def affine(self) -> Affine:
        """Return the map from the normalised reference crop to the normalised view."""
        return similarity(angle_deg=self.angle_deg, zoom=self.zoom, shift=self.shift)


@dataclass(frozen=True)
class PoseSampler:
    """Draws poses; the settings of the three operations decide their spread."""

    rotate: RotateConfig
    zoom: ZoomConfig
    translate: TranslateConfig

    def __call__(self, rng: np.random.Generator) -> Pose:
        """Draw a pose; takes four numbers whatever is enabled, so that switching one operation
        leaves the others' draws as they were."""
        turn, field_of_view, right, down = rng.random(4).tolist()
        return Pose(
            angle_deg=self._angle_deg(turn),
            zoom=self._zoom(field_of_view),
            shift=np.array([self._shift(right), self._shift(down)]),
        )

    def _angle_deg(self, draw: float) -> float:
        return (2 * draw - 1) * self.rotate.max_deg if self.rotate.enabled else 0.0

    def _zoom(self, draw: float) -> float:
        if not self.zoom.enabled:
            return 1.0
        narrowest = 1 / self.zoom.max_factor
        widest = 1 / (self.zoom.min_factor or narrowest)
        return 1 / (narrowest + draw * (widest - narrowest))

    def _shift(self, draw: float) -> float:
        if not self.translate.enabled:
            return 0.0
        side = 2.0  # of a view in normalised coordinates
        direction = -draw if self.translate.one_sided else 2 * draw - 1
        return direction * self.translate.max_share * side

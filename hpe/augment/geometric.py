"""Flips, rotation, zoom and translation: sampled one by one, applied as one affine map."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pydantic import Field

from hpe.config import Config
from hpe.geometry.affine import Affine, compose, similarity


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
        fixed: Move by `max_share` along both axes every time, as S2's translation by 20 of 224 px
            does: right and down, or left and up if `one_sided`.
    """

    enabled: bool = False
    max_share: float = Field(0.12, ge=0, le=0.5)
    one_sided: bool = False
    fixed: bool = False


class FlipConfig(Config):
    """Mirror a view about its hand's centre, before it is turned; one flip makes a left hand.

    The labels stay exact: the mirroring is part of the view's affine and so of its intrinsics, by
    which the joints, still a right hand's in camera coordinates, project into the flipped picture.
    What is trained on flips therefore sees hands of both sides, and relative depths do not change.
    PeCLR's approximate undo and differences of angles know no mirroring: with flips only the exact
    affine is equivariant.

    Attributes:
        horizontal_prob: Share of the views with left and right swapped.
        vertical_prob: Share with top and bottom swapped; both flips together are a half turn.
    """

    enabled: bool = False
    horizontal_prob: float = Field(0.5, ge=0, le=1)
    vertical_prob: float = Field(0.0, ge=0, le=1)


@dataclass(frozen=True)
class Pose:
    """How a view lies over its reference crop, in normalised coordinates (see `View`).

    Attributes:
        angle_deg: The turn, counter-clockwise on screen.
        zoom: The scale.
        shift: The translation.
        before: What is neither of these and applies before them: flips, and what a shear does
            beside turning and scaling. None where there is nothing of it.
    """

    angle_deg: float
    zoom: float
    shift: Float[np.ndarray, " 2"]
    before: Float[np.ndarray, "2 2"] | None = None

    def affine(self) -> Affine:
        """Return the map from the normalised reference crop to the normalised view."""
        affine = similarity(angle_deg=self.angle_deg, zoom=self.zoom, shift=self.shift)
        if self.before is not None:
            affine[:, :2] = affine[:, :2] @ self.before
        return affine

    def then(self, affine: Affine) -> "Pose":
        """Return the pose of this view after another map.

        Its angle and zoom are those of the similarity nearest to the whole, flips apart (in the
        Frobenius norm); for a map without shear that is the whole.
        """
        whole = compose(affine, self.affine())
        flips = np.eye(2) if self.before is None else self.before
        (a, b), (c, d) = (whole[:, :2] @ np.linalg.inv(flips)).tolist()
        angle_deg, zoom = math.degrees(math.atan2(b - c, a + d)), math.hypot(b - c, a + d) / 2
        turned = similarity(angle_deg=angle_deg, zoom=zoom, shift=np.zeros(2))
        return Pose(
            angle_deg=angle_deg,
            zoom=zoom,
            shift=whole[:, 2],
            before=np.linalg.solve(turned[:, :2], whole[:, :2]),
        )


@dataclass(frozen=True)
class PoseSampler:
    """Draws poses; the settings of the four operations decide their spread."""

    rotate: RotateConfig
    zoom: ZoomConfig
    translate: TranslateConfig
    flip: FlipConfig

    def __call__(self, rng: np.random.Generator) -> Pose:
        """Draw a pose; takes four numbers whatever is enabled, so that switching one operation
        leaves the others' draws as they were, and after them two for flips."""
        turn, field_of_view, right, down = rng.random(4).tolist()
        return Pose(
            angle_deg=self._angle_deg(turn),
            zoom=self._zoom(field_of_view),
            shift=np.array([self._shift(right), self._shift(down)]),
            before=self._flips(rng) if self.flip.enabled else None,
        )

    def _flips(self, rng: np.random.Generator) -> Float[np.ndarray, "2 2"]:
        probs = (self.flip.horizontal_prob, self.flip.vertical_prob)
        return np.diag(np.where(rng.random(2) < probs, -1.0, 1.0))

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
        if self.translate.fixed:
            draw = 1.0
        direction = -draw if self.translate.one_sided else 2 * draw - 1
        return direction * self.translate.max_share * side


@dataclass(frozen=True)
class FixedPose:
    """The same pose for every view."""

    pose: Pose

    def __call__(self, _rng: np.random.Generator) -> Pose:
        """Return the pose; draws nothing."""
        return self.pose


def robust_poses(*, rotations: int, mirrored: bool) -> tuple[Pose, ...]:
    """Return poses turned evenly over a full turn, the first of them upright, as S2 averages over.

    Args:
        rotations: How many.
        mirrored: Whether as many mirrored ones follow.

    Raises:
        ValueError: If there is to be none.
    """
    if rotations < 1:
        raise ValueError(f"a prediction is the mean over at least 1 view, got {rotations}.")
    upright, mirror = None, np.diag([-1.0, 1.0])
    return tuple(
        Pose(angle_deg=360.0 * turn / rotations, zoom=1.0, shift=np.zeros(2), before=before)
        for before in ((upright, mirror) if mirrored else (upright,))
        for turn in range(rotations)
    )

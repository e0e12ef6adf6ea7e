"""Which limb directions a body can reach, as far as recorded poses show.

Akhter and Black (CVPR 2015) showed that how far a joint bends depends on the limb before it, and
recorded the limits from people who stretched. This estimates them from poses at hand: a limb at the
torso may point where it pointed in some pose, and a forearm or shin may point where it pointed in
some pose whose upper arm or thigh pointed alike; "where" and "alike" up to a tolerance. The reached
set is so a union of caps around what was seen, without bins whose shape would depend on where on
the sphere they lie.

The tolerance of each limb is what the data ask for: that of `coverage` of the recorded poses would
be found possible if they were not among them, within given bounds. Few poses get wide caps, many
poses narrow ones. The lower bound is for recordings at video rate, where the neighbour of a pose is
the frame before it.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from hpe.evolution.bone_frames import to_local
from hpe.evolution.limbs import NUM_LIMBS, SECOND


@runtime_checkable
class JointLimits(Protocol):
    """Says which limbs of a pose are possible."""

    def satisfied(
        self, joints_mm: Float[np.ndarray, "poses 17 3"]
    ) -> Bool[np.ndarray, "poses 9"]: ...


@dataclass(frozen=True)
class EstimatedLimits:
    """Limits from recorded poses.

    Attributes:
        reached: For each limb, what it did: its direction, with its parent's before it if it has
            one, as points in 3 or 6 dimensions.
        tolerances: For each limb, how far from one of them it may be, as a distance of such points;
            for unit vectors it is the chord of the angle.
    """

    reached: tuple[cKDTree, ...]
    tolerances: Float[np.ndarray, " 9"]

    @property
    def tolerances_deg(self) -> Float[np.ndarray, " 9"]:
        """Return the tolerances as angles."""
        angles: Float[np.ndarray, " 9"] = np.rad2deg(2 * np.arcsin(self.tolerances / 2))
        return angles

    def satisfied(self, joints_mm: Float[np.ndarray, "poses 17 3"]) -> Bool[np.ndarray, "poses 9"]:
        """Return which limbs are near enough to what was seen."""
        points = _points(joints_mm)
        near = [
            tree.query(points[limb], distance_upper_bound=np.nextafter(tolerance, np.inf))[0]
            <= tolerance
            for limb, (tree, tolerance) in enumerate(
                zip(self.reached, self.tolerances, strict=True)
            )
        ]
        return np.stack(near, axis=1)


def estimate_limits(
    joints_mm: Float[np.ndarray, "poses 17 3"],
    *,
    coverage: float,
    smallest_deg: float,
    largest_deg: float,
) -> EstimatedLimits:
    """Return the limits that recorded poses show; the poses themselves satisfy all of them.

    Args:
        joints_mm: Recorded poses.
        coverage: Share of them that each limit must hold of, were they left out.
        smallest_deg: Bounds of the tolerance.
        largest_deg: The same.

    Raises:
        ValueError: If there are fewer than two poses.
    """
    if len(joints_mm) < 2:
        raise ValueError(f"joint limits need at least two poses, got {len(joints_mm)}.")
    points = _points(joints_mm)
    trees = tuple(cKDTree(points[limb]) for limb in range(NUM_LIMBS))
    others = [
        np.asarray(tree.query(own, k=2)[0])[:, 1]
        for tree, own in zip(trees, points.values(), strict=True)
    ]
    wanted = np.array([np.quantile(distances, coverage) for distances in others])
    return EstimatedLimits(trees, np.clip(wanted, chord(smallest_deg), chord(largest_deg)))


def chord(deg: float) -> float:
    """Return the distance of two unit vectors that are this angle apart."""
    return float(2 * np.sin(np.deg2rad(deg) / 2))


def _points(joints_mm: Float[np.ndarray, "poses 17 3"]) -> dict[int, np.ndarray]:
    """Return, for each limb, its direction and its parent's in their frames, as one vector."""
    directions = to_local(joints_mm).directions
    return {
        limb: np.concatenate([directions[:, limb - 1], directions[:, limb]], axis=1)
        if limb in SECOND
        else directions[:, limb]
        for limb in range(NUM_LIMBS)
    }

"""The joint limits that Akhter and Black recorded (CVPR 2015), as EvoSkeleton's files hold them.

Limbs at the torso have a map of directions that were reached. For a forearm or shin each direction
of its parent has a half-space that it stays in and a rectangle around it, in the plane of that
half-space's boundary. Directions are told by azimuth and elevation in bins of 3 degrees, in frames
that differ from ours: bones point from their end to their start, y and z are exchanged before a
cross product is taken (which mirrors it), and a parent's frame comes from cross products with an
axis of the files.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from hpe.evolution.limbs import ENDS, FIRST, LOWER, NUM_LIMBS, SECOND, STARTS
from hpe.evolution.object_arrays import load_tree
from hpe.geometry.body_skeleton import BODY_JOINTS, SPINE, THORAX

ANGLES_FILE = "jointAngleModel_v2.npy"
POSE_FILE = "staticPose.npy"
BIN_DEG = 3.0
AZIMUTHS, ELEVATIONS = 121, 61
PARALLEL = 1e-4

# EvoSkeleton's `record_indices` and `di_indices`: where the files keep a limb of `LIMBS`.
_RECORDS = (4, 2, 3, 0, 1, 8, 9, 5, 6)
_STATIC = {2: 5, 4: 2, 6: 13, 8: 9}


@dataclass(frozen=True)
class RecordedLimits:
    """Limits as read from the files.

    Attributes:
        reached: Limb at the torso -> which directions it reaches, by azimuth and elevation.
        planes: Forearm or shin -> half-space (normal and offset) by the parent's direction.
        second_axes: Forearm or shin -> an axis of the rectangle, likewise.
        bounds: Forearm or shin -> the rectangle's sides, (min, max) along either axis, likewise.
        static: Forearm or shin -> where its parent points in the files' pose.
        axis: What frames of forearms and shins are made with.
    """

    reached: dict[int, Bool[np.ndarray, "121 61"]]
    planes: dict[int, Float[np.ndarray, "121 61 4"]]
    second_axes: dict[int, Float[np.ndarray, "121 61 3"]]
    bounds: dict[int, Float[np.ndarray, "121 61 4"]]
    static: dict[int, Float[np.ndarray, " 3"]]
    axis: Float[np.ndarray, " 3"]

    def satisfied(self, joints_mm: Float[np.ndarray, "poses 17 3"]) -> Bool[np.ndarray, "poses 9"]:
        """Return which limbs are within the limits."""
        local = self.directions(joints_mm)
        satisfied = np.empty((len(joints_mm), NUM_LIMBS), dtype=bool)
        for limb in FIRST:
            satisfied[:, limb] = self.reached[limb][_bins(local[:, limb])]
        for limb in SECOND:
            satisfied[:, limb] = self._within(limb, local[:, limb - 1], local[:, limb])
        return satisfied

    def directions(
        self, joints_mm: Float[np.ndarray, "poses 17 3"]
    ) -> Float[np.ndarray, "poses 9 3"]:
        """Return the limbs' directions in the frames of the files."""
        mirrored = joints_mm[..., [0, 2, 1]]
        bones = _unit(mirrored[:, STARTS, :] - mirrored[:, ENDS, :])
        down = _unit(mirrored[:, SPINE] - mirrored[:, THORAX])
        upper = _axes(_between(mirrored, "left_shoulder", "right_shoulder"), down)
        lower = _axes(_between(mirrored, "left_hip", "right_hip"), down)
        local = np.empty_like(bones)
        for limb in range(NUM_LIMBS):
            torso = lower if limb in LOWER else upper
            frame = torso if limb in FIRST else self._carried(limb, torso, bones[:, limb - 1])
            local[:, limb] = (frame.swapaxes(-1, -2) @ bones[:, limb, :, None])[..., 0]
        return local

    def _carried(
        self,
        limb: int,
        torso: Float[np.ndarray, "poses 3 3"],
        parent: Float[np.ndarray, "poses 3"],
    ) -> Float[np.ndarray, "poses 3 3"]:
        axis = torso @ self.axis
        along = np.minimum(
            np.linalg.norm(parent - axis, axis=-1), np.linalg.norm(parent + axis, axis=-1)
        )
        normal = np.where(
            (along < PARALLEL)[:, None],
            np.cross(parent, torso @ self.static[limb]),
            np.cross(axis, parent),
        )
        return _axes(parent, _unit(normal))

    def _within(
        self,
        limb: int,
        parent: Float[np.ndarray, "poses 3"],
        direction: Float[np.ndarray, "poses 3"],
    ) -> Bool[np.ndarray, " poses"]:
        bins = _bins(parent)
        plane = self.planes[limb][bins]
        known = np.linalg.norm(plane, axis=-1) > 0
        known &= np.isfinite(plane).all(axis=-1)
        plane = np.where(known[:, None], plane, np.array([1.0, 0.0, 0.0, 0.0]))
        inside = (plane[:, :3] * direction).sum(-1) + plane[:, 3] <= 0
        second = np.where(known[:, None], self.second_axes[limb][bins], np.array([0.0, 1.0, 0.0]))
        axes = _axes(_unit(plane[:, :3]), second)
        u = (axes[..., 1:].swapaxes(-1, -2) @ direction[..., None])[..., 0]
        low_u, high_u, low_v, high_v = self.bounds[limb][bins].T
        boxed = (u[:, 0] >= low_u) & (u[:, 0] <= high_u) & (u[:, 1] >= low_v) & (u[:, 1] <= high_v)
        within: Bool[np.ndarray, " poses"] = known & inside & boxed
        return within


def limit_files(folder: Path) -> list[Path]:
    """Return the files that hold the limits."""
    return [folder / ANGLES_FILE, folder / POSE_FILE]


def read_recorded_limits(folder: Path) -> RecordedLimits:
    """Read the limits from a folder of EvoSkeleton's `resources/constraints`.

    Raises:
        ValueError: If a file is missing, holds more than arrays, or is another one than its name
            says.
    """
    angles, pose = (load_tree(path) for path in limit_files(folder))
    try:
        spread, planes = angles["angleSprd"].ravel(), angles["sepPlane"].ravel()
        second, bounds = angles["E2"].ravel(), angles["bounds"].ravel()
        static, axis = pose["di"], pose["a"].reshape(3)
        return RecordedLimits(
            reached={i: _table(spread[_RECORDS[i]], ()) > 0 for i in FIRST},
            planes={i: _table(planes[_RECORDS[i]], (4,)) for i in SECOND},
            second_axes={i: _table(second[_RECORDS[i]], (3,)) for i in SECOND},
            bounds={i: _table(bounds[_RECORDS[i]], (4,)) for i in SECOND},
            static={i: np.asarray(static[:, _STATIC[i]], dtype=np.float64) for i in SECOND},
            axis=np.asarray(axis, dtype=np.float64),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{folder} must hold EvoSkeleton's {ANGLES_FILE} and {POSE_FILE}; these are others: "
            f"{error}."
        ) from error


def _table(values: object, shape: tuple[int, ...]) -> np.ndarray:
    table = np.asarray(values, dtype=np.float64)
    if table.shape != (AZIMUTHS, ELEVATIONS, *shape):
        raise ValueError(f"a table has shape {table.shape}, not {(AZIMUTHS, ELEVATIONS, *shape)}")
    return table


def _bins(
    directions: Float[np.ndarray, "poses 3"],
) -> tuple[Int[np.ndarray, " poses"], Int[np.ndarray, " poses"]]:
    """Return the bins of azimuth (from -180 degrees) and elevation (from -90 degrees)."""
    x, y, z = directions.T
    azimuth_deg = np.rad2deg(np.arctan2(y, x))
    elevation_deg = np.rad2deg(np.arctan2(z, np.hypot(x, y)))
    return (
        np.floor((azimuth_deg + 180) / BIN_DEG).astype(np.int64),
        np.floor((elevation_deg + 90) / BIN_DEG).astype(np.int64),
    )


def _axes(
    first: Float[np.ndarray, "poses 3"], second: Float[np.ndarray, "poses 3"]
) -> Float[np.ndarray, "poses 3 3"]:
    """Return orthonormal axes as columns: `first`, `second` made orthogonal to it, their cross."""
    straight = _unit(second - (second * first).sum(-1, keepdims=True) * first)
    return np.stack([first, straight, np.cross(first, straight)], axis=-1)


def _between(
    joints: Float[np.ndarray, "poses 17 3"], start: str, end: str
) -> Float[np.ndarray, "poses 3"]:
    return _unit(joints[:, BODY_JOINTS.index(end)] - joints[:, BODY_JOINTS.index(start)])


def _unit(vectors: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    unit: Float[np.ndarray, "*batch 3"] = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit

"""Recorded bodies without their pictures: all of them, or those of a few people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pydantic import Field

from hpe.config import Config
from hpe.data.bodies import BodySample, BodySplit
from hpe.phases.phase import tell_nobody

SAMPLES_BETWEEN_SIGNS = 64


class RecordedConfig(Config):
    """Which of the training poses are in use.

    Attributes:
        subjects: Number of people whose poses these are; None for all. Fewer people are among more.
        seed: Chooses them. Not the stage's seed: trials are compared on the same people.
        at_most: Poses in use, spread evenly over those there are; None for all.
    """

    subjects: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)
    at_most: int | None = Field(None, ge=2)


@dataclass(frozen=True)
class RecordedPoses:
    """Bodies whose joints are all known in space.

    Attributes:
        joints_mm: In the camera, x right, y down, z forward.
        keypoints_px: Where the joints appear.
        intrinsics: Of the camera.
        boxes_px: (left, top, width, height) of the box around each body.
        subjects: Who it is; None where unknown.
        actions: What they do; None where unknown.
    """

    joints_mm: Float[np.ndarray, "poses 17 3"]
    keypoints_px: Float[np.ndarray, "poses 17 2"]
    intrinsics: Float[np.ndarray, "poses 3 3"]
    boxes_px: Float[np.ndarray, "poses 4"]
    subjects: tuple[str | None, ...]
    actions: tuple[str | None, ...]

    def __len__(self) -> int:
        """Return the number of poses."""
        return len(self.joints_mm)

    def __getitem__(self, rows: Sequence[int]) -> "RecordedPoses":
        """Return some of the poses."""
        chosen = np.asarray(rows, dtype=np.int64)
        return RecordedPoses(
            self.joints_mm[chosen],
            self.keypoints_px[chosen],
            self.intrinsics[chosen],
            self.boxes_px[chosen],
            tuple(self.subjects[row] for row in chosen),
            tuple(self.actions[row] for row in chosen),
        )


def read_poses(
    split: BodySplit,
    *,
    at_most: int | None = None,
    on_batch: Callable[[], None] = tell_nobody,
) -> RecordedPoses:
    """Read the poses of a split that are known in space, all joints included.

    Args:
        split: Samples are opened one by one; nothing of a picture is kept.
        at_most: How many of the first samples to look at; None for all.
        on_batch: See `PhaseInputs`.

    Raises:
        ValueError: If no pose is.
    """
    count = len(split) if at_most is None else min(len(split), at_most)
    known = []
    for index in range(count):
        if index % SAMPLES_BETWEEN_SIGNS == 0:
            on_batch()
        sample = split[index]
        if sample.has_depth and sample.visible.all():
            known.append(_without_picture(sample))
    if not known:
        raise ValueError(
            f"poses in space need samples with depth and all 17 joints, got none among {count}; "
            "use a data set that knows depths, such as rendered_bodies or h36m."
        )
    joints, keypoints, intrinsics, boxes, subjects, actions = zip(*known, strict=True)
    return RecordedPoses(
        np.stack(joints),
        np.stack(keypoints),
        np.stack(intrinsics),
        np.stack(boxes),
        subjects,
        actions,
    )


def of_chosen_people(poses: RecordedPoses, config: RecordedConfig) -> RecordedPoses:
    """Return the poses that are in use.

    Raises:
        ValueError: If people are asked for that nobody knows, or too few poses are left.
    """
    rows = np.arange(len(poses))
    if config.subjects is not None:
        rows = np.flatnonzero(np.isin(_names(poses), _chosen(poses, config)))
    if config.at_most is not None and len(rows) > config.at_most:
        rows = rows[np.linspace(0, len(rows) - 1, config.at_most).round().astype(np.int64)]
    if len(rows) < 2:
        raise ValueError(
            f"recorded/subjects={config.subjects} leaves {len(rows)} poses, at least 2 are needed; "
            "take more people."
        )
    return poses[rows.tolist()]


def _chosen(poses: RecordedPoses, config: RecordedConfig) -> np.ndarray:
    if None in poses.subjects:
        raise ValueError(
            "recorded/subjects needs data that say who is seen, and these do not; leave it null."
        )
    people = np.random.default_rng(config.seed).permutation(np.unique(_names(poses)))
    assert config.subjects is not None
    if config.subjects > len(people):
        raise ValueError(
            f"recorded/subjects must be at most the {len(people)} people of the training split, "
            f"got {config.subjects}; leave it null for all."
        )
    return people[: config.subjects]


def _names(poses: RecordedPoses) -> np.ndarray:
    return np.array([str(subject) for subject in poses.subjects])


def _without_picture(
    sample: BodySample,
) -> tuple[
    Float[np.ndarray, "17 3"],
    Float[np.ndarray, "17 2"],
    Float[np.ndarray, "3 3"],
    Float[np.ndarray, " 4"],
    str | None,
    str | None,
]:
    return (
        np.asarray(sample.joints_mm(), dtype=np.float64),
        np.array(sample.keypoints_px, dtype=np.float64),
        np.array(sample.intrinsics, dtype=np.float64),
        np.array(sample.box_px, dtype=np.float64),
        sample.subject,
        sample.action,
    )

"""Stick bodies in memory, so that phases on bodies are tested without a renderer."""

from dataclasses import dataclass

import cv2
import numpy as np

from hpe.data.bodies import BodyData, BodySample, rectangle_box_px
from hpe.geometry.body_skeleton import BODY_BONES

STANDING_MM = np.array(
    [
        [0, 0, 0],
        [-130, 10, 0],
        [-140, 440, 20],
        [-140, 880, 60],
        [130, 10, 0],
        [140, 440, 20],
        [140, 880, 60],
        [0, -230, 10],
        [0, -480, 20],
        [0, -560, -20],
        [0, -680, 10],
        [170, -450, 20],
        [240, -200, 30],
        [260, 30, -20],
        [-170, -450, 20],
        [-240, -200, 30],
        [-260, 30, -20],
    ],
    dtype=np.float64,
)
"""A person standing in front of the camera, y down, facing it."""

WIDTH_PX, HEIGHT_PX = 80, 90
INTRINSICS = np.array([[160.0, 0, 40.0], [0, 160.0, 45.0], [0, 0, 1]])
ACTIONS = ("Walking", "Sitting")


@dataclass(frozen=True)
class FakeBodies:
    """Stick bodies on noise: postures and colours differ, so that there is something to learn.

    Attributes:
        first: Unique id of the first.
        count: How many.
        flat_every: Each nth sample knows keypoints only, some of them; 0 for none.
        head_px: Length of all heads.
        head_bone_px: Length of the bone to the top of all heads.
    """

    first: int
    count: int
    flat_every: int = 0
    head_px: float | None = None
    head_bone_px: float | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> BodySample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        rng = np.random.default_rng([5, self.first + index])
        joints_mm = STANDING_MM * rng.uniform(0.8, 1.1) + rng.normal(0, 60, (17, 3))
        pelvis_mm = np.array([rng.normal(0, 100), rng.normal(0, 100), 4200.0])
        joints_mm += pelvis_mm - joints_mm[0]
        projected = joints_mm @ INTRINSICS.T
        keypoints_px = projected[:, :2] / projected[:, 2:]
        flat = bool(self.flat_every) and index % self.flat_every == self.flat_every - 1
        return BodySample(
            image=_drawn(keypoints_px, rng),
            keypoints_px=keypoints_px,
            depth_mm=np.zeros(17) if flat else joints_mm[:, 2] - pelvis_mm[2],
            visible=rng.random(17) < 0.7 if flat else np.ones(17, dtype=bool),
            has_depth=not flat,
            intrinsics=np.eye(3) if flat else INTRINSICS,
            pelvis_mm=np.zeros(3) if flat else pelvis_mm,
            box_px=rectangle_box_px(pelvis_mm, INTRINSICS),
            unique_id=self.first + index,
            subject="S1",
            action=ACTIONS[index % 2],
            head_px=self.head_px,
            head_bone_px=self.head_bone_px,
        )


def _drawn(keypoints_px: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    image = rng.integers(0, 60, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)
    for parent, child in BODY_BONES:
        ends = np.rint(keypoints_px[[parent, child]]).astype(np.int32).tolist()
        cv2.line(image, *ends, rng.integers(100, 255, 3).tolist(), 2)
    return image


def fake_bodies(
    *, train: int = 12, val: int = 5, flat_every: int = 0, head_px: float | None = None
) -> BodyData:
    """Build a data set; its splits share no sample."""
    return BodyData(
        name="fake_bodies",
        digest="0" * 64,
        splits={
            "unlabelled": FakeBodies(0, 0),
            "train": FakeBodies(10_000, train, flat_every),
            "val": FakeBodies(20_000, val, flat_every, head_px),
            "test": FakeBodies(30_000, val),
        },
        card={},
    )

"""A small data set of stick bodies, for phases that look at no picture."""

from dataclasses import dataclass

import numpy as np
import torch

from hpe.data.bodies import BodyData, BodySample, rectangle_box_px
from hpe.geometry.camera import project
from hpe.phases.phase import PhaseInputs
from tests.hpe.evolution.stick_bodies import stick_bodies

INTRINSICS = np.array([[1100.0, 0, 500], [0, 1100, 500], [0, 0, 1]])
PEOPLE = 4


@dataclass(frozen=True)
class StickBodySplit:
    """Bodies that stand in front of one camera; every seventh is not known in space."""

    first: int
    count: int
    named: bool = True

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(index)
        joints_mm = stick_bodies(self.count, seed=self.first)[index]
        return BodySample(
            image=np.zeros((8, 8, 3), dtype=np.uint8),
            keypoints_px=project(joints_mm, INTRINSICS),
            depth_mm=joints_mm[:, 2] - joints_mm[0, 2],
            visible=np.ones(17, dtype=bool),
            has_depth=index % 7 != 6,
            intrinsics=INTRINSICS,
            pelvis_mm=joints_mm[0],
            box_px=rectangle_box_px(joints_mm[0], INTRINSICS),
            unique_id=self.first + index,
            subject=f"S{index % PEOPLE}" if self.named else None,
        )


def stick_body_data(*, train=56, val=14, named=True):
    return BodyData(
        name="stick_bodies",
        digest="0" * 64,
        splits={
            "unlabelled": StickBodySplit(1, 1),
            "train": StickBodySplit(2, train, named),
            "val": StickBodySplit(3, val),
            "test": StickBodySplit(4, val),
        },
        card={},
    )


def body_inputs(*, seed=3, parents=None, on_batch=lambda: None, **counts):
    return PhaseInputs(
        data=stick_body_data(**counts),
        parents=parents or {},
        seed=seed,
        device=torch.device("cpu"),
        on_batch=on_batch,
    )

"""A small data set in memory, so that phases are tested without a renderer."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
import torch

from hpe.data.hands import HandData, HandSample
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, tell_nobody

SIDE_PX = 48


@dataclass(frozen=True)
class FakeSplit:
    """Stick hands on noise: colours and lengths differ, so that there is something to learn."""

    first: int
    count: int
    partly_visible: bool = False

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> HandSample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        rng = np.random.default_rng([7, self.first + index])
        joints_m = _hand(rng)
        intrinsics = np.array([[110.0, 0, 24.0], [0, 110.0, 24.0], [0, 0, 1]])
        projected = joints_m @ intrinsics.T
        keypoints_px = projected[:, :2] / projected[:, 2:]
        image = rng.integers(0, 60, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
        colour = rng.integers(100, 255, 3).tolist()
        for finger in np.arange(1, 21).reshape(5, 4):
            chain = np.rint(keypoints_px[[0, *finger]]).astype(np.int32)
            cv2.polylines(image, [chain], isClosed=False, color=colour, thickness=2)
        return HandSample(
            image=image,
            joints_m=joints_m,
            intrinsics=intrinsics,
            keypoints_px=keypoints_px,
            visible=rng.random(21) < (0.7 if self.partly_visible and index % 3 else 1.0),
            foreground=None,
            unique_id=self.first + index,
        )


def _hand(rng: np.random.Generator) -> np.ndarray:
    angles = np.linspace(-0.9, 0.9, 5)[:, None] + rng.normal(0, 0.4) + rng.normal(0, 0.1, (5, 1))
    reach = np.linspace(0.05, 0.13, 4)[None] * rng.uniform(0.8, 1.2)
    depth = np.cumsum(rng.normal(0, 0.008, (5, 4)), axis=1)
    fingers = np.stack([np.sin(angles) * reach, -np.cos(angles) * reach, depth], axis=-1)
    joints_m = np.concatenate([np.zeros((1, 3)), fingers.reshape(20, 3)])
    return joints_m + np.array([0.0, 0.04, 0.6])


def fake_data(
    *, unlabelled: int = 16, train: int = 12, val: int = 6, partly_visible: bool = False
) -> HandData:
    """Build a data set; its splits share no sample."""
    return HandData(
        name="fake",
        digest="0" * 64,
        splits={
            "unlabelled": FakeSplit(0, unlabelled),
            "train": FakeSplit(10_000, train, partly_visible),
            "val": FakeSplit(20_000, val),
            "test": FakeSplit(30_000, val),
        },
        card={},
    )


@pytest.fixture
def make_inputs() -> Callable[..., PhaseInputs]:
    def make(
        *,
        seed: int = 3,
        parents: dict[str, Artifacts] | None = None,
        on_batch: Callable[[], None] = tell_nobody,
        **counts: int,
    ) -> PhaseInputs:
        return PhaseInputs(
            data=fake_data(**counts),
            parents=parents or {},
            seed=seed,
            device=torch.device("cpu"),
            on_batch=on_batch,
        )

    return make


@pytest.fixture
def drain() -> Callable[..., tuple[list[EpochReport], Artifacts]]:
    def pull(
        phase: Phase, each: Callable[[EpochReport], None] = lambda report: None
    ) -> tuple[list[EpochReport], Artifacts]:
        reports = []
        while True:
            try:
                report = next(phase)
            except StopIteration as end:
                return reports, end.value
            each(report)
            reports.append(report)

    return pull

"""What a lifting network trains on: recorded poses as they were seen, and poses seen anew."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hpe.data.bodies import rectangle_box_px
from hpe.evolution.reprojection import reproject
from hpe.geometry.body_skeleton import PELVIS
from hpe.geometry.camera import rays
from hpe.phases.distribution import own_rows
from hpe.phases.lift_config import InputKind, LiftConfig
from hpe.phases.loaders import endless_draws
from hpe.phases.recorded_poses import RecordedPoses

_CAMERAS = 2**32 - 3  # no sample has this index (`hpe.phases.randomness`)


@dataclass(frozen=True)
class LiftedBatch:
    """2D joints as the network is told them, and joints relative to the pelvis."""

    inputs: Float[Tensor, "batch 17 2"]
    joints_mm: Float[Tensor, "batch 17 3"]


def lifted_batch(poses: RecordedPoses, kind: InputKind) -> LiftedBatch:
    """Return poses as a network sees them."""
    return LiftedBatch(
        torch.from_numpy(lifting_inputs(poses, kind)).float(),
        torch.from_numpy(poses.joints_mm - poses.joints_mm[:, PELVIS, None]).float(),
    )


def lifting_inputs(poses: RecordedPoses, kind: InputKind) -> Float[np.ndarray, "poses 17 2"]:
    """Return 2D joints as rays, or in widths of the box about its middle."""
    if kind == "camera":
        keypoints_px = torch.from_numpy(poses.keypoints_px)
        told: np.ndarray = rays(keypoints_px, torch.from_numpy(poses.intrinsics))[..., :2].numpy()
        return told
    corner_px, size_px = poses.boxes_px[:, None, :2], poses.boxes_px[:, None, 2:]
    in_widths: np.ndarray = (poses.keypoints_px - corner_px - size_px / 2) / size_px[..., :1]
    return in_widths


def seen_anew(
    joints_mm: Float[np.ndarray, "poses 17 3"],
    recorded: RecordedPoses,
    rng: np.random.Generator,
) -> RecordedPoses:
    """Return bodies as the cameras of recorded poses, drawn at random, would see them there."""
    chosen = rng.integers(len(recorded), size=len(joints_mm))
    intrinsics = recorded.intrinsics[chosen]
    placed_mm, keypoints_px = reproject(joints_mm, recorded.joints_mm[chosen, PELVIS], intrinsics)
    boxes_px = rectangle_box_px(placed_mm[:, PELVIS], intrinsics)
    unknown = (None,) * len(placed_mm)
    return RecordedPoses(placed_mm, keypoints_px, intrinsics, boxes_px, unknown, unknown)


def lift_batches(
    config: LiftConfig,
    recorded: RecordedPoses,
    anew_mm: Float[np.ndarray, "poses 17 3"],
    *,
    epoch: int,
    steps: int,
    seed: int,
) -> Iterator[LiftedBatch]:
    """Yield this rank's part of every batch of an epoch.

    Args:
        config: The phase's settings.
        recorded: Training poses in use; their cameras and places are what others are seen by.
        anew_mm: Poses to see anew.
        epoch: Counted from 1.
        steps: Batches of an epoch.
        seed: Of all draws.
    """
    reprojected = round(config.reprojected_share * config.batch_size)
    first = (epoch - 1) * steps
    as_recorded = _rows(len(recorded), config.batch_size - reprojected, seed, first, steps)
    evolved = _rows(len(anew_mm), reprojected, seed ^ 1, first, steps)
    for number, (plain, new) in enumerate(zip(as_recorded, evolved, strict=True)):
        rng = np.random.default_rng([seed, first + number, _CAMERAS])
        parts = [recorded[plain]] if plain else []
        if new:
            parts.append(seen_anew(anew_mm[new], recorded, rng))
        rows = own_rows(range(config.batch_size))
        whole = [lifted_batch(part, config.inputs) for part in parts]
        yield LiftedBatch(
            torch.cat([part.inputs for part in whole])[list(rows)],
            torch.cat([part.joints_mm for part in whole])[list(rows)],
        )


def _rows(samples: int, batch_size: int, seed: int, first: int, batches: int) -> list[list[int]]:
    if batch_size == 0:
        return [[] for _ in range(batches)]
    draws = endless_draws(samples, seed=seed, first=first, batches=batches, batch_size=batch_size)
    return [[index for _, index in group] for group in draws]

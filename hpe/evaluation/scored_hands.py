"""A split as a trained network sees it: predictions beside the truth, sample by sample."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hpe.augment.crop import hand_crop
from hpe.data.folder import FolderSplit
from hpe.data.hands import HandSample, HandSplit
from hpe.evaluation.boxes import HandCrop, centered_box, crop_of_box
from hpe.evaluation.inference import (
    PredictedPoses,
    hands_in_camera,
    predict_poses,
    with_wrist_keypoint,
)
from hpe.evaluation.pose_model import PoseModel
from hpe.geometry.decoding import lift_at_true_root
from hpe.geometry.palm import with_root, with_wrist
from hpe.geometry.root_depth import bone_length_m

BATCH = 64


@dataclass(frozen=True)
class Looking:
    """How a network looks at samples.

    Attributes:
        turns: Angles of the views that a prediction is the mean of, in degrees.
        finds_box: Start from the box in the photograph's middle and look twice, as one does who
            does not know where the hand is. Otherwise look once, at the crop around the true
            keypoints that networks are trained on.
    """

    turns: tuple[float, ...] = (0.0,)
    finds_box: bool = False


@dataclass(frozen=True)
class ScoredHands:
    """Predictions and truth of the hands of a split, in camera coordinates, metres.

    Attributes:
        predicted_px: In the photograph.
        true_px: In the photograph.
        px_per_source_px: Pixels of the network's input that one of the photograph comes to, in the
            crop around the true keypoints.
        relative_m: Lifted with the true root depth and scale.
        absolute_m: Lifted with the analytic root depth and the true scale.
        denoised_m: Lifted with the denoised root depth and the true scale; NaN without a denoiser.
        true_m: The truth.
        valid: Whether a joint is annotated.
        has_depth: Whether the truth is known in space.
        unique_id: The sample's photograph, versions of which count as one.
        limited: Whether the network, finding the box, wanted to look far from where it began; its
            first look is what is scored (`hpe.evaluation.inference.PredictedPoses`).
        sequences: Recordings they are from; None where unknown.
    """

    predicted_px: Float[Tensor, "hands 21 2"]
    true_px: Float[Tensor, "hands 21 2"]
    px_per_source_px: Float[Tensor, " hands"]
    relative_m: Float[Tensor, "hands 21 3"]
    absolute_m: Float[Tensor, "hands 21 3"]
    denoised_m: Float[Tensor, "hands 21 3"]
    true_m: Float[Tensor, "hands 21 3"]
    valid: Bool[Tensor, "hands 21"]
    has_depth: Bool[Tensor, " hands"]
    unique_id: Int[Tensor, " hands"]
    limited: Bool[Tensor, " hands"]
    sequences: tuple[str | None, ...]

    def __len__(self) -> int:
        """Return the number of hands."""
        return len(self.valid)

    def chosen(self, mask: Bool[Tensor, " hands"]) -> "ScoredHands":
        """Return the hands for which the mask is true."""
        tensors = {name: values[mask] for name, values in self.tensors().items()}
        kept = tuple(s for s, keep in zip(self.sequences, mask.tolist(), strict=True) if keep)
        return ScoredHands(**tensors, sequences=kept)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that is a tensor, by name."""
        names = [field.name for field in fields(self) if field.name != "sequences"]
        return {name: getattr(self, name) for name in names}


def joined_hands(parts: Sequence[ScoredHands]) -> ScoredHands:
    """Return the hands of several parts as one."""
    names = parts[0].tensors()
    tensors = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
    return ScoredHands(**tensors, sequences=tuple(s for part in parts for s in part.sequences))


def score_split(
    model: PoseModel,
    split: HandSplit,
    indices: Sequence[int],
    *,
    looking: Looking,
    on_batch: Callable[[int], None] = lambda _done: None,
) -> ScoredHands:
    """Let a network predict samples of a split.

    Args:
        model: The network.
        split: The samples.
        indices: Those to predict.
        looking: How.
        on_batch: Told how many are done.

    Raises:
        ValueError: If there are none.
    """
    if len(indices) == 0:
        raise ValueError("a score needs at least one sample, got none.")
    parts = []
    for chunk in _chunks(indices):
        parts.append(_score_batch(model, [split[index] for index in chunk], looking))
        on_batch(sum(len(part) for part in parts))
    return joined_hands(parts)


def first_crop(sample: HandSample, looking: Looking) -> HandCrop:
    """Return where a network looks first."""
    if looking.finds_box:
        height_px, width_px = sample.image.shape[:2]
        return crop_of_box(centered_box(height_px=height_px, width_px=width_px))
    center_px, half_side_px = hand_crop(sample.keypoints_px, sample.visible)
    return HandCrop((float(center_px[0]), float(center_px[1])), half_side_px)


def _chunks(indices: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), BATCH):
        yield indices[start : start + BATCH]


def _score_batch(model: PoseModel, samples: Sequence[HandSample], looking: Looking) -> ScoredHands:
    poses = predict_poses(
        model,
        [sample.image for sample in samples],
        [first_crop(sample, looking) for sample in samples],
        turns=looking.turns,
        refinements=int(looking.finds_box),
    )
    intrinsics = _stacked([sample.intrinsics for sample in samples])
    true_m = _stacked([sample.joints_m for sample in samples])
    scale_m = bone_length_m(true_m)
    relative_m = _at_true_root(model, poses, intrinsics, true_m)
    absolute_m = hands_in_camera(model, poses, intrinsics, scale_m=scale_m)
    denoised_m = torch.full_like(absolute_m, torch.nan)
    if model.denoiser is not None:
        denoised_m = hands_in_camera(model, poses, intrinsics, scale_m=scale_m, denoised=True)
    predicted_px = poses.keypoints_px
    if model.root != "wrist":
        predicted_px = with_wrist_keypoint(predicted_px, relative_m, intrinsics)
    sides = [hand_crop(sample.keypoints_px, sample.visible)[1] for sample in samples]
    return ScoredHands(
        predicted_px=predicted_px,
        true_px=_stacked([sample.keypoints_px for sample in samples]),
        px_per_source_px=model.image_px / (2 * torch.tensor(sides, dtype=torch.float64)),
        relative_m=relative_m,
        absolute_m=absolute_m,
        denoised_m=denoised_m,
        true_m=true_m,
        valid=torch.from_numpy(np.stack([sample.visible for sample in samples])),
        has_depth=torch.tensor([sample.has_depth for sample in samples]),
        unique_id=torch.tensor([sample.unique_id for sample in samples]),
        limited=torch.tensor(poses.limited),
        sequences=tuple(sample.sequence for sample in samples),
    )


def _at_true_root(
    model: PoseModel,
    poses: PredictedPoses,
    intrinsics: Float[Tensor, "hands 3 3"],
    true_m: Float[Tensor, "hands 21 3"],
) -> Float[Tensor, "hands 21 3"]:
    lifted_m = lift_at_true_root(
        poses.keypoints_px,
        poses.depth_rel,
        intrinsics,
        true_joints_m=with_root(true_m, model.root),
    )
    return with_wrist(lifted_m, model.root)


def _stacked(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(array, dtype=np.float64) for array in arrays]))


@dataclass(frozen=True)
class Sides:
    """Which hand of which picture each sample is.

    Attributes:
        is_right: Left hands were mirrored.
        picture: Hands with one number are in one picture.
        interacting: Whether the picture shows both hands.
    """

    is_right: Bool[np.ndarray, " hands"]
    picture: Int[np.ndarray, " hands"]
    interacting: Bool[np.ndarray, " hands"]


def sides_of(split: HandSplit, indices: Sequence[int]) -> Sides | None:
    """Return which hands samples are, or None where the data set does not know two hands."""
    if not isinstance(split, FolderSplit) or "interacting" not in split.index.arrays:
        return None
    arrays, rows = split.index.arrays, split.rows[np.asarray(indices)]
    _, picture = np.unique(arrays["picture"][rows], return_inverse=True)
    return Sides(
        is_right=np.array(arrays["is_right"][rows], dtype=bool),
        picture=picture,
        interacting=np.array(arrays["interacting"][rows], dtype=bool),
    )

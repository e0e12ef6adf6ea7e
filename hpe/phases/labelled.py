"""Labelled samples as rows for a network: augmented for training, reference crops for scoring."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hpe.augment.composition import Composition, CompositionConfig, build_composition
from hpe.data.hands import HandSplit
from hpe.geometry.decoding import encode_pose
from hpe.geometry.palm import Root, root_valid, with_root
from hpe.geometry.root_depth import bone_length_m, to_25d
from hpe.geometry.skeleton import FINGERS, SCALE_BONE, WRIST
from hpe.phases.loaders import Batch, Row, load, one_pass
from hpe.phases.phase import tell_nobody
from hpe.phases.precision import EncodedHead, Numerics
from hpe.phases.randomness import Draw, view_rng

CROP_CACHE_BYTES = 2**30  # about 155,000 crops at 48 px, 7,000 at 224 px
EVALUATION_BATCH = 256
S0_BONE = (WRIST, FINGERS["index"][0])


@dataclass(frozen=True)
class LabelledRows:
    """Makes a row from a sample: its view, and what is needed to train on it or to score it.

    Attributes:
        split: The samples.
        indices: Those of them in use.
        composition: Makes the view.
        seed: Seed of the composition's randomness.
    """

    split: HandSplit
    indices: Sequence[int]
    composition: Composition
    seed: int

    def __call__(self, draw: Draw) -> Row:
        """Return the image, its intrinsics, joints in camera coordinates, and what is annotated."""
        sample = self.split[self.indices[draw[1]]]
        view = self.composition(sample, view_rng(draw, seed=self.seed, view=0))
        return {
            "image": view.image,
            "intrinsics": np.asarray(view.intrinsics, dtype=np.float64),
            "joints_m": np.asarray(sample.joints_m, dtype=np.float64),
            "visible": sample.visible,
            "has_depth": np.array(sample.has_depth),
        }


@dataclass(frozen=True)
class PoseTargets:
    """What a pose network should say about a batch.

    Attributes:
        keypoints_px: In pixels of the network's input.
        depth_rel: Depth behind the root in lengths of the scale bone.
        root_depth: Depth of the root in lengths of the scale bone.
        depth_unit: How long the scale bone is in lengths of root to index MCP, by which S0 divides.
        valid: Joints to train on.
        depth_valid: Those of them whose depth is known.
        root_valid: Samples whose root depth is known.
    """

    keypoints_px: Float[Tensor, "batch 21 2"]
    depth_rel: Float[Tensor, "batch 21"]
    root_depth: Float[Tensor, " batch"]
    depth_unit: Float[Tensor, " batch"]
    valid: Bool[Tensor, "batch 21"]
    depth_valid: Bool[Tensor, "batch 21"]
    root_valid: Bool[Tensor, " batch"]


def pose_targets(batch: Batch, device: torch.device, *, root: Root = "wrist") -> PoseTargets:
    """Return the 2.5D targets of a batch of labelled rows."""
    joints_m = with_root(batch["joints_m"], root)
    valid = root_valid(batch["visible"], root)
    pose = to_25d(joints_m, batch["intrinsics"])
    has_depth = batch["has_depth"]
    measured = valid[:, [WRIST, *SCALE_BONE]].all(dim=1)
    unit = pose.scale_m / bone_length_m(joints_m, bone=S0_BONE)
    return PoseTargets(
        keypoints_px=pose.keypoints_px.float().to(device),
        depth_rel=pose.depth_rel.float().to(device),
        root_depth=(joints_m[:, WRIST, 2] / pose.scale_m).float().to(device),
        depth_unit=torch.where(has_depth, unit, 1.0).float().to(device),
        valid=valid.to(device),
        depth_valid=(valid & has_depth[:, None]).to(device),
        root_valid=(measured & has_depth).to(device),
    )


class Crops:
    """Reference crops of labelled samples, in order, kept in memory where they fit."""

    def __init__(
        self,
        split: HandSplit,
        indices: Sequence[int],
        *,
        image_px: int,
        workers: int = 0,
        on_batch: Callable[[], None] = tell_nobody,
        composition: Composition | None = None,
        shared_by: int = 1,
    ) -> None:
        """Name the samples; none is opened yet.

        Args:
            split: The samples.
            indices: Those of them to show.
            image_px: Side of the crops.
            workers: Child processes that make them.
            on_batch: See `PhaseInputs`.
            composition: Makes the views instead of reference crops of hands; it must draw nothing.
            shared_by: How many such sets of views are held at once; each may keep its share of
                `CROP_CACHE_BYTES`.
        """
        composition = composition or build_composition(CompositionConfig(), image_px=image_px)
        self._make = LabelledRows(split, indices, composition, seed=0)
        self._workers = workers
        self._on_batch = on_batch
        self._kept: Batch | None = None
        self.image_px = image_px
        self.fit_in_memory = len(indices) * image_px**2 * 3 <= CROP_CACHE_BYTES // shared_by

    def __len__(self) -> int:
        return len(self._make.indices)

    def batches(self) -> Iterator[Batch]:
        """Yield all rows, `EVALUATION_BATCH` at a time."""
        if not self.fit_in_memory:
            yield from self._load()
            return
        kept = self.rows()
        for start in range(0, len(self), EVALUATION_BATCH):
            chunk = slice(start, start + EVALUATION_BATCH)
            self._on_batch()
            yield {name: values[chunk] for name, values in kept.items()}

    def rows(self) -> Batch:
        """Return all rows as one batch."""
        if self._kept is None:
            self._kept = joined(list(self._load()))
        return self._kept

    def _load(self) -> Iterator[Batch]:
        draws = one_pass(len(self), batch_size=EVALUATION_BATCH)
        return load(self._make, draws, workers=self._workers, on_batch=self._on_batch)


@torch.no_grad()
def encoded_rows(crops: Crops, encoder: nn.Module, numerics: Numerics) -> Batch:
    """Return all rows with `features`, on the encoder's device, in place of the image.

    The encoder is put into evaluation mode and left in it.
    """
    encoder.eval()
    return joined(
        [
            {
                "features": numerics.encode(encoder, batch["image"]),
                **{name: values for name, values in batch.items() if name != "image"},
            }
            for batch in crops.batches()
        ]
    )


def joined(batches: Sequence[Batch]) -> Batch:
    """Return the rows of several batches as one."""
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


@torch.no_grad()
def predicted_rows(crops: Crops, network: EncodedHead) -> Batch:
    """Return all rows with the network's `output`, on its device, in place of the image.

    Nothing between image and output is kept, so that maps need not fit in memory. The network is
    put into evaluation mode and left in it.
    """
    network.eval()
    return joined(
        [
            {
                "output": network(batch["image"]),
                **{name: values for name, values in batch.items() if name != "image"},
            }
            for batch in crops.batches()
        ]
    )


def fully_visible(batch: Batch) -> Batch:
    """Return the rows whose joints are all annotated, in depth too.

    Raises:
        ValueError: If there are none.
    """
    complete = batch["visible"].all(dim=1) & batch["has_depth"]
    if not complete.any():
        raise ValueError(
            f"A mean pose needs samples with all 21 joints annotated, in depth too, got none in "
            f"{len(complete)}; a data set that knows keypoints only goes into a mixture with one "
            f"that knows depths."
        )
    return {name: values[complete] for name, values in batch.items()}


def mean_pose(rows: Batch, *, image_px: int, root: Root = "wrist") -> Float[Tensor, "21 3"]:
    """Return the mean target in the pose head's coordinates: where its bias starts."""
    pose = to_25d(with_root(rows["joints_m"], root), rows["intrinsics"])
    return encode_pose(pose.keypoints_px, pose.depth_rel, image_px=image_px).mean(0).float()

"""Bodies as rows for a network: augmented for training, reference crops for scoring."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from hpe.augment.body_views import BodyView, BodyViewConfig, MakeBodyView, build_body_view
from hpe.data.bodies import BodySplit
from hpe.geometry.affine import homogeneous
from hpe.geometry.back_projection import body_joints_mm
from hpe.phases.loaders import Batch, Row, load, one_pass
from hpe.phases.phase import tell_nobody
from hpe.phases.randomness import Draw, view_rng

CACHE_BYTES = 2**30  # about 29,000 crops at 96 x 128 px, 3,200 at 288 x 384 px
ACTION_BYTES = 48


@dataclass(frozen=True)
class BodyRows:
    """Makes a row from a sample: its view, and what is needed to train on it or to score it.

    Attributes:
        split: The samples.
        indices: Those of them in use.
        make_view: Makes the view.
        seed: Seed of the view's randomness.
    """

    split: BodySplit
    indices: Sequence[int]
    make_view: MakeBodyView
    seed: int

    def __call__(self, draw: Draw) -> Row:
        """Return the image, the joints in S4's coordinates, and what turns those into mm.

        Lengths of the head are in pixels of the view, NaN where unknown.
        """
        sample = self.split[self.indices[draw[1]]]
        view = self.make_view(sample, view_rng(draw, seed=self.seed, view=0))
        zoom = math.hypot(*view.source_to_view[:, 0])  # the same along all directions
        return {
            "image": view.image,
            "points": points_of_view(view),
            "visible": view.visible,
            "has_depth": np.array(view.has_depth),
            "depth_range_mm": np.array(view.depth_range_mm, dtype=np.float64),
            "intrinsics": homogeneous(view.source_to_view) @ sample.intrinsics,
            "pelvis_depth_mm": np.array(sample.pelvis_mm[2], dtype=np.float64),
            "head_px": _length(sample.head_px, zoom),
            "head_bone_px": _length(sample.head_bone_px, zoom),
            "action": _encoded(sample.action or ""),
        }


def points_of_view(view: BodyView) -> Float[np.ndarray, "17 3"]:
    """Return the joints in S4's coordinates: (u / W - 1/2, v / H - 1/2, share of the depth)."""
    height_px, width_px = view.image.shape[:2]
    share = view.keypoints_px / (width_px, height_px) - 0.5
    return np.concatenate([share, view.depth[:, None]], axis=1)


def keypoints_px_of(
    points: Float[Tensor, "batch 17 3"], *, width_px: int, height_px: int
) -> Float[Tensor, "batch 17 2"]:
    """Return where points in S4's coordinates lie in the view."""
    return (points[..., :2] + 0.5) * points.new_tensor([width_px, height_px])


def joints_mm_of(
    points: Float[Tensor, "batch 17 3"], rows: Batch, *, width_px: int, height_px: int
) -> Float[Tensor, "batch 17 3"]:
    """Return joints in the camera's space: back-projected from the view's pixels.

    With the true intrinsics and the true depth of the pelvis, as S4 and most "root-relative" papers
    do. Nothing where a row has no depth.

    Args:
        points: In S4's coordinates.
        rows: What `BodyRows` says beside them, of views that are not mirrored.
        width_px: Width of the view.
        height_px: Height of the view.
    """
    return body_joints_mm(
        keypoints_px_of(points, width_px=width_px, height_px=height_px),
        points[..., 2] * rows["depth_range_mm"][:, None],
        rows["intrinsics"],
        rows["pelvis_depth_mm"],
    )


def actions_of(rows: Batch) -> list[str]:
    """Return what the people in the rows do; empty texts where unknown."""
    return [bytes(code).rstrip(b"\0").decode() for code in rows["action"].tolist()]


class ReferenceCrops:
    """Crops of samples as they are, in order, kept in memory where they fit."""

    def __init__(
        self,
        split: BodySplit,
        indices: Sequence[int],
        *,
        width_px: int,
        height_px: int,
        batch_size: int,
        workers: int = 0,
        on_batch: Callable[[], None] = tell_nobody,
    ) -> None:
        """Name the samples; none is opened yet."""
        make_view = build_body_view(
            BodyViewConfig(), width_px=width_px, height_px=height_px, seed=0
        )
        self._make = BodyRows(split, indices, make_view, seed=0)
        self._batch_size = batch_size
        self._workers = workers
        self._on_batch = on_batch
        self._kept: list[Batch] | None = None
        self.width_px = width_px
        self.height_px = height_px
        self._fit_in_memory = len(indices) * width_px * height_px * 3 <= CACHE_BYTES

    def batches(self) -> Iterator[Batch]:
        """Yield all rows, a batch at a time."""
        if not self._fit_in_memory:
            yield from self._load()
            return
        if self._kept is None:
            self._kept = list(self._load())
        for batch in self._kept:
            self._on_batch()
            yield batch

    def _load(self) -> Iterator[Batch]:
        draws = one_pass(len(self._make.indices), batch_size=self._batch_size)
        return load(self._make, draws, workers=self._workers, on_batch=self._on_batch)


@torch.no_grad()
def rows_of(crops: ReferenceCrops, network: nn.Module | None = None) -> Batch:
    """Return all rows without their images, with the network's `output` if there is one.

    Args:
        crops: At least one.
        network: From images to points in S4's coordinates; it is put into evaluation mode and left
            in it.
    """
    if network is not None:
        network.eval()
    parts: list[Batch] = []
    for batch in crops.batches():
        rows = {name: values for name, values in batch.items() if name != "image"}
        if network is not None:
            rows["output"] = network(batch["image"]).to("cpu", torch.float64)
        parts.append(rows)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _length(source_px: float | None, zoom: float) -> Float[np.ndarray, ""]:
    return np.array(np.nan if source_px is None else zoom * source_px, dtype=np.float64)


def _encoded(action: str) -> UInt8[np.ndarray, " characters"]:
    """Return a name as numbers, which batches of all processes can hold."""
    code = action.encode()[:ACTION_BYTES].ljust(ACTION_BYTES, b"\0")
    return np.frombuffer(code, dtype=np.uint8)

"""Pairs of views of pretraining made where the network is: a batch's sources go there as they are.

The rows that this makes a batch of are those of `hpe.phases.view_pairs`, with the same geometry to
the last bit (`hpe.augment.batched` says what may differ).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hpe.augment.batched import SourceBatch, ViewBatch, require_batchable, view_batch
from hpe.augment.composition import Composition
from hpe.data.hands import HandSplit
from hpe.phases.loaders import Batch, Row
from hpe.phases.randomness import view_rng
from hpe.phases.view_pairs import RECORDED, RELATIVE

SIZES_CHECKED = 16


@dataclass(frozen=True)
class SourceRows:
    """Makes a row of an unlabelled sample as it is, for its views to be made elsewhere.

    Attributes:
        split: The samples; all pictures are of one size.
        has_masks: Whether rows have the hand's pixels, which only new backgrounds need.
        size_px: Height and width of every picture.
    """

    split: HandSplit
    has_masks: bool
    size_px: tuple[int, int]

    def __call__(self, draw: tuple[int, int]) -> Row:
        """Return the sample's arrays and its draw.

        Raises:
            ValueError: If the picture is of another size than the others.
        """
        sample = self.split[draw[1]]
        _require_size(sample.image, draw[1], self.size_px)
        row = {
            "image": sample.image,
            "keypoints_px": np.asarray(sample.keypoints_px, dtype=np.float64),
            "intrinsics": np.asarray(sample.intrinsics, dtype=np.float64),
            "visible": sample.visible,
            "draw": np.array(draw, dtype=np.int64),
        }
        if self.has_masks:
            mask = sample.foreground
            row["foreground"] = np.zeros(self.size_px, dtype=bool) if mask is None else mask
            row["has_foreground"] = np.array(mask is not None)
        return row


def source_rows(split: HandSplit, compositions: Sequence[Composition]) -> SourceRows:
    """Return what makes rows of a split.

    Some samples' sizes are looked at, so that pictures that differ are refused before work begins.

    Args:
        split: The samples.
        compositions: What makes views of them.

    Raises:
        ValueError: If pictures are not of one size, or views cannot be made in batches.
    """
    for composition in compositions:
        require_batchable(composition)
    height_px, width_px = split[0].image.shape[:2]
    for index in np.linspace(0, len(split) - 1, min(SIZES_CHECKED, len(split)), dtype=int).tolist():
        _require_size(split[index].image, index, (height_px, width_px))
    has_masks = any(composition.backgrounds is not None for composition in compositions)
    return SourceRows(split, has_masks, (height_px, width_px))


@dataclass(frozen=True)
class DeviceViews:
    """Makes batches of pairs from batches of sources.

    Attributes:
        composition: Makes the pair.
        seed: The stage's seed.
        device: Where pixels are computed, and stay.
        relative: Makes a second pair for the relative loss, if that has its own.
    """

    composition: Composition
    seed: int
    device: torch.device
    relative: Composition | None = None

    def __call__(self, sources: Batch) -> Batch:
        """Return what `hpe.phases.view_pairs.ViewPairs` makes of the same draws, collated."""
        moved = _moved(sources, self.device)
        draws = [(int(pass_number), int(index)) for pass_number, index in sources["draw"].tolist()]
        batch = self._pairs(self.composition, moved, draws, views=(0, 1))
        if self.relative is not None:
            second = self._pairs(self.relative, moved, draws, views=(2, 3))
            batch |= {RELATIVE + name: values for name, values in second.items()}
        return batch

    def _pairs(
        self,
        composition: Composition,
        sources: SourceBatch,
        draws: Sequence[tuple[int, int]],
        *,
        views: Sequence[int],
    ) -> Batch:
        made = [
            view_batch(
                composition,
                sources,
                [view_rng(draw, seed=self.seed, view=number) for draw in draws],
            )
            for number in views
        ]
        images = torch.stack([view.images for view in made], dim=1)
        return {"image": images, **{name: _recorded(made, name) for name in RECORDED}}


def _recorded(made: Sequence[ViewBatch], name: str) -> Tensor:
    values: list[Any] = [getattr(view, name) for view in made]
    return torch.from_numpy(np.stack(values, axis=1).astype(np.float32))


def _moved(sources: Batch, device: torch.device) -> SourceBatch:
    masks = sources.get("foreground")
    return SourceBatch(
        images=sources["image"].to(device),
        keypoints_px=sources["keypoints_px"].numpy(),
        intrinsics=sources["intrinsics"].numpy(),
        visible=sources["visible"].numpy(),
        foreground=None if masks is None else masks.to(device),
        has_foreground=None if masks is None else sources["has_foreground"].numpy(),
    )


def _require_size(image: np.ndarray, index: int, size_px: tuple[int, int]) -> None:
    if image.shape[:2] != size_px:
        (height, width), (first_height, first_width) = image.shape[:2], size_px
        raise ValueError(
            f"augment_on: device takes pictures of one size, got {width} x {height} px for "
            f"unlabelled sample {index} and {first_width} x {first_height} px for the first one; "
            "use augment_on: cpu, or data whose pictures are of one size."
        )

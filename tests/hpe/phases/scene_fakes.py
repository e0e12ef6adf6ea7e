"""Two-handed scenes in memory: discs of parts, the right hand in front of the left one."""

from dataclasses import dataclass

import cv2
import numpy as np

from hpe.data.hand_masks import MaskedSample, SegmentationData

SIDE_PX = 64


@dataclass(frozen=True)
class FakeMaskedSplit:
    """Scenes, or only their images, or only their masks."""

    first: int
    count: int
    has_image: bool = True
    has_masks: bool = True
    has_visible: bool = True

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> MaskedSample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        rng = np.random.default_rng([11, self.first + index])
        masks = np.zeros((2, SIDE_PX, SIDE_PX), dtype=np.uint8)
        for hand, center in enumerate((22, 40)):
            for part in range(1, 17):
                at = center + rng.integers(-14, 15), 8 + 3 * part + rng.integers(-2, 3)
                cv2.circle(masks[hand], (int(at[0]), int(at[1])), 5, part, -1)
        visible = masks > 0
        visible[0] &= masks[1] == 0
        image = rng.integers(0, 40, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
        for hand in (0, 1):
            image[..., 2 * hand] += np.where(visible[hand], 40 + 10 * masks[hand], 0).astype(
                np.uint8
            )
        return MaskedSample(
            image=image if self.has_image else None,
            masks=masks if self.has_masks else None,
            visible=visible if self.has_masks and self.has_visible else None,
            key=f"scene/{self.first + index:05d}",
            unique_id=self.first + index,
        )


def fake_scenes(
    *, unlabelled: int = 12, train: int = 8, val: int = 4, visible: bool = True
) -> SegmentationData:
    """Build a data set; its splits share no scene."""
    return SegmentationData(
        name="fake_two_hands",
        digest="0" * 64,
        splits={
            "unlabelled": FakeMaskedSplit(0, unlabelled, has_masks=False),
            "train": FakeMaskedSplit(10_000, train, has_visible=visible),
            "val": FakeMaskedSplit(20_000, val, has_visible=visible),
            "test": FakeMaskedSplit(30_000, val, has_visible=visible),
            "unpaired_masks": FakeMaskedSplit(40_000, 6, has_image=False),
        },
        card={},
    )

"""Pictures of part masks: colours tell parts and kinds of error apart."""

import numpy as np
import torch

from hpe.augment.hand_masks import MaskAugmentationConfig
from hpe.data.hand_masks import MaskedSample, SegmentationData
from hpe.phases.segmentation_config import PairedConfig
from hpe.viz.segmentation_sheets import (
    CONFUSED,
    INVENTED,
    MISSED,
    PART_COLORS,
    RIGHT,
    draw_masks,
    error_map,
    masked_views,
    overlaid,
    unmasked_views,
)

IMAGE = np.full((64, 64, 3), 90, dtype=np.uint8)


def sample(index, masks):
    return MaskedSample(IMAGE, masks, None, key=str(index), unique_id=index)


def test_every_class_has_a_colour_of_its_own():
    assert len(np.unique(PART_COLORS, axis=0)) == 17


def test_kinds_of_error_are_told_apart():
    true = np.array([[1, 1, 1, 0, 0]], dtype=np.uint8)
    predicted = np.array([[1, 0, 2, 3, 0]], dtype=np.uint8)
    drawn = [tuple(pixel) for pixel in error_map(true, predicted)[0].tolist()]
    assert drawn[:4] == [RIGHT, MISSED, CONFUSED, INVENTED]
    assert drawn[4] not in drawn[:4]


def test_only_the_parts_are_tinted():
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[10, 10] = 4
    tinted = overlaid(IMAGE, mask)
    changed = (tinted != IMAGE).any(axis=2)
    assert changed[10, 10]
    assert changed.sum() == 1


def test_a_sheet_has_four_panels_per_hand_and_a_row_per_part():
    masks = torch.randint(0, 17, (2, 2, 64, 64), dtype=torch.uint8)
    part_iou = torch.full((3, 16), 0.5, dtype=torch.float64)
    part_iou[2, 4] = torch.nan
    sheet = draw_masks(
        {
            "image": torch.from_numpy(IMAGE).expand(2, 64, 64, 3),
            "masks": masks,
            "predicted": masks,
            "part_iou": part_iou,
        }
    )
    assert sheet.columns == ("part", "iou, all", "iou, not hidden", "iou, hidden")
    assert [row[0] for row in sheet.rows] == list(range(1, 17))
    assert sheet.rows[4] == (5, 0.5, 0.5, "never")
    assert sheet.image.shape[1] > 8 * 128


def test_views_are_drawn_with_and_without_masks():
    masks = np.zeros((2, 64, 64), dtype=np.uint8)
    masks[0, 20:40, 20:40] = 3
    data = SegmentationData(
        name="fake",
        digest="0" * 64,
        splits={"train": [sample(i, masks) for i in range(3)], "unlabelled": [sample(9, None)]},
        card={},
    )
    config = PairedConfig(augment=MaskAugmentationConfig(flip_prob=0.5))
    paired, unpaired = masked_views(config, data), unmasked_views(config, data)
    assert len(paired.rows) == 3 * 5
    assert all(0 < row[2] < 0.2 for row in paired.rows)
    assert {row[2] for row in unpaired.rows} == {"unknown"}

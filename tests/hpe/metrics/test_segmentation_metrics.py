"""Mean IoUs against hand-computed cases and a loop over pixels."""

import numpy as np
import pytest
import torch

from hpe.metrics.segmentation import (
    count_masks,
    hidden_pixels,
    miou,
    miou_fg_pooled,
    part_iou,
)


def masks_of(left, right=None):
    """Return one image of one row; the right hand is empty unless given."""
    right = [0] * len(left) if right is None else right
    return torch.tensor([left, right], dtype=torch.uint8)[None, :, None]


def enlarged(masks, times=20):
    """Repeat every pixel, so that parts are large enough to be scored."""
    return masks.repeat_interleave(times, dim=-1)


TRUE = masks_of([0, 1, 1, 1, 2, 0, 0, 0])
PREDICTED = masks_of([0, 1, 1, 2, 2, 0, 0, 0])


def random_masks(seed, images=3, side=24):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 6, (images, 2, side, side), dtype=np.uint8)
    wrong = rng.random(true.shape) < 0.3
    predicted = np.where(wrong, rng.integers(0, 8, true.shape), true).astype(np.uint8)
    return torch.from_numpy(predicted), torch.from_numpy(true)


def test_pooled_miou_leaves_out_the_background_and_classes_that_do_not_occur():
    counts = count_masks(PREDICTED, TRUE)
    assert float(miou_fg_pooled(counts)) == pytest.approx((2 / 3 + 1 / 2) / 2)
    iou = part_iou(counts)
    assert iou[:2].tolist() == pytest.approx([2 / 3, 1 / 2])
    assert iou[2:].isnan().all()


def test_a_part_that_is_only_predicted_has_no_overlap_when_pooled():
    counts = count_masks(masks_of([1, 3, 0, 0]), masks_of([1, 1, 0, 0]))
    assert float(miou_fg_pooled(counts)) == pytest.approx((1 / 2 + 0) / 2)


def test_images_count_alike_in_s3s_miou_and_pixels_do_when_pooled():
    # Image A has 1 of 1 right and image B 1 of 4: 0.625 and 2/5.
    true = torch.cat([masks_of([1, 0, 0, 0]), masks_of([1, 1, 1, 1])])
    predicted = torch.cat([masks_of([1, 0, 0, 0]), masks_of([1, 0, 0, 0])])
    counts = count_masks(enlarged(predicted), enlarged(true))
    assert float(miou(counts)) == pytest.approx(0.625)
    assert float(miou_fg_pooled(counts)) == pytest.approx(0.4)


def test_s3s_miou_is_that_of_the_published_example_where_parts_are_large_enough():
    counts = count_masks(enlarged(PREDICTED), enlarged(TRUE))
    assert float(miou(counts)) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_parts_of_less_than_twenty_true_pixels_are_not_scored_by_s3s_miou():
    true = masks_of([1] * 20 + [2] * 19 + [0])
    predicted = masks_of([1] * 20 + [0] * 19 + [2])
    assert float(miou(count_masks(predicted, true))) == 1.0
    assert float(miou_fg_pooled(count_masks(predicted, true))) == 0.5


def test_a_hand_without_a_part_that_is_large_enough_is_left_out():
    both = masks_of([1] * 20, [3] * 20)
    left = masks_of([1] * 20, [3] * 19 + [0])
    wrong = masks_of([2] * 20, [3] * 20)
    counts = count_masks(torch.cat([both, wrong]), torch.cat([both, left]))
    assert float(miou(counts)) == pytest.approx((1 + 1 + 0) / 3)


def test_no_part_at_all_is_not_a_number():
    empty = masks_of([0] * 40)
    counts = count_masks(empty, empty)
    assert miou(counts).isnan()
    assert miou_fg_pooled(counts).isnan()


def test_an_id_that_is_no_class_is_a_miss():
    counts = count_masks(masks_of([1, 200]), masks_of([1, 1]))
    assert counts.predicted[0, 0].sum() == 1
    assert float(miou_fg_pooled(counts)) == 0.5


def test_a_hidden_pixel_is_one_of_the_hand_that_is_not_visible():
    visible = torch.tensor([True, False, False]).expand(1, 2, 1, 3)
    assert hidden_pixels(masks_of([1, 1, 0]), visible).flatten().tolist() == [
        *(False, True, False),
        *(False, False, False),
    ]


def test_hidden_and_other_pixels_are_scored_apart():
    true = masks_of([1, 1, 1, 1, 2, 2])
    predicted = masks_of([1, 1, 1, 2, 0, 2])
    hidden = torch.tensor([False, False, True, True, True, False]).expand(1, 2, 1, 6)
    seen = count_masks(predicted, true, where=~hidden)
    unseen = count_masks(predicted, true, where=hidden)
    assert float(miou_fg_pooled(seen)) == 1.0
    assert part_iou(unseen)[:2].tolist() == pytest.approx([1 / 2, 0])


def test_both_means_agree_with_a_loop_over_images_hands_and_parts():
    predicted, true = random_masks(4)
    of_hands, both, union = [], np.zeros(17), np.zeros(17)
    for p_image, t_image in zip(predicted.numpy(), true.numpy(), strict=True):
        for p, t in zip(p_image, t_image, strict=True):
            ious = []
            for part in range(1, 17):
                overlap, either = ((p == part) & (t == part)).sum(), ((p == part) | (t == part))
                both[part] += overlap
                union[part] += either.sum()
                if (t == part).sum() >= 20:
                    ious.append(overlap / max(either.sum(), 1))
            of_hands.append(np.mean(ious))
    counts = count_masks(predicted, true)
    assert float(miou(counts)) == pytest.approx(np.mean(of_hands))
    pooled = [b / u for b, u in zip(both[1:], union[1:], strict=True) if u > 0]
    assert float(miou_fg_pooled(counts)) == pytest.approx(np.mean(pooled))


def test_swapping_hands_in_truth_and_prediction_changes_nothing():
    predicted, true = random_masks(5)
    counts, swapped = count_masks(predicted, true), count_masks(predicted.flip(1), true.flip(1))
    assert float(miou(counts)) == pytest.approx(float(miou(swapped)))

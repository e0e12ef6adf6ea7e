"""Augmenting masks: image, masks and visibility move as one; a flip swaps the hands."""

import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from hpe.augment.hand_masks import (
    S3_MASK_AUGMENTATION,
    MaskAugmentationConfig,
    build_mask_augmentation,
    warped,
)
from hpe.data.hand_masks import MaskedSample
from hpe.geometry.affine import inverse, similarity, transform

PX = 32
STILL = MaskAugmentationConfig()


def noise_sample(height: int = PX, width: int = PX, crop_px=None) -> MaskedSample:
    """Return a sample in which every pixel differs from its neighbours."""
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 17, (2, height, width), dtype=np.uint8)
    return MaskedSample(
        image=rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        masks=masks,
        visible=(masks > 0) & (rng.random(masks.shape) < 0.5),
        key="a",
        unique_id=3,
        crop_px=crop_px,
    )


def blob_sample() -> MaskedSample:
    """Return a picture whose red, green and blue say where a blob of the left hand lies."""
    rows, columns = np.mgrid[:64, :64]
    blob = np.hypot(rows - 25, columns - 36) < 11
    masks = np.stack([np.where(blob, 5, 0), np.zeros((64, 64))]).astype(np.uint8)
    image = np.repeat(np.where(blob, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    return MaskedSample(image, masks, masks > 0, "blob", 0)


def test_without_strengths_a_square_comes_back_as_it_is():
    sample = noise_sample()
    view = build_mask_augmentation(STILL, PX)(sample, np.random.default_rng(1))
    np.testing.assert_array_equal(view.image, sample.image)
    np.testing.assert_array_equal(view.masks, sample.masks)
    np.testing.assert_array_equal(view.visible, sample.visible)
    assert (view.key, view.unique_id, view.crop_px) == ("a", 3, None)


def test_a_flip_mirrors_everything_and_swaps_the_hands():
    sample = noise_sample()
    flip = MaskAugmentationConfig(flip_prob=1.0)
    view = build_mask_augmentation(flip, PX)(sample, np.random.default_rng(1))
    np.testing.assert_array_equal(view.image, sample.image[:, ::-1])
    np.testing.assert_array_equal(view.masks[0], sample.masks[1, :, ::-1])
    np.testing.assert_array_equal(view.masks[1], sample.masks[0, :, ::-1])
    np.testing.assert_array_equal(view.visible[0], sample.visible[1, :, ::-1])


def test_the_square_to_look_at_is_cut_out():
    sample = noise_sample(40, 60, crop_px=np.array([30.0, 20.0, 16.0]))
    view = build_mask_augmentation(STILL, 16)(sample, np.random.default_rng(1))
    np.testing.assert_array_equal(view.image, sample.image[12:28, 22:38])
    np.testing.assert_array_equal(view.masks, sample.masks[:, 12:28, 22:38])


def test_outside_of_a_picture_is_black_background():
    sample = noise_sample(20, 32)
    view = build_mask_augmentation(STILL, PX)(sample, np.random.default_rng(1))
    np.testing.assert_array_equal(view.masks[:, 6:26], sample.masks)
    np.testing.assert_array_equal(view.image[6:26], sample.image)
    for rows in (slice(None, 6), slice(26, None)):
        assert not view.masks[:, rows].any()
        assert not view.visible[:, rows].any()
        assert not view.image[rows].any()


def test_classes_are_those_of_the_nearest_source_pixel():
    sample = noise_sample(50, 50)
    source_to_view = similarity(angle_deg=17.3, zoom=0.61, shift=np.array([2.13, 11.7]))
    view = warped(sample, source_to_view, image_px=PX)
    rows, columns = np.mgrid[:PX, :PX]
    points = transform(inverse(source_to_view), np.stack([columns, rows], axis=-1) + 0.5)
    column, row = np.moveaxis(np.floor(points).astype(int), -1, 0)
    inside = (column >= 0) & (column < 50) & (row >= 0) & (row < 50)
    expected = sample.masks[:, row.clip(0, 49), column.clip(0, 49)] * inside
    clear = np.abs(points - np.round(points)).min(axis=-1) > 0.01  # of an edge between two pixels
    np.testing.assert_array_equal(view.masks[:, clear], expected[:, clear])
    assert inside[clear].mean() > 0.5


def test_image_and_masks_move_together():
    strong = MaskAugmentationConfig(
        translate_share=0.1, scale_std=0.2, rotate_std_deg=40.0, rotate_prob=1.0, flip_prob=0.5
    )
    augment, rng = build_mask_augmentation(strong, 64), np.random.default_rng(4)
    for _ in range(20):
        view = augment(blob_sample(), rng)
        blob = view.masks.any(axis=0)
        assert np.mean((view.image[..., 0] > 127) == blob) > 0.985
        np.testing.assert_array_equal(view.visible, view.masks > 0)


def test_labels_are_only_those_that_were_there():
    view = build_mask_augmentation(S3_MASK_AUGMENTATION, 40)(
        blob_sample(), np.random.default_rng(0)
    )
    assert set(np.unique(view.masks)) == {0, 5}


@pytest.mark.parametrize("missing", ["image", "masks"])
def test_what_a_sample_lacks_stays_missing_and_moves_nothing_else(missing):
    whole = noise_sample()
    without = {"image": None} if missing == "image" else {"masks": None, "visible": None}
    part = MaskedSample(**{**vars(whole), **without})
    augment = build_mask_augmentation(S3_MASK_AUGMENTATION, PX)
    expected = augment(whole, np.random.default_rng(5))
    found = augment(part, np.random.default_rng(5))
    assert getattr(found, missing) is None
    other = "masks" if missing == "image" else "image"
    np.testing.assert_array_equal(getattr(found, other), getattr(expected, other))


def test_it_follows_from_the_random_state_alone_and_survives_pickling():
    augment = build_mask_augmentation(S3_MASK_AUGMENTATION, PX)
    sent = pickle.loads(pickle.dumps(augment))  # noqa: S301 - our own bytes
    views = [f(noise_sample(), np.random.default_rng(9)) for f in (augment, sent)]
    np.testing.assert_array_equal(views[0].image, views[1].image)
    np.testing.assert_array_equal(views[0].masks, views[1].masks)
    other = augment(noise_sample(), np.random.default_rng(10))
    assert not np.array_equal(other.image, views[0].image)


def test_switching_one_strength_leaves_the_other_draws_as_they_were():
    gains = MaskAugmentationConfig(gain_share=0.5)
    both = MaskAugmentationConfig(gain_share=0.5, flip_prob=1.0)
    plain = build_mask_augmentation(gains, PX)(noise_sample(), np.random.default_rng(2))
    flipped = build_mask_augmentation(both, PX)(noise_sample(), np.random.default_rng(2))
    np.testing.assert_array_equal(flipped.image, plain.image[:, ::-1])


def test_gains_are_per_channel_within_their_share_and_clipped():
    grey = MaskedSample(np.full((4, 4, 3), 100, np.uint8), None, None, "grey", 0)
    white = MaskedSample(np.full((4, 4, 3), 250, np.uint8), None, None, "white", 0)
    augment = build_mask_augmentation(MaskAugmentationConfig(gain_share=0.2), 4)
    levels = []
    for seed in range(50):
        view = augment(grey, np.random.default_rng(seed)).image
        assert (view == view[0, 0]).all()
        levels.append(view[0, 0])
        assert augment(white, np.random.default_rng(seed)).image.min() >= 200
    levels = np.array(levels)
    assert 80 <= levels.min() <= 84
    assert 116 <= levels.max() <= 120
    assert np.abs(np.corrcoef(levels.T)[np.triu_indices(3, 1)]).max() < 0.5


def test_s3s_strengths_are_those_of_its_code():
    expected = {
        "translate_share": 0.01,
        "scale_std": 0.01,
        "rotate_std_deg": 5.0,
        "rotate_prob": 0.6,
        "flip_prob": 0.5,
        "gain_share": 0.01,
    }
    assert S3_MASK_AUGMENTATION.model_dump() == expected


def test_turns_are_normal_cut_at_two_deviations_and_left_out_by_their_probability():
    settings = MaskAugmentationConfig(rotate_std_deg=10.0, rotate_prob=0.6)
    augment = build_mask_augmentation(settings, 64)
    angles = np.array([angle_of(augment, seed) for seed in range(100)])
    assert np.abs(angles).max() < 20.0 + 1.5
    assert np.mean(np.abs(angles) < 1e-9) == pytest.approx(0.4, abs=0.15)
    assert np.abs(angles).max() > 15.0
    assert angles.mean() == pytest.approx(0.0, abs=2.5)


def angle_of(augment, seed: int) -> float:
    """Return by how many degrees a line of class 1 through the centre was turned."""
    masks = np.zeros((2, 64, 64), np.uint8)
    masks[0, 31:33] = 1
    turned = augment(MaskedSample(None, masks, None, "line", 0), np.random.default_rng(seed))
    row, column = np.nonzero(turned.masks[0])
    centred = np.stack([column, row]) - 31.5
    (xx, xy), (_, yy) = np.cov(centred)
    return -np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) if abs(xy) > 1e-9 else 0.0


@pytest.mark.parametrize(
    "bad", [{"flip_prob": 1.1}, {"translate_share": -0.1}, {"gain_share": float("nan")}]
)
def test_strengths_out_of_range_are_refused(bad):
    with pytest.raises(ValidationError):
        MaskAugmentationConfig(**bad)


def test_a_view_without_pixels_is_refused():
    with pytest.raises(ValueError, match="image_px must be at least 1, got 0"):
        build_mask_augmentation(STILL, 0)

import dataclasses

import numpy as np
import pytest

from hpe.augment import backgrounds as bank
from hpe.augment.backgrounds import Backgrounds, over, panorama_backgrounds
from hpe.augment.warp import Layer
from hpe.data.render.background import PANORAMAS

REPLACE = {"replace_background": {"enabled": True}}
TURNED = {"rotate": {"enabled": True}, "zoom": {"enabled": True}}


def plain_backgrounds(colour, side_px=80):
    return Backgrounds(np.full((3, side_px, side_px, 3), colour, np.uint8))


def hand_shaped_mask(sample, reach_px=9):
    rows, columns = np.mgrid[:140, :160] + 0.5
    points = np.stack([columns, rows], axis=-1)[:, :, None] - sample.keypoints_px
    return (np.linalg.norm(points, axis=-1) < reach_px).any(axis=-1)


def test_only_what_the_mask_leaves_out_is_replaced(make_sample, compose):
    sample = make_sample()
    sample = dataclasses.replace(sample, foreground=hand_shaped_mask(sample))
    mask_image = np.repeat(np.where(sample.foreground, 255, 0)[:, :, None], 3, axis=2)
    shown = dataclasses.replace(sample, image=mask_image.astype(np.uint8), foreground=None)
    for seed in range(5):
        plain = compose(TURNED)(sample, np.random.default_rng(seed)).image
        mask = compose(TURNED)(shown, np.random.default_rng(seed)).image[:, :, 0]
        composition = compose(TURNED | REPLACE, backgrounds=plain_backgrounds((9, 200, 90)))
        replaced = composition(sample, np.random.default_rng(seed)).image
        outside, deep_inside = mask == 0, eroded(mask == 255, steps=2)
        assert outside.sum() > 300
        assert deep_inside.sum() > 300
        assert (replaced[outside] == (9, 200, 90)).all()
        np.testing.assert_array_equal(replaced[deep_inside], plain[deep_inside])


def eroded(mask, *, steps):
    for _ in range(steps):
        padded = np.pad(mask, 1)
        mask = mask & padded[2:, 1:-1] & padded[:-2, 1:-1] & padded[1:-1, 2:] & padded[1:-1, :-2]
    return mask


def test_a_sample_without_a_mask_keeps_its_background(make_sample, compose):
    sample = make_sample()
    plain = compose(TURNED)(sample, np.random.default_rng(3)).image
    composition = compose(TURNED | REPLACE, backgrounds=plain_backgrounds(0))
    np.testing.assert_array_equal(composition(sample, np.random.default_rng(3)).image, plain)


def test_the_background_is_replaced_in_its_share_of_the_views(make_sample, compose):
    sample = make_sample(foreground=np.zeros((140, 160), bool))
    settings = {"replace_background": {"enabled": True, "prob": 0.4}}
    composition = compose(settings, backgrounds=plain_backgrounds(77))
    share = np.mean(
        [(composition(sample, np.random.default_rng(k)).image == 77).all() for k in range(300)]
    )
    assert 0.32 < share < 0.48


def test_what_lies_outside_of_the_image_shows_the_background(make_sample, compose):
    sample = make_sample(foreground=np.ones((140, 160), bool))
    sample = dataclasses.replace(sample, keypoints_px=sample.keypoints_px - (90, 0))
    image = compose(REPLACE, backgrounds=plain_backgrounds(77))(
        sample, np.random.default_rng(0)
    ).image
    assert (image[:, 0] == 77).all()


def test_a_half_covered_pixel_is_half_background():
    layer = Layer(image=np.full((1, 1, 3), 100, np.uint8), coverage=np.full((1, 1), 128, np.uint8))
    assert over(layer, np.full((1, 1, 3), 200, np.uint8)).ravel().tolist() == [200] * 3


def test_picks_differ_and_come_from_the_pictures():
    rng = np.random.default_rng(0)
    pictures = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((4, 40, 50, 3), np.uint8)
    picked = [Backgrounds(pictures).pick(32, rng) for _ in range(40)]
    assert {pick.shape for pick in picked} == {(32, 32, 3)}
    assert {int(pick[0, 0, 0]) for pick in picked} == {0, 1, 2, 3}


def test_refuses_pictures_smaller_than_a_view():
    with pytest.raises(ValueError, match="at least as large as a view of 64 px, got 50 x 40 px"):
        Backgrounds(np.zeros((1, 40, 50, 3), np.uint8)).pick(64, np.random.default_rng(0))


def test_panorama_backgrounds_follow_from_the_seed():
    first, again, other = (
        panorama_backgrounds(side_px=32, seed=seed, count=6).pictures for seed in (1, 1, 2)
    )
    assert first.shape == (6, 40, 40, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_panorama_backgrounds_show_training_panoramas_only(monkeypatch):
    shown = set()

    def recording(name, rng, px):
        shown.add(name)
        return np.zeros((px, px, 3), np.uint8)

    monkeypatch.setattr(bank, "panorama_crop", recording)
    panorama_backgrounds(side_px=8, seed=0, count=64)
    assert shown == set(PANORAMAS["train"])
    assert shown.isdisjoint(PANORAMAS["val"] + PANORAMAS["test"])

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from hpe.augment.tone import TONES, auto_contrast, color, equalize, posterize, sharpness, solarize

PICTURE = np.clip(
    np.random.default_rng(0).normal((90, 120, 150), 40, (48, 48, 3))
    * np.linspace(0.3, 1, 48)[:, None],
    10,
    220,
).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "amount", "pil"),
    [
        ("auto_contrast", 0.0, ImageOps.autocontrast),
        ("equalize", 0.0, ImageOps.equalize),
        ("solarize", 100.0, lambda picture: ImageOps.solarize(picture, 100)),
        ("posterize", 3.0, lambda picture: ImageOps.posterize(picture, 3)),
        ("color", 0.6, lambda picture: ImageEnhance.Color(picture).enhance(1.6)),
        ("color", -0.7, lambda picture: ImageEnhance.Color(picture).enhance(0.3)),
        ("contrast", 0.9, lambda picture: ImageEnhance.Contrast(picture).enhance(1.9)),
        ("contrast", -0.9, lambda picture: ImageEnhance.Contrast(picture).enhance(0.1)),
        ("brightness", 0.5, lambda picture: ImageEnhance.Brightness(picture).enhance(1.5)),
        ("sharpness", 0.9, lambda picture: ImageEnhance.Sharpness(picture).enhance(1.9)),
        ("sharpness", -0.99, lambda picture: ImageEnhance.Sharpness(picture).enhance(0.01)),
    ],
)
def test_an_operation_is_pils(name, amount, pil):
    mine = TONES[name](PICTURE, amount).astype(int)
    theirs = np.asarray(pil(Image.fromarray(PICTURE))).astype(int)
    assert np.abs(mine - theirs).max() <= 2  # it truncates, also the grey that it blends with


@pytest.mark.parametrize("name", TONES)
def test_the_given_pixels_stay_as_they_are(name):
    before = PICTURE.copy()
    TONES[name](PICTURE, 0.5)
    np.testing.assert_array_equal(PICTURE, before)


@pytest.mark.parametrize("name", ["color", "contrast", "brightness", "sharpness"])
def test_no_change_of_a_blend_is_the_picture(name):
    np.testing.assert_array_equal(TONES[name](PICTURE, 0.0), PICTURE)


def test_no_solarizing_and_all_bits_are_the_picture():
    np.testing.assert_array_equal(solarize(PICTURE, 256.0), PICTURE)
    np.testing.assert_array_equal(posterize(PICTURE, 8.0), PICTURE)


def test_solarizing_from_zero_inverts():
    np.testing.assert_array_equal(solarize(PICTURE, 0.0), 255 - PICTURE)


def test_two_bits_are_four_values():
    assert set(np.unique(posterize(PICTURE, 2.0))) <= {0, 64, 128, 192}


def test_no_colour_is_grey():
    assert (np.ptp(color(PICTURE, -1.0), axis=2) == 0).all()


def test_auto_contrast_fills_the_range_of_every_channel():
    stretched = auto_contrast(PICTURE, 0.0)
    assert (stretched.min(axis=(0, 1)) == 0).all()
    assert (stretched.max(axis=(0, 1)) == 255).all()


def test_one_grey_stays_one_grey():
    plain = np.full((16, 16, 3), 77, np.uint8)
    for name in ("auto_contrast", "equalize", "contrast", "sharpness", "color"):
        np.testing.assert_array_equal(TONES[name](plain, 0.9), plain)


def test_equalizing_spreads_values_evenly():
    values = np.sort(equalize(PICTURE, 0.0)[:, :, 0].ravel())
    quartiles = np.percentile(values, [25, 50, 75])
    np.testing.assert_allclose(quartiles, (64, 128, 191), atol=4)


def test_sharpening_leaves_the_outermost_pixels():
    sharp = sharpness(PICTURE, 0.9)
    np.testing.assert_array_equal(sharp[0], PICTURE[0])
    np.testing.assert_array_equal(sharp[:, -1], PICTURE[:, -1])
    assert (sharp[1:-1, 1:-1] != PICTURE[1:-1, 1:-1]).any()

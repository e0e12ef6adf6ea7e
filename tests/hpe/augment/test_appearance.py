import cv2
import numpy as np
import pytest

from hpe.augment.appearance import (
    Blur,
    ChannelGain,
    ColorDrop,
    ColorJitter,
    CutOut,
    HsvJitter,
    Noise,
    Sobel,
)

CENTER = np.full((21, 2), 32.0)


def noise_image(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def plain_image(colour):
    return np.full((64, 64, 3), colour, np.uint8)


@pytest.mark.parametrize(
    "operation",
    [
        Sobel(),
        CutOut(),
        Blur(),
        ColorJitter(),
        HsvJitter(),
        ChannelGain(),
        Noise(),
        ColorDrop(),
    ],
)
def test_the_given_pixels_stay_as_they_are(operation):
    image = noise_image()
    operation(image, CENTER, np.random.default_rng(0))
    np.testing.assert_array_equal(image, noise_image())


def test_sobel_shows_a_step_and_nothing_else():
    image = plain_image(0)
    image[:, 32:] = 20
    edges = Sobel()(image, CENTER, np.random.default_rng(0))
    assert (edges[:, 31:33] == 80).all()  # (1 + 2 + 1) * 20
    assert (np.delete(edges, (31, 32), axis=1) == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_cut_out_fills_a_square_around_a_joint_with_one_grey(seed):
    cut = CutOut(max_share=0.5)(plain_image(255), CENTER, np.random.default_rng(seed))
    rows, columns = np.nonzero((cut != 255).all(axis=2))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert abs(height - width) <= 1
    assert len(rows) == height * width
    assert height <= 32 + 1
    np.testing.assert_allclose((rows.mean() + 0.5, columns.mean() + 0.5), (32, 32), atol=0.5)
    assert len(np.unique(cut[rows, columns])) == 1


def test_cut_out_around_a_joint_outside_of_the_view_leaves_it_whole():
    cut = CutOut(max_share=0.2)(plain_image(255), CENTER + 500, np.random.default_rng(0))
    assert (cut == 255).all()


@pytest.mark.parametrize(("centers", "row"), [("joints", 40), ("as_published", 16)])
def test_the_reference_reads_a_joints_x_as_its_row(centers, row):
    keypoints_px = np.tile([16.0, 40.0], (21, 1))
    keypoints_px[-1] = 500.0
    cut_out = CutOut(max_share=0.3, centers=centers)
    for seed in range(60):
        cut = cut_out(plain_image(255), keypoints_px, np.random.default_rng(seed))
        rows, columns = np.nonzero((cut != 255).all(axis=2))
        if len(rows) > 0:
            np.testing.assert_allclose(rows.mean() + 0.5, row, atol=0.5)
            np.testing.assert_allclose(columns.mean() + 0.5, 56 - row, atol=0.5)


def test_blur_spreads_a_dot_by_at_most_its_largest_sigma():
    image = plain_image(0)
    image[32, 32] = 255
    blur = Blur(max_sigma=1.5)
    for seed in range(10):
        weights = blur(image, CENTER, np.random.default_rng(seed))[:, :, 0].astype(float)
        rows = np.arange(64) - 32
        spread_px = np.sqrt((weights.sum(axis=1) * rows**2).sum() / weights.sum())
        assert spread_px < 1.6
        assert weights.sum() == pytest.approx(255, rel=0.2)


def test_colour_jitter_without_strength_changes_nothing():
    jittered = ColorJitter(strength=0.0)(noise_image(), CENTER, np.random.default_rng(0))
    np.testing.assert_array_equal(jittered, noise_image())


def test_brightness_alone_multiplies_by_at_most_its_amount():
    jitter = ColorJitter(strength=0.5, brightness=0.8, contrast=0, saturation=0, hue=0)
    means = [
        jitter(plain_image(100), CENTER, np.random.default_rng(seed)).mean() for seed in range(200)
    ]
    assert 59 <= min(means) < 65
    assert 135 < max(means) <= 141


def test_hue_alone_keeps_the_value():
    jitter = ColorJitter(strength=1.0, brightness=0, contrast=0, saturation=0, hue=0.5)
    image = plain_image((200, 40, 40))
    jittered = [jitter(image, CENTER, np.random.default_rng(seed))[0, 0] for seed in range(50)]
    assert {int(pixel.max()) for pixel in jittered} == {200}
    assert len({int(pixel.argmax()) for pixel in jittered}) == 3


def test_hsv_jitter_scales_saturation_and_value_within_the_published_ranges():
    image = plain_image((220, 150, 120))
    before = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[0, 0].astype(float)
    for seed in range(50):
        after = HsvJitter()(image, CENTER, np.random.default_rng(seed))
        _, saturation, value = cv2.cvtColor(after, cv2.COLOR_RGB2HSV)[0, 0].astype(float)
        assert saturation <= before[1] + 2
        assert 0.5 * before[2] + 4 <= value <= before[2] + 20


@pytest.mark.parametrize(
    ("channels", "least", "most"), [("as_published", 150, 240), ("rgb", 0, 35)]
)
def test_skin_sweeps_the_colour_circle_only_as_published(channels, least, most):
    skin = plain_image((220, 150, 120))
    jitter = HsvJitter(min_saturation=1.0, min_value=1.0, channels=channels)
    hues_deg = []
    for seed in range(200):
        pixel = jitter(skin, CENTER, np.random.default_rng(seed))
        hues_deg.append(2 * int(cv2.cvtColor(pixel, cv2.COLOR_RGB2HSV)[0, 0, 0]))
    assert least <= np.ptp(hues_deg) <= most


def test_gains_are_drawn_for_each_channel_and_clip():
    gain = ChannelGain(min_gain=0.8, max_gain=1.2)
    pixels = np.array(
        [
            gain(plain_image((100, 100, 250)), CENTER, np.random.default_rng(seed))[5, 5]
            for seed in range(300)
        ]
    ).astype(float)
    red, green, blue = pixels.T
    assert (red.min(), red.max()) == pytest.approx((80, 120), abs=1)
    assert blue.min() == pytest.approx(200, abs=2)
    assert blue.max() == 255
    assert abs(np.corrcoef(red, green)[0, 1]) < 0.15


def test_noise_has_the_deviation_it_says():
    noisy = Noise(min_std=12.0, max_std=12.0)(plain_image(128), CENTER, np.random.default_rng(0))
    assert noisy.std() == pytest.approx(12.0, rel=0.03)
    assert noisy.mean() == pytest.approx(128, abs=1)


def test_noise_refuses_a_range_turned_round():
    with pytest.raises(ValueError, match=r"min_std must be <= max_std, got 9.0 > 3.0"):
        Noise(min_std=9.0, max_std=3.0)


def test_colour_drop_leaves_luma_in_every_channel():
    grey = ColorDrop()(plain_image((100, 50, 200)), CENTER, np.random.default_rng(0))
    assert np.unique(grey).tolist() == [round(0.299 * 100 + 0.587 * 50 + 0.114 * 200)]

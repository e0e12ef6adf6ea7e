import cv2
import numpy as np
import pytest

from hpe.augment.composition import CompositionConfig, build_composition
from hpe.augment.occluders import Occluders, picture_occluders, voc_occluders
from hpe.augment.occlusion import (
    Occlude,
    OccludeConfig,
    load_occluders,
    paste,
    resized,
)
from hpe.phases.views import training_composition

ON = {"occlude": {"enabled": True}}


def plain_cutout(*, height=20, width=30, color=(0, 255, 0), alpha=255):
    return np.full((height, width, 4), (*color, alpha), np.uint8)


def black(side_px=64):
    return np.zeros((side_px, side_px, 3), np.uint8)


def test_a_cutouts_middle_lies_on_the_centre():
    image = black()
    paste(image, plain_cutout(height=4, width=6), center_px=np.array([20.4, 40.0]))
    rows, columns = np.nonzero(image[:, :, 1])
    assert (rows.min(), rows.max()) == (38, 41)
    assert (columns.min(), columns.max()) == (17, 22)


@pytest.mark.parametrize(
    ("center", "count"),
    [((0.0, 0.0), 3 * 2), ((64.0, 64.0), 3 * 2), ((64.0, 32.0), 3 * 4), ((80.0, 32.0), 0)],
)
def test_what_lies_outside_of_the_view_is_lost(center, count):
    image = black()
    paste(image, plain_cutout(height=4, width=6), center_px=np.array(center))
    assert (image[:, :, 1] > 0).sum() == count


def test_alpha_blends():
    image = np.full((8, 8, 3), 100, np.uint8)
    paste(
        image,
        plain_cutout(height=8, width=8, color=(200, 0, 50), alpha=192),
        center_px=np.full(2, 4.0),
    )
    share = 192 / 255
    expected = np.rint(share * np.array([200, 0, 50]) + (1 - share) * 100)
    np.testing.assert_array_equal(image[4, 4], expected)


def test_shrinking_averages_and_enlarging_interpolates():
    board = (np.indices((40, 40)).sum(axis=0) % 2 * 200).astype(np.uint8)
    cutout = np.dstack([board, board, board, np.full_like(board, 255)])
    assert (resized(cutout, 0.5)[:, :, 0] == 100).all()
    np.testing.assert_array_equal(
        resized(cutout, 1.5), cv2.resize(cutout, (60, 60), interpolation=cv2.INTER_LINEAR)
    )


def test_a_view_takes_one_to_seven_objects():
    """Objects of one pixel on a large view hardly ever overlap, so they can be counted."""
    config = OccludeConfig(enabled=True, min_scale=1e-6, max_scale=1e-6)
    occlude = Occlude(config, Occluders((plain_cutout(height=8, width=8),)))
    counts = []
    for seed in range(400):
        image = occlude(black(512), np.zeros((21, 2)), np.random.default_rng(seed))
        counts.append(int((image[:, :, 1] > 0).sum()))
    shares = np.bincount(counts, minlength=9) / 400
    assert shares[0] < 0.02  # an object centred beyond the last pixel's middle is lost
    assert shares[8] == 0
    assert (shares[1:8] > 0.07).all()


@pytest.mark.parametrize("side_px", [64, 256])
def test_scales_are_uniform_and_go_with_the_views_size(side_px):
    config = OccludeConfig(enabled=True, min_count=1, max_count=1)
    occlude = Occlude(config, Occluders((plain_cutout(height=256, width=256),)))
    areas = []
    for seed in range(300):
        image = occlude(black(side_px), np.zeros((21, 2)), np.random.default_rng(seed))
        rows, columns = np.nonzero(image[:, :, 1])
        if rows.min() > 0 and columns.min() > 0 and max(rows.max(), columns.max()) < side_px - 1:
            areas.append((np.ptp(rows) + 1) / side_px)
    assert 0.19 <= min(areas) < 0.25
    assert max(areas) <= 1.01


def test_centres_are_uniform_over_the_view():
    config = OccludeConfig(enabled=True, min_count=1, max_count=1, min_scale=1e-6, max_scale=1e-6)
    occlude = Occlude(config, Occluders((plain_cutout(),)))
    total = np.zeros((64, 64))
    for seed in range(2000):
        total += occlude(black(), np.zeros((21, 2)), np.random.default_rng(seed))[:, :, 1] > 0
    quadrants = [total[:32, :32], total[:32, 32:], total[32:, :32], total[32:, 32:]]
    np.testing.assert_allclose([part.sum() / 2000 for part in quadrants], 0.25, atol=0.04)


def test_occlusion_changes_pixels_and_no_label(make_sample):
    sample = make_sample()
    config = CompositionConfig.model_validate(ON)
    views = [
        training_composition(setting, image_px=64, seed=0)(sample, np.random.default_rng(0))
        for setting in (CompositionConfig(), config)
    ]
    assert (views[0].image != views[1].image).any()
    for name in ("keypoints_px", "intrinsics", "visible", "affine"):
        np.testing.assert_array_equal(getattr(views[0], name), getattr(views[1], name))


def test_occluding_is_off_by_default_and_needs_objects_when_on():
    assert not CompositionConfig().occlude.enabled
    with pytest.raises(ValueError, match="occlude is enabled, so the composition needs occluders"):
        build_composition(CompositionConfig.model_validate(ON), image_px=32)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_count": 4, "max_count": 2}, "min_count must be <= max_count, got 4 > 2"),
        ({"min_scale": 0.9, "max_scale": 0.3}, "min_scale must be <= max_scale, got 0.9 > 0.3"),
        ({"source": "voc"}, "source voc and folder None do not fit"),
        ({"folder": "/objects"}, "source drawn and folder /objects do not fit"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        OccludeConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("source", "message"), [("voc", "must be the VOC2012 folder"), ("pictures", "is no folder")]
)
def test_a_source_that_is_missing_is_refused_before_anything_is_made(tmp_path, source, message):
    config = OccludeConfig(enabled=True, source=source, folder=tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=message):
        config.files.check(config.files.folder)
    with pytest.raises(FileNotFoundError, match=message):
        load_occluders(config, seed=0)


def test_objects_that_are_drawn_or_off_need_no_files(tmp_path):
    assert OccludeConfig(enabled=True).files is None
    assert OccludeConfig(source="pictures", folder=tmp_path / "nowhere").files is None


def test_pictures_with_alpha_are_read_from_a_folder_in_order(tmp_path):
    (tmp_path / "below").mkdir()
    for name, color in (("b.png", (255, 0, 0)), ("below/c.png", (0, 0, 255)), ("a.png", (9, 8, 7))):
        cutout = plain_cutout(color=color, alpha=77)
        cv2.imwrite(str(tmp_path / name), cv2.cvtColor(cutout, cv2.COLOR_RGBA2BGRA))
    (tmp_path / "notes.txt").write_text("not a picture")
    config = OccludeConfig(enabled=True, source="pictures", folder=tmp_path)
    colors = [tuple(cutout[0, 0].tolist()) for cutout in load_occluders(config, seed=0).cutouts]
    assert colors == [(9, 8, 7, 77), (255, 0, 0, 77), (0, 0, 255, 77)]


def test_a_picture_that_is_no_cutout_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no picture"):
        picture_occluders(tmp_path)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), black())
    with pytest.raises(ValueError, match=r"a\.png: a cut-out has 8-bit colours and an alpha"):
        picture_occluders(tmp_path)
    cv2.imwrite(str(path), plain_cutout(alpha=0))
    with pytest.raises(ValueError, match="it shows nothing"):
        picture_occluders(tmp_path)
    path.write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"a\.png: cannot be read"):
        picture_occluders(tmp_path)


def test_a_voc_folder_without_an_object_is_refused(tmp_path):
    for name in ("Annotations", "JPEGImages", "SegmentationObject"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="no object of VOC passes the filters"):
        voc_occluders(tmp_path)

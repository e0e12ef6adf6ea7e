import json

import cv2
import numpy as np
import pytest

from hpe.config import identity_settings
from hpe.data import freihand_course
from hpe.data.freihand_course import (
    FreiHandCourseConfig,
    open_freihand_course,
    prepare_freihand_course,
)
from hpe.data.opened import SPLITS
from hpe.geometry.camera import project

PHOTOGRAPHS = {"train": 5, "val": 2}
SIDE_PX = 24


def write_course(root):
    """Write pictures in the course's layout: version v of photograph i has grey 60 v + 10 i."""
    for part, count in PHOTOGRAPHS.items():
        pictures = [
            np.full((SIDE_PX, SIDE_PX, 3), 60 * version + 10 * photograph, np.uint8)
            for version in range(4)
            for photograph in range(count)
        ]
        write_part(root, part, pictures, *annotations(part))
    return root


def write_part(root, part, pictures, joints_m, intrinsics):
    (root / part).mkdir(parents=True)
    for number, picture in enumerate(pictures):
        path = root / part / f"{number:08d}.jpg"
        assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    (root / f"{part}_xyz.json").write_text(json.dumps(np.asarray(joints_m).tolist()))
    (root / f"{part}_K.json").write_text(json.dumps(np.asarray(intrinsics).tolist()))


def annotations(part):
    rng, count = np.random.default_rng(len(part)), PHOTOGRAPHS[part]
    joints_m = rng.uniform(-0.08, 0.08, (count, 21, 3)) + np.array([0, 0, 0.6])
    intrinsics = np.tile(np.diag([50.0, 50.0, 1.0]), (count, 1, 1))
    intrinsics[:, :2, 2] = SIDE_PX / 2 + np.arange(count)[:, None]
    return joints_m, intrinsics


@pytest.fixture
def root(tmp_path):
    return write_course(tmp_path / "MP_DATA")


def samples_of(split):
    return [split[index] for index in range(len(split))]


def test_offers_every_split_with_the_courses_validation_part(root):
    data = open_freihand_course(FreiHandCourseConfig(), root)
    assert {name: len(data.splits[name]) for name in SPLITS} == data.card["counts"]
    assert data.card["counts"] == {"unlabelled": 16, "train": 16, "val": 8, "test": 4}
    ids = [set(data.splits[name].unique_ids.tolist()) for name in ("train", "val", "test")]
    assert [len(part) for part in ids] == [4, 2, 1]
    assert set().union(*ids) == set(range(7))


def test_a_sample_is_the_photograph_version_and_annotation_it_says(root):
    data = open_freihand_course(FreiHandCourseConfig(), root)
    for name, part, first_id in (("train", "train", 0), ("val", "val", 5)):
        joints_m, intrinsics = annotations(part)
        greys = []
        for sample in samples_of(data.splits[name]):
            photograph = sample.unique_id - first_id
            np.testing.assert_array_equal(sample.joints_m, joints_m[photograph])
            np.testing.assert_array_equal(sample.intrinsics, intrinsics[photograph])
            np.testing.assert_array_equal(
                sample.keypoints_px, project(joints_m[photograph], intrinsics[photograph])
            )
            greys.append((sample.image.mean() - 10 * photograph) / 60)
        count = len(data.splits[name]) // 4
        assert greys == pytest.approx(np.repeat([0, 1, 2, 3], count), abs=0.02)


def test_versions_can_be_chosen(root):
    data = open_freihand_course(FreiHandCourseConfig(versions=("auto",)), root)
    for sample in samples_of(data.splits["train"]):
        assert sample.image.mean() == pytest.approx(180 + 10 * sample.unique_id, abs=1)


def test_the_index_serves_until_a_picture_is_replaced(root, monkeypatch):
    config = FreiHandCourseConfig(max_bad_share=0.1)
    before = open_freihand_course(config, root)
    prepare_freihand_course(config, root, processes=1, progress=lambda done, total: None)
    with monkeypatch.context() as patch:
        patch.setattr(freihand_course, "_parse", None)
        assert open_freihand_course(config, root).digest == before.digest
    broken = root / "train" / "00000003.jpg"
    broken.unlink()
    broken.write_bytes(b"")
    after = open_freihand_course(config, root)
    assert after.digest != before.digest
    assert after.card["left_out_first"] == {"train/00000003.jpg": "empty"}
    with pytest.raises(ValueError, match=r"1 of 20 pictures .*train/00000003\.jpg \(empty\)"):
        open_freihand_course(FreiHandCourseConfig(), root)


def test_refuses_a_missing_picture_for_names_do_not_tell_which(root):
    (root / "val" / "00000001.jpg").unlink()
    with pytest.raises(ValueError, match=r"one entry per .* got 2, 2 and 7 pictures"):
        open_freihand_course(FreiHandCourseConfig(), root)


def test_refuses_a_folder_without_annotations(root):
    (root / "val_xyz.json").unlink()
    with pytest.raises(ValueError, match=r"part val, is not complete.*missing val_xyz\.json"):
        open_freihand_course(FreiHandCourseConfig(), root)


@pytest.mark.slow
def test_keypoints_of_renders_fall_on_the_hand(rendered_right_hands, tmp_path):
    renders = rendered_right_hands[:4]
    pictures = [render.image[:, :, ::-1] for _ in range(4) for render in renders]
    labels = [r.joints_m for r in renders], [r.intrinsics for r in renders]
    for part in ("train", "val"):
        write_part(tmp_path, part, pictures, *labels)
    data = open_freihand_course(FreiHandCourseConfig(), tmp_path)
    for sample in [*samples_of(data.splits["train"]), *samples_of(data.splits["test"])]:
        render = renders[sample.unique_id]
        on_hand = cv2.dilate(render.foreground.astype(np.uint8), np.ones((5, 5)))
        u, v = sample.keypoints_px[render.visible].astype(int).T
        assert on_hand[v, u].mean() > 0.9


def test_s2s_usual_split_trains_on_all_of_train_and_tests_on_val(root):
    data = open_freihand_course(FreiHandCourseConfig(test_share=0), root)
    assert data.card["counts"] == {"unlabelled": 20, "train": 20, "val": 8, "test": 8}
    assert data.card["test_is_val"]
    assert data.splits["test"] is data.splits["val"]


def test_s2s_submission_validates_on_the_last_photographs_and_trains_on_the_others(root):
    config = FreiHandCourseConfig(test_share=0, val_photographs=1)
    data = open_freihand_course(config, root)
    assert data.card["counts"] == {"unlabelled": 24, "train": 24, "val": 4, "test": 4}
    ids = {name: data.splits[name].unique_ids.tolist() for name in ("train", "val")}
    assert set(ids["train"]) == {0, 1, 2, 3, 4, 5}
    assert ids["val"] == [6, 6, 6, 6]
    joints_m, _ = annotations("val")
    for sample in samples_of(data.splits["train"])[-4:]:
        assert sample.unique_id == 5
        np.testing.assert_array_equal(sample.joints_m, joints_m[0])
    with pytest.raises(ValueError, match="val_photographs must be at most the 2 that val/ has"):
        open_freihand_course(FreiHandCourseConfig(val_photographs=3), root)


def test_data_sets_from_before_a_setting_keep_their_identity():
    settings = identity_settings(FreiHandCourseConfig())
    assert set(settings) == {"name", "versions", "test_share", "split_seed"}
    assert identity_settings(FreiHandCourseConfig(val_photographs=128))["val_photographs"] == 128

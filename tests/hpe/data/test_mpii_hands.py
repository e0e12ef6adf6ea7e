import json

import cv2
import numpy as np
import pytest

from hpe.data import mpii_hands
from hpe.data.mpii_hands import (
    DROPPED,
    MpiiHandsConfig,
    open_mpii_hands,
    photograph_of,
    prepare_mpii_hands,
)
from hpe.data.opened import SPLITS
from hpe.geometry.camera import project

WIDTH, HEIGHT = 40, 24
NAMES = (
    "000015774_01_l",
    "000015774_01_r",
    "000015774_02_r",
    "083401_one_01_l",
    "Ricki_unit_8.flv_000001_r",
    "Ricki_unit_8.flv_000007_l",
    "Ricki_unit_8.flv_000007_r",
    "Tracy_unit_6.flv_000003_r",
)


def keypoints_of(number):
    return np.random.default_rng(number).uniform(2, 22, (21, 2))


def write_hands(root, *, part="manual_train", names=NAMES, annotated=1):
    folder = root / "hand_labels" / part
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        picture = np.full((HEIGHT, WIDTH, 3), 8 * number, np.uint8)
        picture[:, : WIDTH // 2, 2] += 100  # red on the left
        points = np.c_[keypoints_of(number), np.full(21, annotated)]
        write_hand(folder, name, picture, points, is_left=name.endswith("_l"))
    return root


def write_hand(folder, name, picture, points, *, is_left):
    assert cv2.imwrite(str(folder / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 100])
    content = {"hand_pts": np.asarray(points).tolist(), "is_left": float(is_left)}
    (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def root(tmp_path):
    return write_hands(tmp_path / "mpii_dataset")


def samples_of(data):
    return [
        data.splits[name][index]
        for name in ("train", "val", "test")
        for index in range(len(data.splits[name]))
    ]


@pytest.mark.parametrize(
    ("name", "photograph"),
    [
        ("000015774_01_l", "000015774"),
        ("000015774_12_r", "000015774"),
        ("Ricki_unit_8.flv_000007_l", "Ricki_unit_8.flv_000007"),
        ("odd", "odd"),
    ],
)
def test_hands_of_one_photograph_are_known_by_their_names(name, photograph):
    assert photograph_of(name) == photograph


def test_offers_every_split_with_all_hands_of_a_photograph_in_one(root):
    data = open_mpii_hands(MpiiHandsConfig(), root)
    assert {name: len(data.splits[name]) for name in SPLITS} == data.card["counts"]
    ids = [set(data.splits[name].unique_ids.tolist()) for name in ("train", "val", "test")]
    assert sum(map(len, ids)) == len(set().union(*ids)) == data.card["photographs"] == 5
    assert len(samples_of(data)) == len(NAMES)


def test_hands_have_keypoints_and_no_depth_and_left_ones_are_mirrored(root):
    found = {}
    for sample in samples_of(open_mpii_hands(MpiiHandsConfig(), root)):
        assert not sample.has_depth
        assert sample.visible.all()
        np.testing.assert_allclose(project(sample.joints_m, sample.intrinsics), sample.keypoints_px)
        found[round(int(sample.image[0, 0, 1]) / 8)] = sample
    for number, name in enumerate(NAMES):
        expected, sample = keypoints_of(number), found[number]
        red_on_left = sample.image[0, 2, 0] > sample.image[0, -3, 0]
        if name.endswith("_l"):
            expected[:, 0] = WIDTH - expected[:, 0]
        np.testing.assert_allclose(sample.keypoints_px, expected)
        assert red_on_left == name.endswith("_r")


def test_keypoints_that_are_not_annotated_are_invisible(root):
    folder = root / "hand_labels" / "manual_train"
    for path in folder.glob("*.json"):
        content = json.loads(path.read_text())
        content["hand_pts"][8] = [0, 0, 0]
        path.write_text(json.dumps(content))
    for sample in samples_of(open_mpii_hands(MpiiHandsConfig(), root)):
        assert np.flatnonzero(~sample.visible).tolist() == [8]
        np.testing.assert_allclose(
            sample.keypoints_px[8], sample.keypoints_px[sample.visible].mean(axis=0)
        )


def test_two_hands_and_those_without_keypoints_are_left_out(root):
    folder = root / "hand_labels" / "manual_train"
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for name in DROPPED:
        write_hand(folder, name, picture, np.c_[keypoints_of(0), np.ones(21)], is_left=True)
    write_hand(folder, "empty_01_l", picture, np.zeros((21, 3)), is_left=True)
    data = open_mpii_hands(MpiiHandsConfig(), root)
    assert len(samples_of(data)) == len(NAMES)
    assert data.card["left_out_without_keypoints"] == {"manual_train": 3}


def test_manual_test_takes_part_only_when_final(root):
    write_hands(root, part="manual_test", names=("a_01_r", "b_01_r"))
    usual = open_mpii_hands(MpiiHandsConfig(), root)
    final = open_mpii_hands(MpiiHandsConfig(final=True), root)
    assert max(usual.splits["test"].unique_ids) < 5
    assert final.splits["test"].unique_ids.tolist() == [5, 6]


def test_the_index_is_current_until_an_annotation_or_picture_changes(root, monkeypatch):
    config = MpiiHandsConfig(max_bad_share=0.2)
    before = open_mpii_hands(config, root)
    prepare_mpii_hands(config, root, processes=1, progress=lambda done, total: None)
    with monkeypatch.context() as patch:
        patch.setattr(mpii_hands, "_parse", None)
        assert open_mpii_hands(config, root).digest == before.digest
    folder = root / "hand_labels" / "manual_train"
    path = folder / f"{NAMES[0]}.json"
    path.write_text(path.read_text().replace("1.0", "1.00", 1))
    changed = open_mpii_hands(config, root).digest
    (folder / f"{NAMES[1]}.jpg").unlink()
    fewer = open_mpii_hands(config, root)
    assert len({before.digest, changed, fewer.digest}) == 3
    assert fewer.card["left_out_pictures"] == {"missing": 1}
    assert len(samples_of(fewer)) == len(NAMES) - 1


def test_refuses_more_missing_pictures_than_allowed_by_name(root):
    (root / "hand_labels" / "manual_train" / f"{NAMES[1]}.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of 8 pictures .*_01_r\.jpg \(missing\).*max_bad"):
        prepare_mpii_hands(MpiiHandsConfig(), root, processes=1, progress=lambda d, t: None)


def test_refuses_a_folder_without_annotations(tmp_path):
    with pytest.raises(ValueError, match=r"not complete.*looked for hand_labels/manual_train/\*"):
        open_mpii_hands(MpiiHandsConfig(), tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [({"points": []}, "must hold hand_pts.*KeyError"), ({"hand_pts": [[1, 2, 3]]}, r"\(1, 3\)")],
)
def test_refuses_annotations_of_another_form(root, content, message):
    (root / "hand_labels" / "manual_train" / f"{NAMES[2]}.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        open_mpii_hands(MpiiHandsConfig(), root)


@pytest.mark.slow
def test_renders_come_back_and_left_twins_equal_their_right_ones(rendered_right_hands, tmp_path):
    folder = tmp_path / "hand_labels" / "manual_train"
    folder.mkdir(parents=True)
    for number, render in enumerate(rendered_right_hands):
        points = np.c_[render.keypoints_px, render.visible]
        picture = render.image[:, :, ::-1]
        write_hand(folder, f"{number:09d}_01_r", picture, points, is_left=False)
        points[:, 0] = picture.shape[1] - points[:, 0]
        write_hand(folder, f"{number:09d}_01_l", picture[:, ::-1], points, is_left=True)
    samples = samples_of(open_mpii_hands(MpiiHandsConfig(), tmp_path))
    assert len(samples) == 2 * len(rendered_right_hands)
    for sample in samples:
        render = rendered_right_hands[sample.unique_id]
        np.testing.assert_array_equal(sample.visible, render.visible)
        seen = sample.keypoints_px[sample.visible]
        np.testing.assert_allclose(seen, render.keypoints_px[render.visible])
        assert np.abs(sample.image.astype(int) - render.image).mean() < 6
        on_hand = cv2.dilate(render.foreground.astype(np.uint8), np.ones((5, 5)))
        u, v = seen.astype(int).T
        assert on_hand[v, u].mean() > 0.9

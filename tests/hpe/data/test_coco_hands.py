import json

import cv2
import numpy as np
import pytest

from hpe.data import coco_hands
from hpe.data.coco_hands import CocoHandsConfig, open_coco_hands, prepare_coco_hands

WIDTH, HEIGHT = 60, 40
NOBODY = {"lefthand_valid": False, "righthand_valid": False}


def silent(done, total):
    pass


def keypoints_of(number):
    return np.random.default_rng(number).uniform(2, 38, (21, 2))


def person(image_id, *, left=None, right=None, flag=1.0, size=1.0):
    """Return a person's annotation with hands of the given numbers."""
    note = {"image_id": image_id, "id": 100 + image_id, "bbox": [0, 0, 5, 5], "iscrowd": 0}
    for side, number in (("left", left), ("right", right)):
        points = np.zeros((21, 3))
        if number is not None:
            points = np.c_[size * keypoints_of(number), np.full(21, flag)]
            points[8] = 0
        note[f"{side}hand_valid"] = number is not None
        note[f"{side}hand_kpts"] = points.ravel().tolist()
        note[f"{side}hand_box"] = [0, 0, 0, 0]
    return note


def write_part(root, notes, *, part="val"):
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / f"{part}2017").mkdir()
    numbers = sorted({note["image_id"] for note in notes})
    for number in numbers:
        picture = np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)
        picture[:, : WIDTH // 2, 2] += 100  # red on the left
        path = root / f"{part}2017" / f"{number:012d}.jpg"
        assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 100])
    images = [{"id": number, "file_name": f"{number:012d}.jpg"} for number in numbers]
    path = root / "annotations" / f"coco_wholebody_{part}_v1.0.json"
    path.write_text(json.dumps({"images": images, "annotations": notes}))
    return root


PEOPLE = [person(4, left=0, right=1), person(2, right=2, flag=0.3), person(4, left=3), person(3)]


@pytest.fixture
def root(tmp_path):
    return write_part(tmp_path / "coco", PEOPLE)


def samples_of(split):
    return [split[k] for k in range(len(split))]


def test_valid_hands_of_everybody_are_samples_and_left_ones_are_mirrored(root):
    data = open_coco_hands(CocoHandsConfig(), root)
    samples = samples_of(data.splits["val"])
    assert [sample.unique_id for sample in samples] == [0, 0, 1, 0]
    for number, sample in enumerate(samples):
        expected, is_left = keypoints_of(number), number in (0, 3)
        if is_left:
            expected[:, 0] = WIDTH - expected[:, 0]
        assert np.flatnonzero(~sample.visible).tolist() == [8]
        np.testing.assert_allclose(
            np.delete(sample.keypoints_px, 8, axis=0), np.delete(expected, 8, axis=0)
        )
        assert (sample.image[0, 2, 0] > sample.image[0, -3, 0]) != is_left
        assert not sample.has_depth


def test_without_the_training_part_there_is_nothing_to_train_on(root):
    counts = open_coco_hands(CocoHandsConfig(), root).card["counts"]
    assert counts == {"unlabelled": 0, "train": 0, "val": 4, "test": 4}


def test_the_training_part_is_trained_on_where_it_is(root):
    write_part(root, [person(1, right=7), person(5, left=8)], part="train")
    data = open_coco_hands(CocoHandsConfig(), root)
    assert data.card["counts"] == {"unlabelled": 2, "train": 2, "val": 4, "test": 4}
    assert data.splits["train"].unique_ids.tolist() == [2, 3]
    expected = np.delete(keypoints_of(7), 8, axis=0)
    found = np.delete(data.splits["train"][0].keypoints_px, 8, axis=0)
    np.testing.assert_allclose(found, expected)


def test_small_hands_are_left_out_where_asked_for(tmp_path):
    root = write_part(tmp_path, [*PEOPLE, person(2, right=5, size=0.2)])
    assert open_coco_hands(CocoHandsConfig(), root).card["counts"]["val"] == 5
    data = open_coco_hands(CocoHandsConfig(min_box_px=10), root)
    assert data.card["counts"]["val"] == 4
    assert data.card["left_out_small_or_without_extent"] == {"val": 1}


def test_missing_pictures_are_left_out_within_the_budget(root):
    (root / "val2017" / f"{2:012d}.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of 2 pictures .*2\.jpg \(missing\).*max_bad_share"):
        prepare_coco_hands(CocoHandsConfig(), root, processes=1, progress=silent)
    data = open_coco_hands(CocoHandsConfig(max_bad_share=0.5), root)
    assert data.card["counts"]["val"] == 3
    assert data.card["left_out_pictures"] == {"missing": 1}


def test_the_index_is_used_until_settings_change_it(root, monkeypatch):
    prepare_coco_hands(CocoHandsConfig(), root, processes=1, progress=silent)
    monkeypatch.setattr(coco_hands, "_parse", lambda source: pytest.fail("it is current"))
    open_coco_hands(CocoHandsConfig(), root)
    with pytest.raises(pytest.fail.Exception, match="current"):
        open_coco_hands(CocoHandsConfig(min_box_px=1), root)


def test_annotations_of_another_form_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"looked for annotations/coco_wholebody_val_v1\.0\.json"):
        open_coco_hands(CocoHandsConfig(), tmp_path)
    broken = {**PEOPLE[0], "lefthand_kpts": [1, 2, 3]}
    with pytest.raises(ValueError, match=r"must hold lefthand_kpts, 21 x"):
        open_coco_hands(CocoHandsConfig(), write_part(tmp_path, [broken]))

import json

import cv2
import numpy as np
import pytest

from hpe.data import onehand10k
from hpe.data.onehand10k import OneHand10KConfig, open_onehand10k, prepare_onehand10k
from hpe.data.opened import SPLITS

WIDTH, HEIGHT = 60, 40
COUNT = 10


def silent(done, total):
    pass


def keypoints_of(number):
    return np.random.default_rng(number).integers(1, 39, (21, 2))


def picture_of(number):
    picture = np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)
    picture[:, : WIDTH // 2, 2] += 100  # red on the left
    return picture


def write_pictures(root, part, count=COUNT):
    (root / part / "source").mkdir(parents=True)
    for number in range(count):
        path = root / part / "source" / f"{number}.jpg"
        assert cv2.imwrite(str(path), picture_of(number), [cv2.IMWRITE_JPEG_QUALITY, 100])


def write_part(root, part="Train", count=COUNT):
    """Write a part as published; keypoint 4 is never seen."""
    write_pictures(root, part, count)
    lines = []
    for number in range(count):
        uv = keypoints_of(number)
        uv[4] = -1
        lines.append(f"{number}.jpg,{WIDTH},{HEIGHT},1," + ",".join(map(str, uv.ravel())))
    (root / part / "label_joint.txt").write_text("\n".join(lines) + "\n")
    return root


def write_as_mmpose(root, part="Train", count=COUNT):
    write_pictures(root, part, count)
    images = [{"id": n, "file_name": f"{part}/source/{n}.jpg"} for n in range(count)]
    notes = []
    for number in range(count):
        points = np.c_[keypoints_of(number), np.ones(21, int)]
        points[4] = 0
        notes.append({"id": number, "image_id": number, "keypoints": points.ravel().tolist()})
    (root / "annotations").mkdir(exist_ok=True)
    path = root / "annotations" / f"onehand10k_{part.lower()}.json"
    path.write_text(json.dumps({"images": images, "annotations": notes}))
    return root


@pytest.fixture
def root(tmp_path):
    return write_part(tmp_path / "OneHand10K")


def samples_of(data, names=("train", "val", "test")):
    return [data.splits[name][k] for name in names for k in range(len(data.splits[name]))]


def test_offers_every_split_held_out_of_the_train_part(root):
    data = open_onehand10k(OneHand10KConfig(), root)
    assert data.card["counts"] == {"unlabelled": 8, "train": 8, "val": 1, "test": 1}
    assert sorted(sample.unique_id for sample in samples_of(data)) == list(range(COUNT))
    assert set(data.splits) == set(SPLITS)


@pytest.mark.parametrize("write", [write_part, write_as_mmpose])
def test_keypoints_are_as_written_and_unseen_ones_invisible(tmp_path, write):
    for sample in samples_of(open_onehand10k(OneHand10KConfig(), write(tmp_path))):
        assert not sample.has_depth
        assert np.flatnonzero(~sample.visible).tolist() == [4]
        expected = np.delete(keypoints_of(sample.unique_id), 4, axis=0)
        np.testing.assert_allclose(np.delete(sample.keypoints_px, 4, axis=0), expected)
        assert sample.image[0, 2, 0] > sample.image[0, -3, 0] + 80


def test_hands_that_are_said_to_be_left_are_mirrored_and_counted(root):
    sides = {"Train/source/3.jpg": "left", "Train/source/4.jpg": "right"}
    before = open_onehand10k(OneHand10KConfig(), root)
    (root / "sides.json").write_text(json.dumps(sides))
    data = open_onehand10k(OneHand10KConfig(), root)
    assert data.digest != before.digest
    assert data.card["hands_of_known_side"] == {"Train": 2}
    assert before.card["hands_of_known_side"] == {"Train": 0}
    assert before.card["caveat"].startswith("which hand it is, is not known of 10 of 10 hands, wh")
    assert "of 8 of 10 hands, which are taken for right ones" in data.card["caveat"]
    for sample in samples_of(data):
        is_left = sample.unique_id == 3
        u_px = keypoints_of(sample.unique_id)[0, 0]
        assert sample.keypoints_px[0, 0] == (WIDTH - u_px if is_left else u_px)
        assert (sample.image[0, 2, 0] > sample.image[0, -3, 0]) != is_left


def test_hands_of_unknown_side_are_what_they_are_taken_for(root):
    (root / "sides.json").write_text(json.dumps({"Train/source/3.jpg": "right"}))
    for sample in samples_of(open_onehand10k(OneHand10KConfig(unknown_side="left"), root)):
        mirrored = sample.image[0, 2, 0] < sample.image[0, -3, 0]
        assert mirrored == (sample.unique_id != 3)


def test_nothing_is_to_be_known_where_all_sides_are(root):
    (root / "sides.json").write_text(
        json.dumps({f"Train/source/{number}.jpg": "right" for number in range(COUNT)})
    )
    assert "caveat" not in open_onehand10k(OneHand10KConfig(), root).card


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"Train/source/0.jpg": "links"}'])
def test_sides_of_another_form_are_refused(root, content):
    (root / "sides.json").write_text(content)
    with pytest.raises(ValueError, match=r"sides\.json (is not JSON|must hold an object)"):
        open_onehand10k(OneHand10KConfig(), root)


def test_the_official_test_part_takes_part_only_when_final(root):
    write_part(root, "Test", count=2)
    usual = open_onehand10k(OneHand10KConfig(), root)
    final = open_onehand10k(OneHand10KConfig(final=True), root)
    assert max(usual.splits["test"].unique_ids) < COUNT
    assert final.splits["test"].unique_ids.tolist() == [COUNT, COUNT + 1]


def test_the_index_is_used_until_the_annotations_change(root, monkeypatch):
    config = OneHand10KConfig()
    prepare_onehand10k(config, root, processes=1, progress=silent)
    with monkeypatch.context() as patch:
        patch.setattr(onehand10k, "_parse", None)
        before = open_onehand10k(config, root).digest
    path = root / "Train" / "label_joint.txt"
    path.write_text(path.read_text() + "\n")
    assert open_onehand10k(config, root).digest != before


def test_missing_and_broken_pictures_are_left_out_within_the_budget(root):
    (root / "Train" / "source" / "1.jpg").unlink()
    (root / "Train" / "source" / "2.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"2 of 10 pictures .*1\.jpg \(missing\).*max_bad_share"):
        prepare_onehand10k(OneHand10KConfig(), root, processes=1, progress=silent)
    data = open_onehand10k(OneHand10KConfig(max_bad_share=0.2), root)
    assert len(samples_of(data)) == COUNT - 2
    assert sum(data.card["left_out_pictures"].values()) == 2


@pytest.mark.parametrize("line", ["0.jpg,60,40,1,5,5", "0.jpg,60,40,1" + ",x" * 42])
def test_lines_of_another_form_are_refused(root, line):
    path = root / "Train" / "label_joint.txt"
    path.write_text(path.read_text() + line)
    with pytest.raises(ValueError, match=r"label_joint\.txt, line 11: must be a name, width"):
        open_onehand10k(OneHand10KConfig(), root)


def test_a_folder_without_annotations_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"not complete.*looked for Train/label_joint\.txt"):
        open_onehand10k(OneHand10KConfig(), tmp_path)

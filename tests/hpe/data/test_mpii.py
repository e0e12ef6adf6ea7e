"""MPII: joint order, pixel origin, boxes, head sizes, and no validation picture in training."""

import json

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from hpe.data.mpii import MpiiConfig, box_around, open_mpii, prepare_mpii
from hpe.geometry.body_skeleton import BODY_JOINTS, MPII_JOINTS, SPINE
from tests.hpe.data.real_samples import REAL, needs_mpii


def person(image, *, visible=16, at=(10.0, 20.0)):
    joints = np.array(at) + np.arange(16)[:, None] * [1.0, 2.0]
    return {
        "image": image,
        "joints": joints.tolist(),
        "joints_vis": [int(k < visible) for k in range(16)],
        "center": [0.0, 0.0],
        "scale": 1.0,
    }


def written(root, train, valid, *, heads=None):
    (root / "annot").mkdir()
    (root / "images").mkdir()
    for name, records in (("train", train), ("valid", valid)):
        (root / "annot" / f"{name}.json").write_text(json.dumps(records))
        for record in records:
            cv2.imwrite(str(root / "images" / record["image"]), np.zeros((80, 60, 3), np.uint8))
    if heads is not None:
        savemat(root / "annot" / "gt_valid.mat", {"headboxes_src": heads})
    config = MpiiConfig()
    prepare_mpii(config, root, processes=1, progress=lambda done, total: None)
    return open_mpii(config, root)


def test_joints_are_named_anew_and_counted_from_the_first_pixels_left_edge(tmp_path):
    data = written(tmp_path, [person("a.jpg")], [person("b.jpg")])
    body = data.splits["train"][0]
    for column, name in enumerate(MPII_JOINTS):
        expected = np.array([10.0 + column, 20.0 + 2 * column]) - 0.5
        assert body.keypoints_px[BODY_JOINTS.index(name)] == pytest.approx(expected)
    assert not body.visible[SPINE]
    assert body.visible.sum() == 16
    assert not body.has_depth and body.head_px is None


def test_the_box_is_a_quarter_larger_than_the_annotated_joints(tmp_path):
    body = written(tmp_path, [person("a.jpg")], [person("b.jpg")]).splits["train"][0]
    left, top, width, height = body.box_px
    assert (width, height) == pytest.approx((15 * 1.25, 30 * 1.25))
    assert (left + width / 2, top + height / 2) == pytest.approx((17.0, 34.5))


def test_a_box_without_width_takes_its_height():
    line = np.stack([np.full(17, 5.0), np.arange(17.0)], axis=1)
    assert box_around(line, np.ones(17, bool)) == pytest.approx([-5, -2, 20, 20])


def test_people_with_fewer_than_two_joints_are_left_out_and_counted(tmp_path):
    train = [person("a.jpg", visible=1), person("b.jpg", visible=2)]
    data = written(tmp_path, train, [person("c.jpg")])
    assert len(data.splits["train"]) == 1
    assert data.card["left_out_with_fewer_than_two_joints"] == {"train": 1, "valid": 0}


def test_a_picture_that_is_validated_on_is_not_trained_on(tmp_path):
    data = written(tmp_path, [person("a.jpg"), person("b.jpg")], [person("b.jpg", at=(1, 1))])
    assert len(data.splits["train"]) == 1
    assert data.card["left_out_of_training_because_validated_on"] == 1
    trained, validated = (set(data.splits[s].unique_ids) for s in ("train", "val"))
    assert not trained & validated


def test_people_of_one_picture_share_their_id(tmp_path):
    train = [person("a.jpg"), person("a.jpg", at=(3, 4)), person("b.jpg")]
    data = written(tmp_path, train, [person("c.jpg")])
    assert list(data.splits["train"].unique_ids) == [0, 0, 1]


def test_head_sizes_come_from_the_head_boxes(tmp_path):
    boxes = np.zeros((2, 2, 1))
    boxes[1, :, 0] = [30, 40]
    data = written(tmp_path, [person("a.jpg")], [person("b.jpg")], heads=boxes)
    assert data.splits["val"][0].head_px == pytest.approx(30)
    assert data.card["has_head_boxes"]


def test_the_heads_bone_is_there_where_both_of_its_ends_are(tmp_path):
    body = written(tmp_path, [person("a.jpg")], [person("b.jpg", visible=9)])
    assert body.splits["train"][0].head_bone_px == pytest.approx(5**0.5)  # (1, 2) px apart
    assert body.splits["val"][0].head_bone_px is None  # the top of the head is the tenth


def test_head_boxes_of_another_number_of_people_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"shape \(2, 2, 1\).*got \(2, 2, 3\)"):
        written(tmp_path, [person("a.jpg")], [person("b.jpg")], heads=np.zeros((2, 2, 3)))


def test_other_records_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"joints \(16 x 2\)"):
        written(tmp_path, [{"image": "a.jpg", "joints": [[1, 2]], "joints_vis": [1]}], [])


@needs_mpii
def test_real_people_stand_upright_inside_of_their_pictures(tmp_path):
    records = json.loads((REAL / "mpii" / "test_mpii.json").read_text())
    (tmp_path / "annot").mkdir()
    (tmp_path / "images").symlink_to(REAL / "mpii")
    for name, part in (("train", records[:3]), ("valid", records[3:])):
        (tmp_path / "annot" / f"{name}.json").write_text(json.dumps(part))
    config = MpiiConfig()
    prepare_mpii(config, tmp_path, processes=1, progress=lambda done, total: None)
    data = open_mpii(config, tmp_path)
    for body in (*data.splits["train"], *data.splits["val"]):
        height, width = body.image.shape[:2]
        seen = body.keypoints_px[body.visible]
        assert (seen >= 0).all() and (seen <= [width, height]).all()
        left, top, box_width, box_height = body.box_px
        assert (seen >= [left, top]).all() and (seen <= [left + box_width, top + box_height]).all()

import json

import numpy as np
import pytest

from hpe.data.coco_json import annotated_pictures, points_of


def test_annotations_come_with_their_pictures_in_order(tmp_path):
    path = tmp_path / "a.json"
    images = [{"id": 7, "file_name": "seven.jpg"}, {"id": 3, "file_name": "three.jpg"}]
    notes = [{"id": 0, "image_id": 3}, {"id": 1, "image_id": 7}, {"id": 2, "image_id": 3}]
    path.write_text(json.dumps({"images": images, "annotations": notes}))
    found = [(picture["file_name"], note["id"]) for picture, note in annotated_pictures(path)]
    assert found == [("three.jpg", 0), ("seven.jpg", 1), ("three.jpg", 2)]


@pytest.mark.parametrize(
    "content",
    [
        "no JSON",
        "[]",
        '{"images": []}',
        '{"images": [{"id": 1}], "annotations": []}',
        '{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 2}]}',
    ],
)
def test_other_content_is_refused_with_the_file(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"a\.json must hold images \(id, file_name\)"):
        annotated_pictures(path)


def test_keypoints_may_be_nested_or_flat(tmp_path):
    points = np.arange(63.0).reshape(21, 3)
    for form in (points.tolist(), points.ravel().tolist()):
        np.testing.assert_array_equal(points_of({"keypoints": form}, "keypoints", tmp_path), points)


@pytest.mark.parametrize("note", [{"id": 5}, {"id": 5, "keypoints": [1, 2]}])
def test_other_keypoints_are_refused_with_the_annotation(tmp_path, note):
    with pytest.raises(ValueError, match=r"must hold keypoints, 21 x .*with the id 5"):
        points_of(note, "keypoints", tmp_path / "a.json")

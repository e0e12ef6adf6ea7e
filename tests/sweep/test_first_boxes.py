"""Boxes for `sweep/predict.py`: given, from a file, or the middle, and always said which."""

import json

import pytest

from hpe.evaluation.boxes import Box
from sweep.first_boxes import CENTERED, FirstBoxes, parse_box, read_boxes

SIZE = {"height_px": 100, "width_px": 200}


def test_without_a_box_it_is_the_middle_and_says_so():
    box, told = FirstBoxes().box_in("a.jpg", **SIZE)
    assert (box, told) == (Box(83.5, 33.5, 33.0, 33.0), CENTERED)


def test_a_given_box_is_that_of_every_picture():
    boxes = FirstBoxes(for_all=parse_box("1,2,30,40.5"))
    assert boxes.box_in("a.jpg", **SIZE) == (Box(1.0, 2.0, 30.0, 40.5), "--box")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("boxes.csv", "name,x,y,w,h\na.jpg,1,2,30,40\n"),
        ("boxes.json", json.dumps({"a.jpg": [1, 2, 30, 40]})),
    ],
)
def test_a_file_gives_boxes_by_name(name, text, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    boxes = read_boxes(path)
    assert boxes.box_in("a.jpg", **SIZE) == (Box(1.0, 2.0, 30.0, 40.0), f"--boxes {name}")
    with pytest.raises(ValueError, match=r"has no box for b\.jpg; add one"):
        boxes.box_in("b.jpg", **SIZE)


@pytest.mark.parametrize("text", ["name,x\na.jpg,1\n", "{", "name,x,y,w,h\na.jpg,1,2,q,4\n"])
@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_file_of_another_form_is_refused(text, suffix, tmp_path):
    path = tmp_path / f"boxes.{suffix}"
    path.write_text(text)
    if suffix == "csv" and text == "{":
        assert read_boxes(path).by_name == {}
        return
    with pytest.raises(ValueError, match="must be JSON"):
        read_boxes(path)


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", ""])
def test_a_box_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match="must be x,y,width,height in pixels"):
        parse_box(text)


def test_a_box_outside_of_the_picture_is_refused():
    with pytest.raises(ValueError, match="must meet the photograph, 200 x 100 px"):
        FirstBoxes(for_all=Box(200.0, 0.0, 5.0, 5.0)).box_in("a.jpg", **SIZE)

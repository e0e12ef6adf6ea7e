import cv2
import numpy as np
import pytest

from hpe.data.pictures import picture_fault
from hpe.data.png_check import png_fault


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    assert cv2.imwrite(str(path), np.full((5, 7, 3), 90, np.uint8))
    return path


def test_a_whole_picture_has_no_fault(picture):
    assert png_fault(picture) is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda content: b"", "empty"),
        (lambda content: b"\xff\xd8 no png", "no PNG"),
        (lambda content: content[:20], "truncated"),
        (lambda content: content[:-3], "truncated"),
        (
            lambda content: content[:16] + b"\x00\x01\x00\x00\x00\x01\x00\x00" + content[24:],
            "65536 x 65536 pixels",
        ),
    ],
)
def test_says_what_is_wrong(picture, change, fault):
    picture.write_bytes(change(picture.read_bytes()))
    assert png_fault(picture) == fault


def test_pictures_are_judged_by_their_kind_and_missing_ones_are_named(picture, tmp_path):
    jpg = tmp_path / "picture.jpg"
    jpg.write_bytes(picture.read_bytes())
    assert picture_fault(picture) is None
    assert picture_fault(jpg) == "no JPEG"
    assert picture_fault(tmp_path / "none.jpg") == "missing"

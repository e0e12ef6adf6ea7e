"""What is told of a JPEG file without decoding it."""

import cv2
import numpy as np
import pytest

from hpe.data.jpeg_check import jpeg_fault


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "picture.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    assert cv2.imwrite(str(path), noise)
    return path


@pytest.mark.parametrize("padding", [b"", b"\0" * 16, b" "])
def test_a_whole_picture_has_no_fault(path, padding):
    path.write_bytes(path.read_bytes() + padding)
    assert jpeg_fault(path) is None


def test_a_progressive_picture_has_no_fault(path):
    picture = cv2.imread(str(path))
    assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert jpeg_fault(path) is None


def test_a_picture_cut_at_any_byte_is_noticed(path):
    data = path.read_bytes()
    for end in range(len(data) - 1):
        path.write_bytes(data[:end])
        assert jpeg_fault(path) == ("empty" if end == 0 else "no JPEG" if end == 1 else "truncated")


def test_what_is_no_picture_is_noticed(path):
    path.write_bytes(b"<html>404</html>")
    assert jpeg_fault(path) == "no JPEG"


def test_a_huge_picture_is_noticed_by_its_header(path):
    data = bytearray(path.read_bytes())
    header = data.index(b"\xff\xc0") + 5
    assert data[header : header + 4] == bytes([0, 48, 0, 64]), "height, then width"
    data[header : header + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert jpeg_fault(path) == "65535 x 65535 pixels"

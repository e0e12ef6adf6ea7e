"""Picture files: whether they are whole, and their pixels."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from hpe.data.jpeg_check import frame_size, jpeg_fault, jpeg_stream_fault
from hpe.data.opened import UnreadableSample
from hpe.data.png_check import START as PNG
from hpe.data.png_check import png_fault, png_size, png_stream_fault

MISSING = "missing"


def picture_fault(path: Path) -> str | None:
    """Return what is wrong with a picture file, or None; it is not decoded."""
    try:
        return png_fault(path) if path.suffix.lower() == ".png" else jpeg_fault(path)
    except FileNotFoundError:
        return MISSING


def encoded_fault(data: bytes) -> str | None:
    """Return what is wrong with an encoded picture, PNG or JPEG, or None; it is not decoded."""
    check = png_stream_fault if data.startswith(PNG) else jpeg_stream_fault
    return check(BytesIO(data))


def encoded_size(data: bytes) -> tuple[int, int]:
    """Return width and height of an encoded picture that has no fault."""
    if data.startswith(PNG):
        return png_size(data[:24])
    size = frame_size(BytesIO(data[2:]))
    assert size is not None
    return size


def picture_faults(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return name -> what is wrong, of the pictures that are not whole."""
    faults = ((name, picture_fault(folder / name)) for name in sorted(names))
    return {name: fault for name, fault in faults if fault is not None}


def read_rgb(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """Return a picture's pixels.

    Raises:
        UnreadableSample: If it cannot be decoded.
    """
    return _decoded(path, cv2.IMREAD_COLOR_RGB)


def read_grey(path: Path) -> UInt8[np.ndarray, "height width"]:
    """Return a picture's grey levels.

    Raises:
        UnreadableSample: If it cannot be decoded.
    """
    return _decoded(path, cv2.IMREAD_GRAYSCALE)


def decoded_rgb(data: bytes, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Return the pixels of an encoded picture.

    Args:
        data: Its bytes, as in its file.
        name: What to call it in a message.

    Raises:
        UnreadableSample: If it cannot be decoded.
    """
    picture: np.ndarray | None = None
    if data:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise UnreadableSample(f"{name} cannot be decoded; fetch the data set's files once more.")
    return picture


def _decoded(path: Path, mode: int) -> np.ndarray:
    picture: np.ndarray | None = cv2.imread(str(path), mode)
    if picture is None:
        raise UnreadableSample(
            f"{path} cannot be decoded; unpack the data set's original files once more."
        )
    return picture

"""Whether a JPEG file is whole, told from its headers and its end, without decoding it.

Decoders are no judges of that: OpenCV fills what a truncated file lacks with grey.
"""

import struct
from io import BufferedIOBase
from pathlib import Path

START, END = b"\xff\xd8", b"\xff\xd9"
MAX_PIXELS = 2**25
"""32 megapixels, more than any camera of these data sets has; decoding one takes 100 MB."""

_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 ... (ITU-T T.81, B.1.1.3)
_TAIL_BYTES = 64


def jpeg_fault(path: Path) -> str | None:
    """Return what is wrong with a file that should be a JPEG picture, or None.

    Damage inside the compressed data goes unnoticed.
    """
    with path.open("rb") as file:
        return jpeg_stream_fault(file)


def jpeg_stream_fault(file: BufferedIOBase) -> str | None:
    """Return what is wrong with a stream that should be a JPEG picture, or None."""
    start = file.read(2)
    if not start:
        return "empty"
    if start != START:
        return "no JPEG"
    size = frame_size(file)
    if size is None:
        return "truncated"
    if size[0] * size[1] > MAX_PIXELS:
        return f"{size[0]} x {size[1]} pixels"
    return None if _is_complete(file) else "truncated"


def frame_size(file: BufferedIOBase) -> tuple[int, int] | None:
    """Return width and height from the frame header; None where the file ends before it.

    Args:
        file: A JPEG, read up to behind its first mark.
    """
    while len(segment := file.read(4)) == 4:
        mark, kind, length = struct.unpack(">BBH", segment)
        if mark != 0xFF or length < 2:
            return None
        if kind in _FRAME_HEADERS:
            header = file.read(5)
            if len(header) < 5:
                return None
            _precision, height, width = struct.unpack(">BHH", header)
            return width, height
        file.seek(length - 2, 1)
    return None


def _is_complete(file: BufferedIOBase) -> bool:
    """Say whether an image ends where the file does, give or take padding.

    Compressed data never holds the mark of the end: it writes FF as FF 00 (T.81, B.1.1.5).
    """
    length = file.seek(0, 2)
    file.seek(max(0, length - _TAIL_BYTES))
    return END in file.read()

"""Whether a PNG file is whole, told from its header and its end, without decoding it."""

import struct
from io import BufferedIOBase
from pathlib import Path

from hpe.data.jpeg_check import MAX_PIXELS

START = b"\x89PNG\r\n\x1a\n"
END = b"\x00\x00\x00\x00IEND\xaeB`\x82"  # the empty last chunk (PNG specification, 11.2.5)


def png_fault(path: Path) -> str | None:
    """Return what is wrong with a file that should be a PNG picture, or None.

    Damage inside the compressed data goes unnoticed.
    """
    with path.open("rb") as file:
        return png_stream_fault(file)


def png_stream_fault(file: BufferedIOBase) -> str | None:
    """Return what is wrong with a stream that should be a PNG picture, or None."""
    head = file.read(24)
    if not head:
        return "empty"
    if not head.startswith(START):
        return "no PNG"
    if len(head) < 24:
        return "truncated"
    width, height = png_size(head)
    if width * height > MAX_PIXELS:
        return f"{width} x {height} pixels"
    length = file.seek(0, 2)
    file.seek(max(0, length - len(END)))
    return None if file.read() == END else "truncated"


def png_size(head: bytes) -> tuple[int, int]:
    """Return width and height from the first 24 bytes of a PNG."""
    width, height = struct.unpack(">II", head[16:24])
    return width, height

"""The pictures that `sweep/predict.py` reads and writes, and what it says meanwhile."""

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from hpe.data.opened import UnreadableSample
from hpe.data.pictures import read_rgb
from hpe.viz.hands import Image

PICTURES = (".jpg", ".jpeg", ".png")


def picture_files(sources: Sequence[str]) -> list[Path]:
    """Return picture files, those of folders included, in the order given.

    Raises:
        ValueError: If one is not there, a folder has none, or two would be drawn in one file.
    """
    found: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            inside = sorted(p for p in source.iterdir() if p.suffix.lower() in PICTURES)
            if not inside:
                raise ValueError(f"{source} has no pictures ({', '.join(PICTURES)}).")
            found += inside
        elif source.is_file():
            found.append(source)
        else:
            raise ValueError(f"there is no picture or folder {source}.")
    stems = [path.stem for path in found]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise ValueError(
            f"pictures must differ in name, since each is drawn in a file of its name; got "
            f"{', '.join(twice[:3])} more than once."
        )
    return found


def read_picture(path: Path) -> Image:
    """Return a picture as RGB.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        return read_rgb(path)
    except UnreadableSample as error:
        raise ValueError(f"{path}: {error}") from None


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write a picture: RGB, or one channel as it is.

    Raises:
        ValueError: If it cannot be written.
    """
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == len("hwc") else image
    if not cv2.imwrite(str(path), pixels):
        raise ValueError(f"{path} could not be written.")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

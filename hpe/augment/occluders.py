"""Cut-outs to paste over hands, and where they come from: pictures, VOC, or drawn here."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from hpe.augment.voc_objects import read_voc_objects

Cutout = UInt8[np.ndarray, "_height _width 4"]

_PICTURES = (".png", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Occluders:
    """Objects cut out of their pictures, as RGB with alpha (not multiplied in).

    They are stored so that an object of 256 px spans a view of any size at scale 1: half as large
    as in the photograph, where they come from VOC.
    """

    cutouts: tuple[Cutout, ...]

    def __post_init__(self) -> None:
        if not self.cutouts:
            raise ValueError("occluders need at least one object, got none.")


def voc_occluders(folder: Path) -> Occluders:
    """Return the objects of a VOC2012 folder, as `read_voc_objects` selects them.

    Raises:
        FileNotFoundError: If a part of the folder is missing.
        ValueError: If no object passes.
    """
    cutouts = tuple(read_voc_objects(folder))
    if not cutouts:
        raise ValueError(
            f"{folder}: no object of VOC passes the filters; is the data set complete?"
        )
    return Occluders(cutouts)


def picture_occluders(folder: Path) -> Occluders:
    """Return all pictures with an alpha channel below a folder, in the order of their paths.

    Raises:
        FileNotFoundError: If there is no such folder, or no picture in it.
        ValueError: If a picture cannot be read, has no alpha channel, or shows nothing.
    """
    paths = cutout_paths(folder)
    return Occluders(tuple(_read_cutout(path) for path in paths))


def cutout_paths(folder: Path) -> list[Path]:
    """Return the pictures below a folder that may have an alpha channel, by their endings.

    Raises:
        FileNotFoundError: If there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"occluders are to be read from {folder}, which is no folder.")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURES)
    if not paths:
        raise FileNotFoundError(
            f"occluders are to be read from {folder}, which has no picture that ends in "
            f"{', '.join(_PICTURES)}."
        )
    return paths


def _read_cutout(path: Path) -> Cutout:
    picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise ValueError(f"{path}: cannot be read as a picture.")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 4:
        raise ValueError(
            f"{path}: a cut-out has 8-bit colours and an alpha channel, got {picture.dtype} with "
            f"shape {picture.shape}."
        )
    if not picture[:, :, 3].any():
        raise ValueError(f"{path}: its alpha channel is 0 everywhere, so it shows nothing.")
    cutout: Cutout = cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)
    return cutout

"""Objects of PASCAL VOC 2012 as cut-outs, selected and trimmed for synthetic occlusion.

The selection is that of Sárándi et al. (2018, "How Robust is 3D Human Pose Estimation to
Occlusion?"), which S4 uses: objects of segmented pictures that are no person, not difficult and
not truncated, with a mask of at least 500 px. Each is cropped to its box; its mask is the alpha
channel, 192 instead of 255 on the border (what an erosion with an ellipse of 8 x 8 px takes away);
it is stored at half its size.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

MIN_MASK_PX = 500
BORDER_ALPHA = 192
STORED_SCALE = 0.5
LAYOUT = ("Annotations", "JPEGImages", "SegmentationObject")

_BORDER = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (8, 8))


def require_voc_layout(folder: Path) -> None:
    """Refuse a folder that is not laid out as `VOC2012` is.

    Raises:
        FileNotFoundError: With what is missing.
    """
    missing = [name for name in LAYOUT if not (folder / name).is_dir()]
    if missing:
        raise FileNotFoundError(
            f"{folder} must be the VOC2012 folder with {', '.join(LAYOUT)} in it; "
            f"there is no {', '.join(missing)}."
        )


def voc_files(folder: Path) -> list[Path]:
    """Return what objects are cut out of: annotations, and pictures and masks that go with them.

    Raises:
        FileNotFoundError: If the folder is not laid out so, or nothing could be cut out of it.
    """
    require_voc_layout(folder)
    annotations = sorted((folder / "Annotations").glob("*.xml"))
    annotated = {path.stem for path in annotations}
    masks = sorted((folder / "SegmentationObject").glob("*.png"))
    masks = [path for path in masks if path.stem in annotated]
    if not masks:
        raise FileNotFoundError(
            f"{folder} has no picture with both an annotation and a mask of its objects, so that "
            "nothing can be cut out; is the data set complete?"
        )
    pictures = [folder / "JPEGImages" / f"{path.stem}.jpg" for path in masks]
    missing = [path for path in pictures if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} has annotations and masks of pictures that are missing: {missing[0].name}"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}."
        )
    return [*annotations, *pictures, *masks]


def read_voc_objects(folder: Path) -> Iterator[UInt8[np.ndarray, "height width 4"]]:
    """Yield the selected objects, RGB and alpha, by picture and by object in it.

    Args:
        folder: `VOC2012`, with annotations (XML), pictures (JPEG) and instance masks (PNG, where
            the object that is listed n-th has the n-th colour of VOC's palette).

    Raises:
        FileNotFoundError: If the folder is not laid out so, or a file of it is missing.
        ValueError: If a picture cannot be decoded, or is not as large as its mask.
    """
    require_voc_layout(folder)
    for path in sorted((folder / "Annotations").glob("*.xml")):
        annotation = ET.parse(path).getroot()
        if annotation.findtext("segmented", "0") == "0":
            continue
        chosen = [
            (number, _box(entry))
            for number, entry in enumerate(annotation.findall("object"), start=1)
            if _is_selected(entry)
        ]
        if chosen:
            yield from _cut_out(folder, path.stem, chosen)


def palette_color(index: int) -> tuple[int, int, int]:
    """Return VOC's RGB colour of an index: bits 0, 1, 2 of it, 3, 4, 5, ... from the top bit."""
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * place + channel) & 1) << (7 - place)
    red, green, blue = channels
    return red, green, blue


def _is_selected(entry: ET.Element) -> bool:
    return (
        entry.findtext("name") != "person"
        and entry.findtext("difficult", "0") == "0"
        and entry.findtext("truncated", "0") == "0"
    )


def _box(entry: ET.Element) -> tuple[slice, slice]:
    """Return the rows and columns of an object's box, read as the reference does: from 0."""
    left, top, right, bottom = (
        int(float(entry.findtext(f"bndbox/{side}", "0")))
        for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return slice(top, bottom), slice(left, right)


def _cut_out(
    folder: Path, stem: str, chosen: list[tuple[int, tuple[slice, slice]]]
) -> Iterator[UInt8[np.ndarray, "height width 4"]]:
    image = _read_rgb(folder / "JPEGImages" / f"{stem}.jpg")
    instances = _read_rgb(folder / "SegmentationObject" / f"{stem}.png")
    if image.shape != instances.shape:
        raise ValueError(
            f"{folder}: picture {stem} and its mask must be equally large, got "
            f"{image.shape[1::-1]} and {instances.shape[1::-1]} px."
        )
    for number, box in chosen:
        mask = (instances[box] == palette_color(number)).all(axis=2)
        if mask.sum() >= MIN_MASK_PX:
            cutout = np.dstack([image[box], _alpha(mask)])
            size = tuple(max(1, round(side * STORED_SCALE)) for side in cutout.shape[1::-1])
            yield cv2.resize(cutout, size, interpolation=cv2.INTER_AREA)


def _alpha(mask: Bool[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    alpha = mask.astype(np.uint8) * 255
    alpha[cv2.erode(alpha, _BORDER) < alpha] = BORDER_ALPHA
    return alpha


def _read_rgb(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path}: cannot be read as a picture.")
    rgb: np.ndarray = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return rgb

"""Annotations in COCO's form: pictures, and annotations each of which names one of them.

COCO-WholeBody has it, and mmpose's conversions of hand data sets.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from hpe.geometry.skeleton import NUM_JOINTS

Record = Mapping[str, Any]


def annotated_pictures(path: Path) -> list[tuple[Record, Record]]:
    """Return (picture, annotation) for each annotation, in the file's order.

    Raises:
        ValueError: If the file does not hold what it should.
    """
    try:
        content = json.loads(path.read_bytes())
        pictures = {picture["id"]: picture for picture in content["images"]}
        found = [(pictures[note["image_id"]], note) for note in content["annotations"]]
        if not all(isinstance(picture["file_name"], str) for picture in pictures.values()):
            raise TypeError("file_name must be text")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} must hold images (id, file_name) and annotations (image_id): {error!r}."
        ) from error
    return found


def points_of(annotation: Record, key: str, path: Path) -> Float[np.ndarray, "21 3"]:
    """Return the (u, v, flag) of a hand's keypoints, which may be nested or one flat list.

    Raises:
        ValueError: If they are something else; the message names `path`.
    """
    try:
        points = np.array(annotation[key], dtype=np.float64).reshape(NUM_JOINTS, 3)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} must hold {key}, {NUM_JOINTS} x (u, v, flag), in each annotation; in that "
            f"with the id {annotation.get('id')}: {error!r}."
        ) from error
    return points

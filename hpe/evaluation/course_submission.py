"""Predictions for the test pictures of a course on FreiHAND: `test_preds.json.gz`, as S2 wrote it.

One list, pictures x 21 x 3, in millimetres, camera coordinates, pictures in the order of their
names, joints in the "AIT" order (wrist, five MCP, PIP, DIP, tips). `test_K.json` has a K for each
picture, or, as in the other parts, one for each photograph: the versions of all come in turn.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hpe.data.freihand_files import parse_matrices
from hpe.data.pictures import read_rgb
from hpe.evaluation.axis_model import AxisModel, predict_pictures
from hpe.geometry.skeleton import AIT_FROM_FREIHAND
from hpe.whole_file import replacing

FILE_NAME = "test_preds.json.gz"
MM_DECIMALS = 4
BATCH = 64


@dataclass(frozen=True)
class CoursePictures:
    """The course's test pictures, in the order of their names.

    Attributes:
        paths: The pictures.
        intrinsics: K of each.
    """

    paths: tuple[Path, ...]
    intrinsics: Float[np.ndarray, "pictures 3 3"]


def read_test_pictures(root: Path) -> CoursePictures:
    """Find the pictures and their K.

    Raises:
        ValueError: If files are missing, or pictures and matrices do not fit together.
    """
    matrices_path, folder = root / "test_K.json", root / "test"
    missing = [path.name for path in (matrices_path, folder) if not path.exists()]
    if missing:
        raise ValueError(
            f"{FILE_NAME} needs test/ and test_K.json in {root}; missing: {', '.join(missing)}. "
            "Give the course's folder with --data-dir."
        )
    paths = tuple(sorted(folder.glob("*.jpg")))
    intrinsics = parse_matrices(matrices_path.read_bytes(), matrices_path, shape=(3, 3))
    versions, rest = divmod(len(paths), len(intrinsics))
    if versions == 0 or rest:
        raise ValueError(
            f"test/ must have as many pictures (.jpg) as test_K.json has entries, or a multiple, "
            f"got {len(paths)} and {len(intrinsics)} in {root}."
        )
    return CoursePictures(paths, np.tile(intrinsics, (versions, 1, 1)))


def predict_test_pictures(
    model: AxisModel,
    pictures: CoursePictures,
    *,
    rotations: int = 1,
    mirrored: bool = False,
    on_batch: Callable[[int], None] = lambda _done: None,
) -> Float[Tensor, "pictures 21 3"]:
    """Return every picture's hand in camera coordinates, in metres, in this project's joint order.

    Raises:
        ValueError: As `predict_pictures` does.
    """
    hands = []
    for start in range(0, len(pictures.paths), BATCH):
        chunk = slice(start, start + BATCH)
        images = [read_rgb(path) for path in pictures.paths[chunk]]
        hands.append(
            predict_pictures(
                model,
                images,
                pictures.intrinsics[chunk],
                rotations=rotations,
                mirrored=mirrored,
            )
        )
        on_batch(start + len(images))
    return torch.cat(hands)


def write_test_predictions(path: Path, hands_m: Float[Tensor, "pictures 21 3"]) -> None:
    """Write the file; the same predictions give the same bytes.

    Raises:
        ValueError: If a coordinate is not finite.
    """
    if not bool(torch.isfinite(hands_m).all()):
        raise ValueError("predictions must be finite, got nan or infinity among their joints.")
    hands_mm = (1000 * hands_m.double())[:, list(AIT_FROM_FREIHAND)]
    text = json.dumps(hands_mm.numpy().round(MM_DECIMALS).tolist(), allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))

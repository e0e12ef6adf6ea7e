"""S3's lists of InterHand2.6M's pictures and masks, once they are JSON, as the rows of an index."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hpe.data.folder import as_names
from hpe.data.index import Arrays, Source
from hpe.data.interhand_files import IMAGE_FOLDER
from hpe.data.interhand_mask_files import LISTS

_HAS_HAND = {"left": (True, False), "right": (False, True)}


def parse_list(source: Source) -> Arrays:
    """Return the arrays of a list, a row for each picture (or each pair of masks without one).

    Rows have `picture` (name in `interhand.lmdb`, path below the root, or the masks' id),
    `unique_id` (the row's number), `key` (path under which a prediction is submitted), `mask_id`
    (empty where there is none), `box_px` (left, top, width, height; NaN where there is none),
    `has_hand` (left, right) and `moment` (a number for each capture and frame).

    Raises:
        ValueError: If a file does not hold what it should.
    """
    num_lists = len(LISTS[source.made_as["list"]])
    lists, mappings = source.annotations[:num_lists], source.annotations[num_lists:]
    entries = [entry for path in lists for entry in _json(path, list)]
    if source.made_as["list"] == "masks":
        return _mask_rows([str(number) for number in entries])
    ids = {
        _plain(path): str(number) for file in mappings for path, number in _json(file, dict).items()
    }
    try:
        return _picture_rows(entries, ids, source)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{', '.join(map(str, lists))}: no list of pictures with img_path, bbox, capture and "
            f"frame: {error!r}."
        ) from error


def _mask_rows(ids: list[str]) -> Arrays:
    """Return the arrays of masks without pictures; both hands are expected."""
    return {
        "picture": as_names(ids),
        "unique_id": np.arange(len(ids)),
        "key": as_names(ids),
        "mask_id": as_names(ids),
        "box_px": np.full((len(ids), 4), np.nan),
        "has_hand": np.ones((len(ids), 2), bool),
        "moment": np.arange(len(ids)),
    }


def _picture_rows(
    entries: Sequence[Mapping[str, Any]], ids: Mapping[str, str], source: Source
) -> Arrays:
    """Return the arrays of a list of pictures."""
    paths = [_plain(entry["img_path"]) for entry in entries]
    stems = [str(PurePosixPath(path).with_suffix("")) for path in paths]
    depth = _depth(stems, ids)
    keys = ["/".join(stem.split("/")[depth:]) for stem in stems]
    moments: dict[tuple[str, str], int] = {}
    for entry in entries:
        moments.setdefault((str(entry["capture"]), str(entry["frame"])), len(moments))
    pictures = paths if source.made_as["images"] == "lmdb" else _as_files(source.root, paths)
    return {
        "picture": as_names(pictures),
        "unique_id": np.arange(len(entries)),
        "key": as_names(keys),
        "mask_id": as_names([ids.get(key, "") for key in keys]),
        "box_px": np.array([_box_px(entry["bbox"]) for entry in entries]).reshape(-1, 4),
        "has_hand": np.array(
            [_HAS_HAND.get(entry.get("hand_type", ""), (True, True)) for entry in entries],
            dtype=np.bool_,
        ).reshape(-1, 2),
        "moment": np.array(
            [moments[str(entry["capture"]), str(entry["frame"])] for entry in entries],
            dtype=np.int64,
        ),
    }


def _depth(stems: Sequence[str], ids: Mapping[str, str]) -> int:
    """Return how many folders lead from the root of `img_path` to that of the paths with ids.

    The lists say paths from where S3 ran; what has an id is a path below the folder of pictures.
    That is the same number of folders for all.
    """
    depths = range(max((stem.count("/") for stem in stems[:1]), default=0) + 1)
    for stem in stems:
        parts = stem.split("/")
        for depth in depths:
            if "/".join(parts[depth:]) in ids:
                return depth
    known = next(iter(ids), None)
    if known is None or not stems:
        return 0
    return max(stems[0].count("/") - known.count("/"), 0)


def _as_files(root: Path, paths: Sequence[str]) -> list[str]:
    """Return where pictures lie below the root: the lists say paths from where S3 ran."""
    for path in paths[:1]:
        parts = path.split("/")
        for folder in ("", "images", IMAGE_FOLDER):
            for depth in range(len(parts)):
                if (root / folder / "/".join(parts[depth:])).is_file():
                    below = PurePosixPath(folder)
                    return [str(below.joinpath(*p.split("/")[depth:])) for p in paths]
    return list(paths)


def _box_px(box: Any) -> tuple[float, ...]:
    """Return left, top, width and height; NaN for what is no box."""
    values = tuple(float(value) for value in box) if isinstance(box, list) else ()
    is_box = len(values) == 4 and all(map(math.isfinite, values)) and min(values[2:]) > 0
    return values if is_box else (math.nan,) * 4


def _plain(path: str) -> str:
    return path.removeprefix("./")


def _json(path: Path, kind: type) -> Any:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}; convert its .pt file again.") from error
    if not isinstance(content, kind):
        raise ValueError(f"{path} must hold a {kind.__name__}, got a {type(content).__name__}.")
    return content

"""S3's lists of InterHand2.6M's pictures and masks, once they are JSON, as the rows of an index."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hpe.data.folder import as_names
from hpe.data.index import Arrays, Source
from hpe.data.interhand_files import IMAGE_FOLDER
from hpe.data.interhand_mask_files import LISTS, PAIRED

_HAS_HAND = {"left": (True, False), "right": (False, True)}


@dataclass(frozen=True)
class _Entry:
    """What a list says of a picture.

    Attributes:
        path: As the list has it, without "./".
        box_px: Left, top, width and height; NaN for what is no box.
        has_hand: Left, right.
        moment: Capture and frame.
    """

    path: str
    box_px: tuple[float, ...]
    has_hand: tuple[bool, bool]
    moment: tuple[str, str]


def parse_list(source: Source) -> Arrays:
    """Return the arrays of a list, a row for each picture (or each pair of masks without one).

    Rows have `picture` (name in `interhand.lmdb`, path below the root, or the masks' id),
    `unique_id` (the row's number), `key` (path under which a prediction is submitted), `mask_id`
    (empty where there is none), `box_px` (left, top, width, height; NaN where there is none),
    `has_hand` (left, right), `moment` (a number for each capture and frame, the list's own) and
    `moment_name` (the same in every list).

    Raises:
        ValueError: If a file does not hold what it should, or a list to train or validate on holds
            nothing.
    """
    num_lists = len(LISTS[source.made_as["list"]])
    lists, mappings = source.annotations[:num_lists], source.annotations[num_lists:]
    if source.made_as["list"] == "masks":
        return _mask_rows([str(number) for path in lists for number in _json(path, list)])
    entries = [entry for path in lists for entry in _entries(path)]
    if not entries and source.made_as["list"] in PAIRED:
        raise ValueError(
            f"{', '.join(map(str, lists))}: must list at least one picture, got none; convert its "
            ".pt file again."
        )
    ids = {
        _plain(path): str(number) for file in mappings for path, number in _json(file, dict).items()
    }
    return _picture_rows(entries, ids, source)


def _entries(path: Path) -> Iterator[_Entry]:
    """Yield what a list says of each picture.

    Raises:
        ValueError: If an entry is none of a picture; the message says which.
    """
    for number, entry in enumerate(_json(path, list)):
        try:
            yield _Entry(
                path=_plain(entry["img_path"]),
                box_px=_box_px(entry["bbox"]),
                has_hand=_HAS_HAND.get(str(entry.get("hand_type")), (True, True)),
                moment=(str(entry["capture"]), str(entry["frame"])),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path}: no list of pictures with img_path, bbox, capture and frame: entry "
                f"{number} (from 0): {error!r}."
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
        "moment_name": as_names(ids),
    }


def _picture_rows(entries: Sequence[_Entry], ids: Mapping[str, str], source: Source) -> Arrays:
    """Return the arrays of a list of pictures."""
    paths = [entry.path for entry in entries]
    stems = [_stem(path) for path in paths]
    depth = _depth(stems, ids)
    keys = ["/".join(stem.split("/")[depth:]) for stem in stems]
    moments: dict[tuple[str, str], int] = {}
    for entry in entries:
        moments.setdefault(entry.moment, len(moments))
    pictures = paths if source.made_as["images"] == "lmdb" else _as_files(source.root, paths)
    return {
        "picture": as_names(pictures),
        "unique_id": np.arange(len(entries)),
        "key": as_names(keys),
        "mask_id": as_names([ids.get(key, "") for key in keys]),
        "box_px": np.array([entry.box_px for entry in entries]).reshape(-1, 4),
        "has_hand": np.array([entry.has_hand for entry in entries], dtype=np.bool_).reshape(-1, 2),
        "moment": np.array([moments[entry.moment] for entry in entries], dtype=np.int64),
        "moment_name": as_names(["/".join(entry.moment) for entry in entries]),
    }


def _depth(stems: Sequence[str], ids: Mapping[str, str]) -> int:
    """Return how many folders lead from the root of `img_path` to that of the paths with ids.

    The lists say paths from where S3 ran; what has an id is a path below the folder of pictures.
    That is the same number of folders for all.
    """
    deep = next((stem.count("/") for stem in stems if stem), 0)
    depths = range(deep + 1)
    for stem in stems:
        parts = stem.split("/")
        for depth in depths:
            if "/".join(parts[depth:]) in ids:
                return depth
    known = next(iter(ids), None)
    return 0 if known is None else max(deep - known.count("/"), 0)


def _as_files(root: Path, paths: Sequence[str]) -> list[str]:
    """Return where pictures lie below the root: the lists say paths from where S3 ran."""
    for path in [path for path in paths if path][:1]:
        parts = path.split("/")
        for folder in ("", "images", IMAGE_FOLDER):
            for depth in range(len(parts)):
                if (root / folder / "/".join(parts[depth:])).is_file():
                    below = PurePosixPath(folder)
                    return [str(below.joinpath(*p.split("/")[depth:])) for p in paths]
    return list(paths)


def _box_px(box: Any) -> tuple[float, ...]:
    """Return left, top, width and height; NaN for what is no box."""
    try:
        values = tuple(float(value) for value in box) if isinstance(box, list) else ()
    except (TypeError, ValueError):
        values = ()
    is_box = len(values) == 4 and all(map(math.isfinite, values)) and min(values[2:]) > 0
    return values if is_box else (math.nan,) * 4


def _stem(path: str) -> str:
    """Return a path without its suffix; one without a name stays what it is."""
    pure = PurePosixPath(path)
    return str(pure.with_suffix("")) if pure.name else path


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

"""S3's files of InterHand2.6M with part masks: what lies where, and which sample has what.

    interhand.lmdb              picture by its path without "./", as an encoded image
    segm_train_val_mp.lmdb      masks by <id>__l and <id>__r, images of three equal channels: parts
                                of right hands are 1..16, those of left hands 17..32
    datalist_train_mp.pt, datalist_val_mp.pt          pictures with masks
    datalist_train_complete.pt                        all training pictures
    datalist_stud_test.pt                             test pictures, whose masks are not public
    path2id_train.pt, path2id_val.pt                  a picture's path without suffix -> its id
    unpaired_segm_ids.pt                              ids of masks without pictures

Lists are dicts of `img_path`, `bbox` (left, top, width, height), `hand_type`, `capture`, `frame`
and others. The .pt files are pickles, that is, programs, and are not read here: a converter writes
what they say as JSON beside them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from hpe.data.hand_masks import NUM_PARTS
from hpe.data.index import Arrays, Look, Source
from hpe.data.interhand_files import HOME_PAGE
from hpe.data.lmdb_store import LmdbStore, data_file
from hpe.data.pictures import MISSING, encoded_fault, encoded_size

IMAGES, MASKS = "interhand.lmdb", "segm_train_val_mp.lmdb"
FORMAT = 3
"""To be raised when `parse_list` or `look_at` gives something else for the same files."""

Images = Literal["lmdb", "files"]
List = Literal["train", "val", "trainval", "complete", "test", "masks"]

LISTS: Mapping[List, tuple[str, ...]] = {
    "train": ("datalist_train_mp",),
    "val": ("datalist_val_mp",),
    "trainval": ("datalist_train_mp", "datalist_val_mp"),
    "complete": ("datalist_train_complete",),
    "test": ("datalist_stud_test",),
    "masks": ("unpaired_segm_ids",),
}
IDS = ("path2id_train", "path2id_val")
PAIRED: tuple[List, ...] = ("train", "val", "trainval")

TWICE, NO_BOX, NO_ID = "listed twice", "no box", "no id"
NO_MASK, BAD_MASK, BAD_LABELS = "no mask", "mask cannot be decoded", "mask of other labels"
OTHER_SIZE = "mask of another size"

EncodedMasks = tuple[bytes | None, bytes | None]
"""Of left and right hand, the order of `hpe.data.hand_masks.HANDS`."""

_FIRST_LABELS = (1 + NUM_PARTS, 1)


def list_source(root: Path, name: List, images: Images) -> Source:
    """Return what the index of a list is made from.

    Raises:
        ValueError: If its files are there as pickles only: how to convert them.
    """
    stems = LISTS[name] if name == "masks" else (*LISTS[name], *IDS)
    require_converted(root, stems)
    stores = [] if name == "masks" or images == "files" else [IMAGES]
    if name in (*PAIRED, "masks"):
        stores.append(MASKS)
    return Source(
        data_set=f"InterHand2.6M's masks ({', '.join(LISTS[name])})",
        root=root,
        name=f"interhand_masks_{name}_{images}",
        annotations=[root / f"{stem}.json" for stem in stems],
        home_page=HOME_PAGE,
        made_as={"format": FORMAT, "list": name, "images": images},
        stores=[data_file(root / store) for store in stores],
    )


def has_list(root: Path, name: List) -> bool:
    """Return whether a list is there, converted or not."""
    suffixes = (".json", ".pt")
    return all(
        any((root / f"{stem}{suffix}").is_file() for suffix in suffixes) for stem in LISTS[name]
    )


def require_converted(root: Path, stems: Sequence[str]) -> None:
    """Refuse files that are there as pickles only.

    Raises:
        ValueError: With the commands that convert them.
    """
    pickles = [root / f"{stem}.pt" for stem in stems if not (root / f"{stem}.json").is_file()]
    commands = [f"python sweep/convert.py --trust {path}" for path in pickles if path.is_file()]
    if commands:
        raise ValueError(
            f"{root}: lists that are pickles are not read, since a pickle is a program. If you "
            f"trust where they come from, convert them once: {'; '.join(commands)}"
        )


def look_at(source: Source, arrays: Arrays) -> Look:
    """Return how to look at a picture of a list: is it whole, are its masks what they should be?

    Masks are decoded, which takes a while once.
    """
    names = [name.decode() for name in arrays["picture"].tolist()]
    rows = {name: row for row, name in enumerate(names)}
    times = Counter(names)

    def look(name: str) -> tuple[int | None, str | None]:
        if source.made_as["list"] == "masks":
            masks = encoded_masks(source.root, name)
            return _total_bytes(masks), _mask_fault(masks, arrays["has_hand"][rows[name]])
        row, picture = rows[name], encoded_picture(source, name)
        if picture is None:
            return None, MISSING
        fault = encoded_fault(picture) or (TWICE if times[name] > 1 else None)
        if fault is None and not np.isfinite(arrays["box_px"][row]).all():
            fault = NO_BOX
        if fault is not None or source.made_as["list"] not in PAIRED:
            return len(picture), fault
        mask_id = arrays["mask_id"][row].decode()
        if not mask_id:
            return len(picture), NO_ID
        masks = encoded_masks(source.root, mask_id)
        fault = _mask_fault(masks, arrays["has_hand"][row], size_px=encoded_size(picture))
        return len(picture) + _total_bytes(masks), fault

    return look


def _mask_fault(
    masks: EncodedMasks,
    has_hand: Bool[np.ndarray, " 2"],
    size_px: tuple[int, int] | None = None,
) -> str | None:
    try:
        decoded_masks(masks, has_hand=has_hand, size_px=size_px)
    except UnusableMask as error:
        return str(error)
    return None


def encoded_picture(source: Source, name: str) -> bytes | None:
    """Return a picture as it is stored, or None if it is not."""
    if not name:
        return None
    if source.made_as["images"] == "lmdb":
        return LmdbStore(source.root / IMAGES).get(name)
    path = source.root / name
    return path.read_bytes() if path.is_file() else None


def encoded_masks(root: Path, mask_id: str) -> EncodedMasks:
    """Return the masks of left and right hand as they are stored, None where there is none."""
    store = LmdbStore(root / MASKS)
    return store.get(f"{mask_id}__l"), store.get(f"{mask_id}__r")


class UnusableMask(ValueError):
    """Encoded masks that are not what they should be: one of this module's faults."""


def decoded_masks(
    masks: EncodedMasks,
    *,
    has_hand: Bool[np.ndarray, " 2"],
    size_px: tuple[int, int] | None = None,
) -> UInt8[np.ndarray, "2 height width"]:
    """Return the class ids 0..16 of left and right hand.

    A hand that the picture does not have may have no mask: it is background then.

    Args:
        masks: Of left and right hand, as stored.
        has_hand: Whether the picture is said to have each.
        size_px: Width and height of the picture; None if there is none.

    Raises:
        UnusableMask: If one is missing, cannot be decoded, has labels of neither parts nor
            background, or another size than the picture or the other one.
    """
    found = [
        None if data is None else _class_ids(data, first=first)
        for data, first in zip(masks, _FIRST_LABELS, strict=True)
    ]
    shapes = {mask.shape for mask in found if mask is not None}
    if size_px is not None:
        shapes.add((size_px[1], size_px[0]))
    if any(mask is None and has for mask, has in zip(found, has_hand, strict=True)) or not shapes:
        raise UnusableMask(NO_MASK)
    if len(shapes) > 1:
        raise UnusableMask(OTHER_SIZE)
    empty = np.zeros(shapes.pop(), np.uint8)
    return np.stack([empty if mask is None else mask for mask in found])


def _class_ids(data: bytes, *, first: int) -> UInt8[np.ndarray, "height width"]:
    """Return one hand's class ids; its labels in the file begin with `first`."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if found is None or found.dtype != np.uint8:
        raise UnusableMask(BAD_MASK)
    labels = found if found.ndim == 2 else found[..., 0]
    is_part = (labels >= first) & (labels < first + NUM_PARTS)
    if not np.all(is_part | (labels == 0)):
        raise UnusableMask(BAD_LABELS)
    return np.where(is_part, labels - np.uint8(first - 1), 0).astype(np.uint8)


def _total_bytes(masks: EncodedMasks) -> int:
    return sum(len(data) for data in masks if data is not None)

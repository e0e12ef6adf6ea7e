"""InterHand2.6M with part masks of both hands, in the layout that S3 was trained from.

`hpe.data.interhand_mask_files` says what lies where. Pictures are those of S3's lists; the square
to look at is the annotated box of the hands, enlarged.
"""

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8
from pydantic import Field

from hpe.config import Config, operational
from hpe.data.folder import Chosen, FolderSplit, Progress, folder_data, num_ids
from hpe.data.hand_masks import (
    UNPAIRED_MASKS,
    MaskedSample,
    MaskedSplit,
    SegmentationData,
    enclosing_square,
)
from hpe.data.index import Index, read_index, whole_rows, write_index
from hpe.data.interhand_files import HOME_PAGE
from hpe.data.interhand_mask_files import (
    Images,
    List,
    UnusableMask,
    decoded_masks,
    encoded_masks,
    encoded_picture,
    has_list,
    list_source,
    look_at,
)
from hpe.data.interhand_mask_lists import parse_list
from hpe.data.opened import UnreadableSample
from hpe.data.pictures import decoded_rgb
from hpe.data.splits import partition

FOLDER_NAMES = ("interhand_masks", "InterHand2.6M")
"""What the data set's folder is called inside a folder of data sets."""

SUBMISSION = "submission"
"""The split, beside those of `SPLITS`, of the pictures whose masks are not public."""

MINI_SIZE, MINI_SEED = 1000, 1
"""Samples of a subset for quick runs, and the seed that decides which these are, as in S3."""


class InterHandMasksConfig(Config):
    """Which of S3's pictures and masks to use.

    Attributes:
        images: Pictures are in `interhand.lmdb`, or files of their own as InterHand2.6M has them.
        train_on: The training list, it and the validation list as S3's default has it (then `val`
            has been trained on), or 1000 pictures of it.
        validate_on: The validation list, or 1000 pictures of it.
        unpaired: All training pictures without masks, or 1000 of them.
        test_share: Share of the training list's moments to test on; 0 tests on what validates.
        split_seed: Decides which moments these are.
        margin: Side of the square to look at over the longer side of the hands' box.
        max_bad_share: Share of a list's pictures that may be missing, broken, or without the masks
            they should have: so many are left out; with more the data set is refused.
    """

    name: Literal["interhand_masks"] = "interhand_masks"
    images: Images = "lmdb"
    train_on: Literal["train", "trainval", "minitrain"] = "train"
    validate_on: Literal["val", "minival"] = "val"
    unpaired: Literal["full", "mini"] = "full"
    test_share: float = Field(0.1, ge=0, lt=1)
    split_seed: int = Field(0, ge=0)
    margin: float = Field(1.25, ge=1, le=4)
    max_bad_share: float = operational(0.001, ge=0, le=1)


def prepare_interhand_masks(
    config: InterHandMasksConfig, root: Path, *, processes: int, progress: Progress
) -> None:
    """Check the files once and keep indices of them beside them, so that opening is quick.

    Raises:
        ValueError: If lists are missing or not converted, or more pictures are unusable than the
            settings allow.
    """
    del processes  # one pass over the files
    for name in _lists(config, root):
        index = _read(config, root, name, progress=progress)
        write_index(index)
        whole_rows(index, np.arange(len(index)), max_bad_share=config.max_bad_share)


def open_interhand_masks(config: InterHandMasksConfig, root: Path) -> SegmentationData:
    """Open the splits; decodes nothing.

    Raises:
        ValueError: As `prepare_interhand_masks` does.
    """
    indices = {name: _read(config, root, name) for name in _lists(config, root)}
    train, train_rows = indices[_train_list(config)], _usable(config, indices[_train_list(config)])
    val_rows = _usable(config, indices["val"])
    if config.validate_on == "minival":
        val_rows = _mini(val_rows)
    train_rows, test_rows = _held_out(config, train, train_rows)
    if config.train_on == "minitrain":
        train_rows = _mini(train_rows)
    scored = [train.arrays["moment_name"][test_rows]]
    if config.train_on != "trainval":  # else what validates is trained on with its masks
        scored.append(indices["val"].arrays["moment_name"])
    unlabelled = _without_masks(config, indices, np.unique(np.concatenate(scored)))
    chosen: dict[str, Chosen] = {
        "unlabelled": (indices["complete"], unlabelled),
        "train": (train, train_rows),
        "val": (indices["val"], val_rows),
        "test": (train, test_rows) if config.test_share > 0 else (indices["val"], val_rows),
    }
    for split, name in (SUBMISSION, "test"), (UNPAIRED_MASKS, "masks"):
        if name in indices:
            chosen[split] = (indices[name], _usable(config, indices[name]))
    return folder_data(
        config,
        {name: (index, np.arange(len(index))) for name, index in indices.items()},
        _splits(config, indices, chosen),
        val_is_trained_on=config.train_on == "trainval",
        parts=[f"part {number}" for number in range(1, 17)],
        source=f"{HOME_PAGE}, masks and lists of S3",
        licence="CC-BY-NC 4.0",
    )


def read_masked(index: Index, row: int, *, margin: float) -> MaskedSample:
    """Read one sample of an index: picture, masks or both, as the index's list has them.

    Raises:
        UnreadableSample: If what was whole when the data was prepared cannot be read any more.
    """
    arrays, kind = index.arrays, index.source.made_as["list"]
    name, mask_id = arrays["picture"][row].decode(), arrays["mask_id"][row].decode()
    picture = None if kind == "masks" else encoded_picture(index.source, name) or b""
    masks = None
    if mask_id and kind not in ("complete", "test"):
        try:
            masks = decoded_masks(
                encoded_masks(index.source.root, mask_id), has_hand=arrays["has_hand"][row]
            )
        except UnusableMask as error:
            raise UnreadableSample(f"{index.source.root}: masks {mask_id}: {error}.") from error
    box_px = arrays["box_px"][row] if masks is None or picture is not None else _extent_px(masks)
    return MaskedSample(
        image=None if picture is None else decoded_rgb(picture, name),
        masks=masks,
        visible=None,
        key=arrays["key"][row].decode(),
        unique_id=int(arrays["unique_id"][row]),
        crop_px=enclosing_square(box_px, margin=margin),
    )


def _extent_px(masks: UInt8[np.ndarray, "2 height width"]) -> Float[np.ndarray, " 4"]:
    """Return the box of both hands of masks that belong to no picture; all of it without hands."""
    rows, columns = np.nonzero(masks.any(axis=0))
    if len(rows) == 0:
        return np.array([0.0, 0.0, masks.shape[2], masks.shape[1]])
    top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    return np.array([left, top, right - left, bottom - top], dtype=np.float64)


def _lists(config: InterHandMasksConfig, root: Path) -> list[List]:
    """Return the lists that the settings need, and those that are there beside them."""
    extra: tuple[List, ...] = ("test", "masks")
    return [_train_list(config), "val", "complete", *(e for e in extra if has_list(root, e))]


def _train_list(config: InterHandMasksConfig) -> List:
    return "trainval" if config.train_on == "trainval" else "train"


def _read(
    config: InterHandMasksConfig,
    root: Path,
    name: List,
    *,
    progress: Progress = lambda _done, _total: None,
) -> Index:
    source = list_source(root, name, config.images)
    return read_index(
        source, partial(parse_list, source), progress=progress, look=partial(look_at, source)
    )


def _usable(config: InterHandMasksConfig, index: Index) -> Int[np.ndarray, " rows"]:
    return whole_rows(index, np.arange(len(index)), max_bad_share=config.max_bad_share)


def _held_out(
    config: InterHandMasksConfig, index: Index, rows: Int[np.ndarray, " rows"]
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
    """Share a list's rows out between training and test, by moment."""
    if config.test_share == 0:
        return rows, rows[:0]
    moments = index.arrays["moment"]
    parts = partition(
        np.unique(moments), val_share=0.0, test_share=config.test_share, seed=config.split_seed
    )
    is_test = np.isin(moments[rows], parts["test"])
    return rows[~is_test], rows[is_test]


def _without_masks(
    config: InterHandMasksConfig,
    indices: dict[List, Index],
    scored: Shaped[np.ndarray, " moments"],
) -> Int[np.ndarray, " rows"]:
    """Return the rows of the complete list that no list of pictures with masks has.

    Args:
        config: The settings.
        indices: The lists.
        scored: Names of moments that others are scored on, which other cameras may have seen too.
    """
    complete = indices["complete"]
    rows = _usable(config, complete)
    paired = [
        index.arrays["key"]
        for name, index in indices.items()
        if name in ("train", "val", "trainval")
    ]
    rows = rows[~np.isin(complete.arrays["key"][rows], np.concatenate(paired))]
    rows = rows[~np.isin(complete.arrays["moment_name"][rows], scored)]
    return _mini(rows) if config.unpaired == "mini" else rows


def _mini(rows: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " some"]:
    """Return the subset for quick runs, in order; all rows if there are no more than that."""
    shuffled = np.random.default_rng(MINI_SEED).permutation(rows)
    return np.sort(shuffled[:MINI_SIZE])


def _splits(
    config: InterHandMasksConfig, indices: dict[List, Index], chosen: dict[str, Chosen]
) -> dict[str, MaskedSplit]:
    """Return the splits, each list's samples under ids of their own."""
    first_ids, first_id = {}, 0
    for name, index in indices.items():
        first_ids[name] = first_id
        first_id += num_ids(index)
    read = partial(read_masked, margin=config.margin)
    return {
        split: FolderSplit(index, rows, read, first_ids[index.source.made_as["list"]])
        for split, (index, rows) in chosen.items()
    }

"""Hands of COCO-WholeBody (Jin et al., ECCV 2020): in photographs of everything, in 2D.

    annotations/coco_wholebody_val_v1.0.json      val2017/<file_name>
    annotations/coco_wholebody_train_v1.0.json    train2017/<file_name>; needed to train on it only
    test_coco_wholebody.json, <file_name>         or a folder of samples (`sample_folder`)

Annotations are of people: `lefthand_kpts` and `righthand_kpts`, 21 x (u, v, flag) in this project's
order, count where `lefthand_valid` or `righthand_valid` says so. A flag is 0 for a keypoint that is
not annotated; any other value, fractions too, is a keypoint that its authors call reliable.

`val` is the official validation part, and `test` as well, for no other has public labels.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from hpe.config import Config, operational
from hpe.data.coco_json import Record, annotated_pictures, points_of
from hpe.data.flat_hands import FlatHand, flat_arrays, read_flat_hand
from hpe.data.folder import Progress, folder_data, num_ids, official_split
from hpe.data.hands import HandData
from hpe.data.index import Arrays, Index, Source, read_index, whole_rows, write_index
from hpe.data.sample_folder import annotations_of_samples, scored_alone

FOLDER_NAMES = ("coco", "COCO", "coco_wholebody")
"""What the data set's folder is called inside a folder of data sets."""

HOME_PAGE = "https://github.com/jin-s13/COCO-WholeBody"
FORMAT = 1
"""To be raised when `_parse` gives something else for the same files."""

Part = Literal["train", "val", "samples"]


class CocoHandsConfig(Config):
    """Which hands of COCO-WholeBody to use.

    Attributes:
        min_box_px: Hands whose tight box has a shorter longer side are left out.
        max_bad_share: Share of a part's pictures that may be missing or broken: so many are left
            out; with more the data set is refused.
    """

    name: Literal["coco_hands"] = "coco_hands"
    min_box_px: float = Field(0.0, ge=0)
    max_bad_share: float = operational(0.001, ge=0, le=1)


def prepare_coco_hands(
    config: CocoHandsConfig, root: Path, *, processes: int, progress: Progress
) -> None:
    """Check the files once and keep an index of them beside them, so that opening is quick.

    Raises:
        ValueError: If annotations are missing, or more pictures than the settings allow.
    """
    del processes  # one pass over the files
    for part in _parts(root):
        index = _read(config, root, part, progress=progress)
        write_index(index)
        whole_rows(index, np.arange(len(index)), max_bad_share=config.max_bad_share)


def open_coco_hands(config: CocoHandsConfig, root: Path) -> HandData:
    """Open the splits; reads no picture.

    Raises:
        ValueError: As `prepare_coco_hands` does.
    """
    indices: dict[str, Index] = {part: _read(config, root, part) for part in _parts(root)}
    chosen = {part: (index, np.arange(len(index))) for part, index in indices.items()}
    scored = "samples" if "samples" in chosen else "val"
    splits = scored_alone(*chosen[scored], read_flat_hand, max_bad_share=config.max_bad_share)
    if "train" in chosen:
        splits["train"] = splits["unlabelled"] = official_split(
            *chosen["train"],
            read_flat_hand,
            first_id=num_ids(indices[scored]),
            max_bad_share=config.max_bad_share,
        )
    return folder_data(
        config,
        chosen,
        splits,
        left_out_small_or_without_extent={
            part: int(index.arrays["num_left_out"]) for part, index in indices.items()
        },
        has_depth=False,
        test_is_val=True,
        source=HOME_PAGE,
        licence="annotations: research, not for commerce; pictures: their authors' on Flickr",
    )


def _parts(root: Path) -> tuple[Part, ...]:
    if annotations_of_samples(root, "coco_wholebody") is not None:
        return ("samples",)
    return ("val", "train") if _annotations(root, "train").is_file() else ("val",)


def _annotations(root: Path, part: Part) -> Path:
    return root / "annotations" / f"coco_wholebody_{part}_v1.0.json"


def _read(
    config: CocoHandsConfig,
    root: Path,
    part: Part,
    *,
    progress: Progress = lambda _done, _total: None,
) -> Index:
    samples = annotations_of_samples(root, "coco_wholebody")
    source = Source(
        data_set=f"COCO-WholeBody's {part} part",
        root=root,
        name=f"coco_hands_{part}",
        annotations=[_annotations(root, part) if samples is None else samples],
        home_page=HOME_PAGE,
        made_as={
            "format": FORMAT,
            "pictures": f"{part}2017/" if samples is None else "",
            "min_box_px": config.min_box_px,
        },
    )
    return read_index(source, lambda: _parse(source), progress=progress)


def _parse(source: Source) -> Arrays:
    """Return `flat_arrays` of the hands that the annotations call valid."""
    (path,) = source.annotations
    hands = [
        hand
        for picture, person in annotated_pictures(path)
        for hand in _hands_of(person, source.made_as["pictures"] + picture["file_name"], source)
    ]
    return flat_arrays(hands, min_extent_px=source.made_as["min_box_px"])


def _hands_of(person: Record, picture: str, source: Source) -> Iterator[FlatHand]:
    for side in ("left", "right"):
        if not person.get(f"{side}hand_valid"):
            continue
        points = points_of(person, f"{side}hand_kpts", source.annotations[0])
        yield FlatHand(
            picture=picture,
            keypoints_px=points[:, :2],
            visible=points[:, 2] > 0,
            is_left=side == "left",
        )

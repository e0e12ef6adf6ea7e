"""MPII Human Pose (Andriluka et al., 2014), which you bring: people in photographs, in 2D.

In the JSON layout of S4 and of most work (records of `image`, `joints` 16 x 2, `joints_vis`):

    annot/train.json, annot/valid.json      or annotations/mpii_train.json, mpii_val.json
    annot/gt_valid.mat                      if it is there: head boxes of `valid`, for PCKh; without
                                            it, PCKh goes by the bone from neck to top of the head
    images/<image>

Nothing is known of depths or cameras (`BodySample.has_depth`). Joints are put into Human3.6M's
order, with a spine that is never visible. Training never sees a picture that is validated on;
MPII's own test part has no public labels, so `test` is `val`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.io import loadmat

from hpe.config import Config, operational
from hpe.data.bodies import BodyData, BodySample
from hpe.data.folder import Progress, as_names, folder_data, num_ids, official_split
from hpe.data.index import Arrays, Index, Source, read_index, whole_rows, write_index
from hpe.data.pictures import read_rgb
from hpe.geometry.body_skeleton import BODY_FROM_MPII_WITH_SPINE, HEAD, NECK
from hpe.metrics.body_pose import HEAD_BOX_SHARE

FOLDER_NAMES = ("mpii", "MPII", "mpii_human_pose")
"""What the data set's folder is called inside a folder of data sets."""

HOME_PAGE = "http://human-pose.mpi-inf.mpg.de/"
FORMAT = 1
"""To be raised when `_parse` gives something else for the same files."""

BOX_FACTOR = 1.25
"""Box over the tight box of the annotated joints; views widen it to the patch's aspect."""
FROM_ONE_BASED_PX = -0.5
"""MPII's first pixel is 1 at its centre; here it is 0.5."""
_MIN_VISIBLE = 2
_HEAD_BOXES = "gt_valid.mat"

Part = Literal["train", "valid"]
_FILES: Mapping[Part, tuple[str, str]] = {
    "train": ("annot/train.json", "annotations/mpii_train.json"),
    "valid": ("annot/valid.json", "annotations/mpii_val.json"),
}


class MpiiConfig(Config):
    """How to use MPII Human Pose.

    Attributes:
        max_bad_share: Share of a part's pictures that may be missing or broken: so many are left
            out; with more the data set is refused.
    """

    name: Literal["mpii"] = "mpii"
    max_bad_share: float = operational(0.001, ge=0, le=1)


def prepare_mpii(config: MpiiConfig, root: Path, *, processes: int, progress: Progress) -> None:
    """Check the files once and keep an index of them beside them, so that opening is quick.

    Raises:
        ValueError: If annotations are missing, or more pictures than the settings allow.
    """
    del processes  # a look at each file
    for part in _FILES:
        index = _read(root, part, progress=progress)
        write_index(index)
        whole_rows(index, np.arange(len(index)), max_bad_share=config.max_bad_share)


def open_mpii(config: MpiiConfig, root: Path) -> BodyData:
    """Open the splits; reads no picture.

    Raises:
        ValueError: As `prepare_mpii` does.
    """
    indices: dict[Part, Index] = {part: _read(root, part) for part in _FILES}
    train, valid = indices["train"], indices["valid"]
    validated_on = np.isin(train.arrays["picture"], valid.arrays["picture"])
    chosen = {
        "train": (train, np.flatnonzero(~validated_on)),
        "valid": (valid, np.arange(len(valid))),
    }
    trained_on, scored_on = (
        official_split(
            *chosen[part], read_person, first_id=first, max_bad_share=config.max_bad_share
        )
        for part, first in (("train", 0), ("valid", num_ids(train)))
    )
    return folder_data(
        config,
        chosen,
        {"unlabelled": trained_on, "train": trained_on, "val": scored_on, "test": scored_on},
        left_out_with_fewer_than_two_joints={
            part: int(index.arrays["num_left_out"]) for part, index in indices.items()
        },
        left_out_of_training_because_validated_on=int(validated_on.sum()),
        has_depth=False,
        has_head_boxes=bool(np.isfinite(valid.arrays["head_px"]).any()),
        test_is_val=True,
        source=HOME_PAGE,
        licence="BSD, for research; see the source",
    )


def read_person(index: Index, row: int) -> BodySample:
    """Read one sample of an index."""
    head_px = float(index.arrays["head_px"][row])
    keypoints_px = np.array(index.arrays["keypoints_px"][row])
    visible = np.array(index.arrays["visible"][row])
    return BodySample(
        image=read_rgb(index.picture_path(row)),
        keypoints_px=keypoints_px,
        depth_mm=np.zeros(len(BODY_FROM_MPII_WITH_SPINE)),
        visible=visible,
        has_depth=False,
        intrinsics=np.eye(3),
        pelvis_mm=np.zeros(3),
        box_px=np.array(index.arrays["box_px"][row]),
        unique_id=int(index.arrays["unique_id"][row]),
        head_px=head_px if np.isfinite(head_px) else None,
        head_bone_px=head_bone_px(keypoints_px, visible),
    )


def head_bone_px(
    keypoints_px: Float[np.ndarray, "17 2"], visible: Bool[np.ndarray, " 17"]
) -> float | None:
    """Return the distance of the upper neck from the top of the head, where both are known."""
    length_px = float(np.linalg.norm(keypoints_px[HEAD] - keypoints_px[NECK]))
    return length_px if visible[[NECK, HEAD]].all() and length_px > 0 else None


def box_around(
    keypoints_px: Float[np.ndarray, "17 2"], visible: Bool[np.ndarray, " 17"]
) -> Float[np.ndarray, " 4"]:
    """Return (left, top, width, height): the visible keypoints' tight box, 1.25 times as large.

    A side without extent gets that of the other.
    """
    known = keypoints_px[visible]
    low, high = known.min(axis=0), known.max(axis=0)
    size = BOX_FACTOR * (high - low)
    size = np.where(size > 0, size, max(float(size.max()), 1.0))
    return np.concatenate([(low + high - size) / 2, size])


def _read(root: Path, part: Part, *, progress: Progress = lambda _done, _total: None) -> Index:
    places = [root / name for name in _FILES[part]]
    annotations = [next((path for path in places if path.is_file()), places[0])]
    heads = annotations[0].with_name(_HEAD_BOXES)
    if part == "valid" and heads.is_file():
        annotations.append(heads)
    source = Source(
        data_set=f"MPII's {part} part",
        root=root,
        name=f"mpii_{part}",
        annotations=annotations,
        home_page=HOME_PAGE,
        made_as={"format": FORMAT, "heads": len(annotations) > 1},
    )
    return read_index(source, lambda: _parse(source), progress=progress)


def _parse(source: Source) -> Arrays:
    """Return a row for each person: `picture`, `unique_id`, `keypoints_px`, `visible`, `box_px` and
    `head_px` (NaN where unknown)."""
    records = _records(source.annotations[0])
    heads_px = np.full(len(records), np.nan)
    if len(source.annotations) > 1:
        heads_px = _head_sizes_px(source.annotations[1], len(records))
    people = [_person(record, source.annotations[0]) for record in records]
    kept = [n for n, (_, visible) in enumerate(people) if visible.sum() >= _MIN_VISIBLE]
    names = [f"images/{records[n]['image']}" for n in kept]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    boxes = [box_around(*people[n]) for n in kept]
    return {
        "picture": as_names(names),
        "unique_id": np.array([numbers[name] for name in names], dtype=np.int64),
        "keypoints_px": np.array([people[n][0] for n in kept]).reshape(-1, 17, 2),
        "visible": np.array([people[n][1] for n in kept], dtype=np.bool_).reshape(-1, 17),
        "box_px": np.array(boxes).reshape(-1, 4),
        "head_px": heads_px[kept],
        "num_left_out": np.array(len(records) - len(kept)),
    }


def _person(
    record: Mapping[str, Any], path: Path
) -> tuple[Float[np.ndarray, "17 2"], Bool[np.ndarray, " 17"]]:
    """Return keypoints and visibility in Human3.6M's order; unknown ones at the others' mean."""
    try:
        joints = np.array(record["joints"], dtype=np.float64).reshape(16, 2)
        known = np.array(record["joints_vis"]).reshape(16) > 0
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} must hold records of image, joints (16 x 2) and joints_vis (16): {error!r}."
        ) from error
    order = list(BODY_FROM_MPII_WITH_SPINE)
    visible = np.append(known, False)[order]
    keypoints_px = np.vstack([joints + FROM_ONE_BASED_PX, np.zeros((1, 2))])[order]
    middle = keypoints_px[visible].mean(axis=0) if visible.any() else np.zeros(2)
    return np.where(visible[:, None], keypoints_px, middle), visible


def _records(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        records = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from error
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise ValueError(f"{path} must hold a list of records, got a {type(records).__name__}.")
    return records


def _head_sizes_px(path: Path, count: int) -> Float[np.ndarray, " records"]:
    """Return MPII's head sizes from `headboxes_src`, whose corners are (2, 2, records)."""
    boxes = np.asarray(loadmat(path).get("headboxes_src"), dtype=np.float64)
    if boxes.shape != (2, 2, count):
        raise ValueError(
            f"{path} must hold headboxes_src of shape (2, 2, {count}), one box for each record "
            f"beside it, got {boxes.shape}."
        )
    sizes: np.ndarray = HEAD_BOX_SHARE * np.linalg.norm(boxes[1] - boxes[0], axis=0)
    return sizes

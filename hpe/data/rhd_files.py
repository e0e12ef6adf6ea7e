"""RHD's files: what lies where, and what the annotations say.

    <part>/color/00000.png                    <part> is training or evaluation; 320 x 320
    <part>/anno_<part>.npz                    the published anno_<part>.pickle, converted
    annotations/rhd_train.json, rhd_test.json mmpose's, in place of those: one hand per picture
    test_rhd.json, <file_name>                or a folder of samples (`sample_folder`)

The published annotations have, for each picture, `xyz` (42 x 3, metres in the camera), `uv_vis`
(42 x 3: pixels, and whether the joint is seen) and K. Joints 0 to 20 are the left hand's and 21 to
41 the right hand's: the wrist, then each finger from the tip to the knuckle. mmpose's have
`joint_cam` (21 x 3, mm), `keypoints`, `hand_type`, and the picture's `cam_param`, in that order.
`mask/` and `depth/` are not read.
"""

from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Bool, Float, Int

from hpe.data.coco_json import annotated_pictures, points_of
from hpe.data.folder import as_names
from hpe.data.index import Arrays, Source
from hpe.data.sample_folder import annotations_of_samples
from hpe.geometry.camera import project
from hpe.geometry.skeleton import FREIHAND_FROM_RHD, NUM_JOINTS

HOME_PAGE = (
    "https://lmb.informatik.uni-freiburg.de/resources/datasets/RenderedHandposeDataset.en.html"
)
FORMAT = 1
"""To be raised when `parse_part` gives something else for the same files."""

SIDE_PX = 320
Part = Literal["training", "evaluation", "samples"]

_MMPOSE = {"training": "rhd_train.json", "evaluation": "rhd_test.json"}
_ORDER = np.array(FREIHAND_FROM_RHD)
_MIN_INSIDE = 2  # fewer have no extent to crop by


def part_source(root: Path, part: Part) -> Source:
    """Return what the index of a part is made from.

    Raises:
        ValueError: If the annotations are there as a pickle alone, with the command that converts
            them.
    """
    return Source(
        data_set=f"RHD's {part} part",
        root=root,
        name=f"rhd_{part}",
        annotations=[_annotations(root, part)],
        home_page=HOME_PAGE,
        made_as={"format": FORMAT, "part": part},
    )


def _annotations(root: Path, part: Part) -> Path:
    if part == "samples":
        found = annotations_of_samples(root, "rhd")
        assert found is not None
        return found
    published, converted = root / part / f"anno_{part}.npz", root / "annotations" / _MMPOSE[part]
    if not published.is_file() and converted.is_file():
        return converted
    pickled = published.with_suffix(".pickle")
    if not published.is_file() and pickled.is_file():
        raise ValueError(
            f"{pickled} is a pickle, that is a program, and is not read here. If you trust it: "
            f"python sweep/convert.py --trust {pickled} --out {published}."
        )
    return published


def parse_part(source: Source) -> Arrays:
    """Return a row per hand of which at least two joints are inside its picture.

    Rows have `picture`, `unique_id` (a number for each picture), `is_left`, `joints_m`,
    `intrinsics`, `inside` (whether each joint projects into the picture) and `num_seen` (joints
    that the annotations call seen). `num_left_out` counts the other hands.

    Raises:
        ValueError: If the file does not hold what it should.
    """
    (path,) = source.annotations
    part = source.made_as["part"]
    return _from_columns(path, part) if path.suffix == ".npz" else _from_json(path)


def _from_columns(path: Path, part: str) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as columns:
            numbers = columns["key_0"].astype(np.int64)
            xyz_m = columns["xyz"].astype(np.float64).reshape(len(numbers) * 2, NUM_JOINTS, 3)
            seen = columns["uv_vis"].reshape(len(xyz_m), NUM_JOINTS, 3)[:, :, 2] > 0
            intrinsics = columns["K"].astype(np.float64).reshape(len(numbers), 3, 3)
    except (KeyError, OSError, ValueError, BadZipFile) as error:
        raise ValueError(
            f"{path} must hold key_0, xyz, uv_vis and K of RHD's pictures, as sweep/convert.py "
            f"writes them: {error}."
        ) from error
    names = as_names([f"{part}/color/{number:05d}.png" for number in numbers.tolist()])
    return _rows(
        picture=np.repeat(names, 2),
        unique_id=np.repeat(numbers, 2),
        is_left=np.tile([True, False], len(numbers)),
        joints_m=xyz_m[:, _ORDER],
        intrinsics=np.repeat(intrinsics, 2, axis=0),
        size_px=np.full((len(xyz_m), 2), SIDE_PX),
        num_seen=seen.sum(axis=1),
    )


def _from_json(path: Path) -> Arrays:
    annotated = annotated_pictures(path)
    names = [picture["file_name"] for picture, _ in annotated]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    try:
        joints_mm = np.array([note["joint_cam"] for _, note in annotated], dtype=np.float64)
        joints_m = joints_mm.reshape(-1, NUM_JOINTS, 3)[:, _ORDER] / 1000
        intrinsics = np.array([_intrinsics(picture["cam_param"]) for picture, _ in annotated])
        size_px = np.array([(picture["width"], picture["height"]) for picture, _ in annotated])
        is_left = np.array([note["hand_type"] == "left" for _, note in annotated], dtype=bool)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} must hold images (file_name, width, height, cam_param) and annotations "
            f"(joint_cam {NUM_JOINTS} x 3, hand_type): {error!r}."
        ) from error
    seen = [points_of(note, "keypoints", path)[:, 2] > 0 for _, note in annotated]
    return _rows(
        picture=as_names(names),
        unique_id=np.array([numbers[name] for name in names], dtype=np.int64),
        is_left=is_left,
        joints_m=joints_m,
        intrinsics=intrinsics.reshape(-1, 3, 3),
        size_px=size_px.reshape(-1, 2),
        num_seen=np.array(seen, dtype=bool).reshape(-1, NUM_JOINTS).sum(axis=1),
    )


def _intrinsics(camera: Any) -> Float[np.ndarray, "3 3"]:
    intrinsics = np.diag([*camera["focal"], 1.0])
    intrinsics[:2, 2] = camera["princpt"]
    return intrinsics


def _rows(
    *,
    joints_m: Float[np.ndarray, "hands 21 3"],
    intrinsics: Float[np.ndarray, "hands 3 3"],
    size_px: Int[np.ndarray, "hands 2"],
    **columns: np.ndarray,
) -> Arrays:
    """Return the arrays of the hands that can be used."""
    in_front = (joints_m[:, :, 2] > 0).all(axis=1)
    inside = np.zeros(joints_m.shape[:2], dtype=bool)
    inside[in_front] = _inside(joints_m[in_front], intrinsics[in_front], size_px[in_front])
    kept = inside.sum(axis=1) >= _MIN_INSIDE
    columns |= {"joints_m": joints_m, "intrinsics": intrinsics, "inside": inside}
    return {
        **{name: values[kept] for name, values in columns.items()},
        "num_left_out": np.array(int((~kept).sum())),
    }


def _inside(
    joints_m: Float[np.ndarray, "hands 21 3"],
    intrinsics: Float[np.ndarray, "hands 3 3"],
    size_px: Int[np.ndarray, "hands 2"],
) -> Bool[np.ndarray, "hands 21"]:
    keypoints_px = project(joints_m, intrinsics)
    inside: np.ndarray = np.all((keypoints_px >= 0) & (keypoints_px < size_px[:, None]), axis=2)
    return inside

"""InterHand2.6M's original files at 5 frames/s: what lies where, and what the annotations say.

    InterHand2.6M.annotations.5.fps/<annotations>/InterHand2.6M_<part>_data.json
    InterHand2.6M.annotations.5.fps/<annotations>/InterHand2.6M_<part>_camera.json
    InterHand2.6M.annotations.5.fps/<annotations>/InterHand2.6M_<part>_joint_3d.json
    InterHand2.6M_5fps_batch0/images/<part>/<file_name>

    test_interhand2.6m_data.json, ..., <file_name>      or a folder of samples (`sample_folder`)

`<annotations>` is human_annot, machine_annot or all; `<part>` is train or test. Joints 0 to 20 are
the right hand's and 21 to 41 the left hand's, each finger from the tip to the knuckle, the wrist
last. Positions are millimetres in the world; a camera sees (world - campos) camrot^T.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hpe.data.folder import as_names
from hpe.data.index import Arrays, Source
from hpe.geometry.skeleton import FREIHAND_FROM_INTERHAND, NUM_JOINTS

HOME_PAGE = "https://mks0601.github.io/InterHand2.6M/"
ANNOTATION_FOLDER = "InterHand2.6M.annotations.5.fps"
IMAGE_FOLDER = "InterHand2.6M_5fps_batch0/images"
FORMAT = 1
"""To be raised when `parse_part` gives something else for the same files."""

Annotations = Literal["human_annot", "machine_annot", "all"]
Part = Literal["train", "test", "samples"]
SAMPLES = "interhand2.6m"

_SIDES = {"right": ("right",), "left": ("left",), "interacting": ("right", "left")}
_ORDER = np.array(FREIHAND_FROM_INTERHAND)


def part_source(root: Path, part: Part, annotations: Annotations) -> Source:
    """Return what the index of a part is made from; samples are annotated in one way alone."""
    folder = root / ANNOTATION_FOLDER / annotations
    kinds = ("data", "camera", "joint_3d")
    if part == "samples":
        files = [root / f"test_{SAMPLES}_{kind}.json" for kind in kinds]
    else:
        files = [folder / f"InterHand2.6M_{part}_{kind}.json" for kind in kinds]
    return Source(
        data_set=f"InterHand2.6M's {part} part ({annotations})",
        root=root,
        name=f"interhand_{annotations}_{part}",
        annotations=files,
        home_page=HOME_PAGE,
        made_as={"format": FORMAT, "part": part},
    )


def parse_part(source: Source) -> Arrays:
    """Return the arrays of a part: a row for each hand of each picture.

    Rows have `picture`, `unique_id` (a number for each moment, that is capture and frame), `camera`
    and `sequence` (rows of the arrays below), `is_right`, `interacting` and `visible`. Moments have
    `world_mm` (right hand, left hand); cameras have `campos_mm`, `camrot`, `focal_px` and
    `princpt_px`; sequences have `sequence_name`. Joints are in this project's order. Hands of
    unknown side, and hands without an annotated joint, have no row: `num_left_out` counts them.

    Raises:
        ValueError: If an annotation names a camera or moment that the other files do not have.
    """
    data, cameras, joints_3d = (json.loads(path.read_bytes()) for path in source.annotations)
    table = _Table(cameras, joints_3d, _moments(data))
    pictures = {picture["id"]: picture for picture in data["images"]}
    for annotation in data["annotations"]:
        try:
            table.add(annotation, pictures[annotation["image_id"]])
        except KeyError as error:
            raise ValueError(
                f"{source.root}: annotation {annotation.get('id')} of {source.annotations[0].name} "
                f"has no {error} in {', '.join(path.name for path in source.annotations)}."
            ) from error
    part = source.made_as["part"]
    return table.arrays("" if part == "samples" else f"{IMAGE_FOLDER}/{part}/")


def _moments(data: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Return (capture, frame) -> its number, in the order of both."""
    found = {(int(picture["capture"]), int(picture["frame_idx"])) for picture in data["images"]}
    return {
        (str(capture), str(frame)): number for number, (capture, frame) in enumerate(sorted(found))
    }


@dataclass
class _Table:
    """The rows found so far, and what they refer to."""

    camera_file: Mapping[str, Any]
    joint_file: Mapping[str, Any]
    moments: Mapping[tuple[str, str], int]
    rows: list[tuple[str, int, int, int, bool, bool]] = field(default_factory=list)
    visible: list[np.ndarray] = field(default_factory=list)
    cameras: dict[tuple[str, str], int] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    num_left_out: int = 0

    def add(self, annotation: Mapping[str, Any], picture: Mapping[str, Any]) -> None:
        """Add the hands of a picture."""
        capture, frame = str(picture["capture"]), str(picture["frame_idx"])
        moment = self.moments[capture, frame]
        at_moment = self.joint_file[capture][frame]
        self.camera_file[capture]["campos"][str(picture["camera"])]  # or a KeyError
        camera = self.cameras.setdefault((capture, str(picture["camera"])), len(self.cameras))
        sequence = self.sequences.setdefault(str(picture["seq_name"]), len(self.sequences))
        seen = _flags(annotation["joint_valid"]) & _flags(at_moment["joint_valid"])
        sides = _SIDES[annotation["hand_type"]] if annotation.get("hand_type_valid", 1) else ()
        self.num_left_out += not sides
        for side in sides:
            is_right = side == "right"
            visible = seen[0 if is_right else 1][_ORDER]
            if visible.sum() < 2:  # no extent to crop by
                self.num_left_out += 1
                continue
            name, interacting = picture["file_name"], annotation["hand_type"] == "interacting"
            self.rows.append((name, moment, camera, sequence, is_right, interacting))
            self.visible.append(visible)

    def arrays(self, images: str) -> Arrays:
        """Return all as arrays."""
        names, moments, cameras, sequences, right, interacting = (
            zip(*self.rows, strict=True) if self.rows else [()] * 6
        )
        return {
            "picture": as_names([f"{images}{name}" for name in names]),
            "unique_id": np.array(moments, dtype=np.int64),
            "camera": np.array(cameras, dtype=np.int32),
            "sequence": np.array(sequences, dtype=np.int32),
            "is_right": np.array(right, dtype=bool),
            "interacting": np.array(interacting, dtype=bool),
            "visible": np.array(self.visible, dtype=bool).reshape(-1, NUM_JOINTS),
            "world_mm": np.array([*self._world_mm()]).reshape(-1, 2, NUM_JOINTS, 3),
            "sequence_name": as_names(list(self.sequences)),
            "num_left_out": np.array(self.num_left_out),
            **{name: np.array(values) for name, values in self._camera_columns().items()},
        }

    def _world_mm(self) -> Iterator[np.ndarray]:
        for capture, frame in self.moments:
            at_moment = self.joint_file.get(capture, {}).get(frame)
            if at_moment is None:  # of no row either: `add` refuses those
                yield np.zeros((2, NUM_JOINTS, 3))
            else:
                hands = np.array(at_moment["world_coord"], dtype=np.float64)
                yield hands.reshape(2, NUM_JOINTS, 3)[:, _ORDER]

    def _camera_columns(self) -> dict[str, list[Any]]:
        keys = {
            "campos_mm": "campos",
            "camrot": "camrot",
            "focal_px": "focal",
            "princpt_px": "princpt",
        }
        return {
            name: [self.camera_file[capture][key][camera] for capture, camera in self.cameras]
            for name, key in keys.items()
        }


def _flags(joint_valid: Any) -> np.ndarray:
    """Return (2, 21) flags from 42 flags or 42 lists of one."""
    flags: np.ndarray = np.array(joint_valid, dtype=bool).reshape(2, NUM_JOINTS)
    return flags

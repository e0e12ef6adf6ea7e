"""Human3.6M's annotation files in S4's and mmpose's layouts, as the rows of an index."""

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hpe.data.bodies import rectangle_box_px
from hpe.data.folder import as_names
from hpe.data.index import Arrays, Source
from hpe.geometry.body_skeleton import NUM_BODY_JOINTS, PELVIS
from hpe.geometry.camera import project

HOME_PAGE = "http://vision.imar.ro/human3.6m/"
FORMAT = 1
"""To be raised when `parse_part` gives something else for the same files."""

Layout = Literal["s4", "mmpose"]
Part = Literal["train", "val", "test"]

LAYOUTS: Mapping[Layout, str] = {
    "s4": "S4's annot/*.pkl, converted",
    "mmpose": "mmpose's annotation_body3d",
}
ACTIONS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Posing", "Purchases", "Sitting",
    "SittingDown", "Smoking", "Photo", "Waiting", "Walking", "WalkDog", "WalkTogether",
)  # fmt: skip
"""Actions 2 to 16 of names such as `s_01_act_02_subact_01_ca_01`."""

_NUMBERED = re.compile(r"s_(\d+)_act_(\d+)_subact_(\d+)_ca_(\d+)")
_NAMED = re.compile(r"(S\d+)_([A-Za-z]+)([ _]\d+)?\.(\d+)")
_BODY3D = "annotation_body3d"
_PELVIS_GAP_PX = 2.0


def layout_of(root: Path) -> Layout:
    """Return how a folder is laid out; an empty one counts as S4's."""
    return "mmpose" if (root / _BODY3D).is_dir() else "s4"


def part_source(root: Path, part: Part) -> Source:
    """Return what the index of a part is made from.

    Raises:
        ValueError: If there is a pickle in place of what it is to be converted to.
    """
    layout = layout_of(root)
    if layout == "s4":
        annotations = [root / "annot" / f"{part}.npz"]
    else:
        rates = [root / _BODY3D / rate for rate in ("fps10", "fps50")]
        folder = next((rate for rate in rates if rate.is_dir()), rates[0])
        annotations = [folder / f"h36m_{part}.npz", root / _BODY3D / "cameras.npz"]
    for path in annotations:
        if not path.is_file() and path.with_suffix(".pkl").is_file():
            pickled = path.with_suffix(".pkl")
            raise ValueError(
                f"{pickled} is a pickle, that is a program, and is not read here. If you trust "
                f"it: python sweep/convert.py --trust {pickled} --out {path}."
            )
    return Source(
        data_set=f"Human3.6M's {part} part",
        root=root,
        name=f"h36m_{layout}_{part}",
        annotations=annotations,
        home_page=HOME_PAGE,
        made_as={"format": FORMAT, "layout": layout, "part": part},
    )


def parse_part(source: Source) -> Arrays:
    """Return the arrays of a part.

    Rows have `picture`, `unique_id` (a number for each moment), `subject`, `action`,
    `keypoints_px`, `depth_mm`, `visible`, `intrinsics`, `distortion` (OpenCV's k1, k2, p1, p2,
    k3), `pelvis_mm` and `box_px`. Keypoints are projections by K alone.

    Raises:
        ValueError: If a file does not hold what it should.
    """
    tables = [_read_table(path) for path in source.annotations]
    try:
        if source.made_as["layout"] == "s4":
            rows = _s4_rows(tables[0], source.root)
        else:
            rows = _mmpose_rows(tables[0], _cameras(tables[1]))
    except KeyError as error:
        files = ", ".join(str(path) for path in source.annotations)
        raise ValueError(f"{files}: {error} is missing.") from error
    names = [picture.decode() for picture in rows["picture"]]
    recordings = [_recording(name) for name in names]
    moments = {key: number for number, key in enumerate(dict.fromkeys(map(moment_of, names)))}
    return {
        **rows,
        "unique_id": np.array([moments[moment_of(name)] for name in names], dtype=np.int64),
        "subject": as_names([subject for subject, _ in recordings]),
        "action": as_names([action for _, action in recordings]),
    }


def _s4_rows(table: Arrays, root: Path) -> dict[str, np.ndarray]:
    """Return what S4's records say.

    Raises:
        ValueError: If the records' keypoints are not projections by K.
    """
    joints = np.asarray(table["joints_3d"], float).reshape(-1, NUM_BODY_JOINTS, 3)
    visible = np.asarray(table["joints_3d_vis"]).reshape(len(joints), NUM_BODY_JOINTS, -1)
    centre_px = np.stack([table["center_x"], table["center_y"]], axis=1).astype(float)
    size_px = np.stack([table["width"], table["height"]], axis=1).astype(float)
    intrinsics = _intrinsics(table["fl"], table["c_p"])
    pelvis_mm = np.asarray(table["pelvis"], float).reshape(-1, 3)
    gap_px = np.abs(project(pelvis_mm[:, None], intrinsics)[:, 0] - joints[:, PELVIS, :2])
    if len(gap_px) and gap_px.max() > _PELVIS_GAP_PX:
        raise ValueError(
            f"{root}: fl, c_p and pelvis put a pelvis {gap_px.max():.1f} px from where joints_3d "
            f"has it; at most {_PELVIS_GAP_PX} px can come from the lens."
        )
    return {
        "picture": as_names(_picture_names([_text(name) for name in table["image"]], root)),
        "keypoints_px": joints[:, :, :2],
        "depth_mm": joints[:, :, 2],
        "visible": visible[:, :, 0] > 0,
        "intrinsics": intrinsics,
        "distortion": _distortion(table.get("cam/k"), table.get("cam/p"), len(joints)),
        "pelvis_mm": pelvis_mm,
        "box_px": np.concatenate([centre_px - size_px / 2, size_px], axis=1),
    }


def _mmpose_rows(
    table: Arrays, cameras: Mapping[tuple[str, str], Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Return what mmpose's arrays say; S are camera coordinates in metres."""
    names = [_text(name) for name in table["imgname"]]
    joints_mm = 1000 * np.asarray(table["S"], float)[:, :, :3]
    chosen = [cameras[_camera_of(name)] for name in names]
    columns = {key: np.stack([camera[key] for camera in chosen]) for key in ("f", "c", "k", "p")}
    intrinsics = _intrinsics(columns["f"], columns["c"])
    pelvis_mm = joints_mm[:, PELVIS]
    return {
        "picture": as_names([f"images/{name}" for name in names]),
        "keypoints_px": project(joints_mm, intrinsics),
        "depth_mm": joints_mm[:, :, 2] - pelvis_mm[:, None, 2],
        "visible": np.asarray(table["S"])[:, :, 3] > 0,
        "intrinsics": intrinsics,
        "distortion": _distortion(columns["k"], columns["p"], len(names)),
        "pelvis_mm": pelvis_mm,
        "box_px": np.stack(
            [rectangle_box_px(p, K) for p, K in zip(pelvis_mm, intrinsics, strict=True)]
        ),
    }


def _cameras(table: Arrays) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Return (subject, camera) -> focal lengths, principal point and distortion."""
    keys = zip(table["key_0"], table["key_1"], strict=True)
    return {
        (_text(subject), _text(camera)): {name: table[name][row] for name in ("f", "c", "k", "p")}
        for row, (subject, camera) in enumerate(keys)
    }


def _intrinsics(focal_px: Any, principal_px: Any) -> np.ndarray:
    focal, principal = (np.asarray(v, float).reshape(-1, 2) for v in (focal_px, principal_px))
    K = np.zeros((len(focal), 3, 3))
    K[:, 0, 0], K[:, 1, 1] = focal.T
    K[:, :2, 2] = principal
    K[:, 2, 2] = 1
    return K


def _distortion(radial: Any, tangential: Any, count: int) -> np.ndarray:
    """Return OpenCV's coefficients; zeros where the files do not say them."""
    if radial is None or tangential is None:
        return np.zeros((count, 5))
    k, p = np.asarray(radial, float).reshape(-1, 3), np.asarray(tangential, float).reshape(-1, 2)
    return np.concatenate([k[:, :2], p, k[:, 2:]], axis=1)


def _picture_names(names: Sequence[str], root: Path) -> list[str]:
    """Return where pictures lie below the root, judged by the first of them."""
    if not names:
        return []
    forms = ("images/{name}", "{name}", "images/{recording}/{name}")

    def placed(form: str, name: str) -> str:
        return form.format(name=name, recording=re.sub(r"_\d+\.\w+$", "", Path(name).name))

    there = [form for form in forms if (root / placed(form, names[0])).is_file()]
    return [placed((there or list(forms))[0], name) for name in names]


def _recording(name: str) -> tuple[str, str]:
    """Return subject and action of a picture's name; empty where it does not say."""
    if numbered := _NUMBERED.search(name):
        action = int(numbered[2]) - 2
        known = ACTIONS[action] if 0 <= action < len(ACTIONS) else ""
        return f"S{int(numbered[1])}", known
    named = _NAMED.search(Path(name).name)
    return (named[1], named[2]) if named else ("", "")


def moment_of(name: str) -> str:
    """Return a name that the pictures of all cameras at one moment share."""
    stem = Path(name).stem
    return re.sub(r"_ca_\d+", "", stem) if _NUMBERED.search(stem) else re.sub(r"\.\d+", "", stem)


def _camera_of(name: str) -> tuple[str, str]:
    named = _NAMED.search(Path(name).name)
    if named is None:
        raise ValueError(f"{name} does not say subject and camera, as S1_Directions.54138969 does.")
    return named[1], named[4]


def _read_table(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no .npz file of plain arrays: {error}") from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

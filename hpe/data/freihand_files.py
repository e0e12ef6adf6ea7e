"""FreiHAND's original files: what lies where, checked once and kept in an index.

    training/rgb/00000000.jpg ...    version-major: version v of photograph i is image v * n + i
    training/mask/00000000.jpg ...   optional, one per photograph: white where hand and arm are
    training_K.json                  n x 3 x 3
    training_xyz.json                n x 21 x 3, metres, camera coordinates
    evaluation/rgb/00000000.jpg ...  one version
    evaluation_K.json, evaluation_xyz.json

The full training set has n = 32,560 photographs in 4 versions. All versions show the hand at the
same pixels (they are one photograph with different backgrounds and colours), so that one mask and
one annotation serve all four. Files that nothing here needs (scale, vertices, MANO parameters) may
be missing.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from hpe.data.index import file_times, found_in, listed, load_arrays, save_arrays
from hpe.data.pictures import picture_faults

HOME_PAGE = "https://lmb.informatik.uni-freiburg.de/projects/freihand/"


@dataclass(frozen=True)
class Part:
    """The annotated photographs of one part (training or evaluation).

    Attributes:
        root: The data set's folder.
        name: `training` or `evaluation`.
        intrinsics: K of each photograph.
        joints_m: Joints of each photograph, in the project's order, which is FreiHAND's.
        has_mask: Whether the photograph's mask is there, and whole.
        unreadable: Image number -> what is wrong with it; found when the files were checked.
        digest: SHA-256 over the annotation files' contents, every picture's name and size, and
            which are unreadable.
    """

    root: Path
    name: str
    intrinsics: Float[np.ndarray, "photographs 3 3"]
    joints_m: Float[np.ndarray, "photographs 21 3"]
    has_mask: Bool[np.ndarray, " photographs"]
    unreadable: Mapping[int, str]
    digest: str

    def __len__(self) -> int:
        """Return the number of photographs, each counted once."""
        return len(self.joints_m)

    def image_path(self, *, photograph: int, version: int = 0) -> Path:
        """Return where a version of a photograph lies."""
        return self.root / self.name / "rgb" / picture_name(version * len(self) + photograph)

    def mask_path(self, *, photograph: int) -> Path:
        """Return where a photograph's mask lies, if it `has_mask`."""
        return self.root / self.name / "mask" / picture_name(photograph)


def read_part(root: Path, name: str, *, num_versions: int) -> Part:
    """Return a part's annotations from its index, or from its files where that is not current.

    Raises:
        ValueError: If the part is missing or incomplete: what was looked for, what was found.
    """
    _require_layout(root, name)
    part = _from_index(root, name)
    return _from_files(root, name, num_versions=num_versions) if part is None else part


def write_index(part: Part) -> None:
    """Keep a part's annotations in a form that opens at once; a read-only folder stays as it is."""
    save_arrays(
        _index_path(part.root, part.name),
        stamp=_stamp(part.root, part.name),
        arrays={
            "intrinsics": part.intrinsics,
            "joints_m": part.joints_m,
            "has_mask": part.has_mask,
            "unreadable": np.array(list(part.unreadable), dtype=np.int64),
            "faults": np.array(list(part.unreadable.values()), dtype=np.str_),
            "digest": np.array(part.digest),
        },
    )


def _from_index(root: Path, name: str) -> Part | None:
    """Return the indexed part, or None where there is no index or a file changed since."""
    kept = load_arrays(_index_path(root, name), stamp=_stamp(root, name))
    if kept is None:
        return None
    return Part(
        root=root,
        name=name,
        intrinsics=kept["intrinsics"],
        joints_m=kept["joints_m"],
        has_mask=kept["has_mask"],
        unreadable=dict(zip(kept["unreadable"].tolist(), kept["faults"].tolist(), strict=True)),
        digest=kept["digest"].item(),
    )


def _from_files(root: Path, name: str, *, num_versions: int) -> Part:
    annotations = {path: path.read_bytes() for path in _annotation_paths(root, name)}
    intrinsics, joints_m = (
        parse_matrices(content, path, shape=shape)
        for (path, content), shape in zip(annotations.items(), ((3, 3), (21, 3)), strict=True)
    )
    if len(intrinsics) != len(joints_m):
        raise ValueError(
            f"{name}_K.json and {name}_xyz.json must have one entry per photograph, got "
            f"{len(intrinsics)} and {len(joints_m)} in {root}."
        )
    images, masks = (_pictures(root / name / kind) for kind in ("rgb", "mask"))
    _require_images(root, name, images=images, num_images=num_versions * len(joints_m))
    faults = picture_faults(root / name / "rgb", images)
    no_masks = picture_faults(root / name / "mask", masks)
    contents = {
        "annotations": [hashlib.sha256(content).hexdigest() for content in annotations.values()],
        "images": sorted(images.items()),
        "masks": sorted(masks.items()),
        **({"unreadable": [sorted(faults), sorted(no_masks)]} if faults or no_masks else {}),
    }
    whole_masks = masks.keys() - no_masks.keys()
    return Part(
        root=root,
        name=name,
        intrinsics=intrinsics,
        joints_m=joints_m,
        has_mask=np.array([picture_name(i) in whole_masks for i in range(len(joints_m))]),
        unreadable={
            number: faults[picture_name(number)]
            for number in range(num_versions * len(joints_m))
            if picture_name(number) in faults
        },
        digest=hashlib.sha256(json.dumps(contents).encode()).hexdigest(),
    )


def parse_matrices(
    content: bytes, path: Path, *, shape: tuple[int, int]
) -> Float[np.ndarray, "photographs rows columns"]:
    """Return a matrix per photograph from a JSON file's content.

    Raises:
        ValueError: If it is something else; the message names `path`.
    """
    expected = f"a JSON list with a {shape[0]} x {shape[1]} matrix per photograph"
    try:
        values = np.array(json.loads(content), dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{path} must hold {expected}: {error}.") from error
    if values.shape[1:] != shape or len(values) == 0:
        raise ValueError(f"{path} must hold {expected}, got an array of shape {values.shape}.")
    return values


def _pictures(folder: Path) -> dict[str, int]:
    """Return name -> size in bytes of the pictures in a folder; nothing where there is none."""
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat().st_size for entry in entries if _is_picture(entry.name)}


def _require_layout(root: Path, name: str) -> None:
    wanted = [*_annotation_paths(root, name), root / name / "rgb"]
    missing = [path.relative_to(root) for path in wanted if not path.exists()]
    if missing:
        raise ValueError(
            f"FreiHAND's {name} part is not complete in {root}: looked for "
            f"{listed(path.relative_to(root) for path in wanted)}; missing {listed(missing)}; "
            f"found {found_in(root)}. Unpack the original files ({HOME_PAGE}) and give their "
            f"folder with --data-dir."
        )


def _require_images(root: Path, name: str, *, images: dict[str, int], num_images: int) -> None:
    expected = [picture_name(number) for number in range(num_images)]
    missing = [picture for picture in expected if picture not in images]
    if missing:
        raise ValueError(
            f"FreiHAND's {name} part is not complete in {root}: looked for {num_images} pictures, "
            f"{expected[0]} to {expected[-1]}, in {name}/rgb; found {num_images - len(missing)} of "
            f"them; missing: {listed(missing[:3])}{', ...' if len(missing) > 3 else ''}. "
            f"Unpack the original files ({HOME_PAGE}) once more."
        )


def _stamp(root: Path, name: str) -> str:
    """Return what changes when a part's files do: annotations' sizes and times, folders' times.

    A picture rewritten in place goes unnoticed; one added, removed or replaced does not.
    """
    folders = [root / name / kind for kind in ("rgb", "mask")]
    return json.dumps(
        {
            "files": file_times(_annotation_paths(root, name)),
            "folders": [path.stat().st_mtime_ns if path.is_dir() else None for path in folders],
        }
    )


def _annotation_paths(root: Path, name: str) -> tuple[Path, Path]:
    return root / f"{name}_K.json", root / f"{name}_xyz.json"


def _index_path(root: Path, name: str) -> Path:
    return root / f"{name}_index.npz"


def picture_name(number: int) -> str:
    """Return the file name of an image or mask."""
    return f"{number:08d}.jpg"


def _is_picture(name: str) -> bool:
    return name.endswith(".jpg")

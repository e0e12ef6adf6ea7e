"""OneHand10K (Wang et al., TCSVT 2018): one hand in each photograph, annotated by people, in 2D.

    Train/source/<name>.jpg, Train/label_joint.txt      as published
    Test/source/<name>.jpg, Test/label_joint.txt
    annotations/onehand10k_train.json, onehand10k_test.json      mmpose's, in place of the texts
    test_onehand10k.json, <name>.jpg                    or a folder of samples (`sample_folder`)
    sides.json                                          optional: {"Train/source/0.jpg": "left"}

A line of `label_joint.txt` is name, width, height, a number, and the u, v of 21 keypoints, (-1, -1)
where one is not seen, all between commas. Keypoints are in this project's order. The data set does
not say which hand a picture shows, and networks here know right hands: those of `sides.json` are
known, and `unknown_side` says what the others are taken for.

The splits come from Train; `test` is a held-out share of it, unless `final`.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from hpe.config import Config, operational
from hpe.data.coco_json import annotated_pictures, points_of
from hpe.data.flat_hands import FlatHand, flat_arrays, read_flat_hand
from hpe.data.folder import Progress, folder_data
from hpe.data.hands import HandData
from hpe.data.index import Arrays, Index, Source, read_index, whole_rows, write_index
from hpe.data.sample_folder import annotations_of_samples, require_no_final, splits_of_parts
from hpe.data.splits import require_training_share
from hpe.geometry.skeleton import NUM_JOINTS

FOLDER_NAMES = ("onehand10k", "OneHand10K")
"""What the data set's folder is called inside a folder of data sets."""

HOME_PAGE = "https://www.yangangwang.com/papers/WANG-MCC-2018-10.html"
FORMAT = 1
"""To be raised when `_parse` gives something else for the same files."""

SIDES_FILE = "sides.json"
Side = Literal["right", "left"]
Part = Literal["Train", "Test", "samples"]

_MMPOSE = {"Train": "onehand10k_train.json", "Test": "onehand10k_test.json"}
_POINTS_FROM = 4  # fields of a line before the keypoints


class OneHand10KConfig(Config):
    """How to split OneHand10K, and which hands it shows.

    Attributes:
        unknown_side: What hands are taken for that `sides.json` does not name.
        val_share: Share of Train's photographs to validate on.
        test_share: Share to test on.
        split_seed: Decides which photographs these are.
        final: Test on the official Test part instead, once choices are made.
        max_bad_share: Share of a part's pictures that may be missing or broken: so many are left
            out; with more the data set is refused.
    """

    name: Literal["onehand10k"] = "onehand10k"
    unknown_side: Side = "right"
    val_share: float = Field(0.1, gt=0, lt=1)
    test_share: float = Field(0.1, gt=0, lt=1)
    split_seed: int = Field(0, ge=0)
    final: bool = False
    max_bad_share: float = operational(0.001, ge=0, le=1)

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> "OneHand10KConfig":
        require_training_share(self.val_share, self.test_share)
        return self


def prepare_onehand10k(
    config: OneHand10KConfig, root: Path, *, processes: int, progress: Progress
) -> None:
    """Check the files once and keep an index of them beside them, so that opening is quick.

    Raises:
        ValueError: If annotations are missing, or more pictures than the settings allow.
    """
    del processes  # one pass over the files
    for part in _parts(config, root):
        index = _read(config, root, part, progress=progress)
        write_index(index)
        whole_rows(index, np.arange(len(index)), max_bad_share=config.max_bad_share)


def open_onehand10k(config: OneHand10KConfig, root: Path) -> HandData:
    """Open the splits; reads no picture.

    Raises:
        ValueError: As `prepare_onehand10k` does.
    """
    parts = _parts(config, root)
    indices: dict[str, Index] = {part: _read(config, root, part) for part in parts}
    chosen = {part: (index, np.arange(len(index))) for part, index in indices.items()}
    splits = splits_of_parts(config, chosen, read_flat_hand, train="Train", test="Test")
    return folder_data(
        config,
        chosen,
        splits,
        left_out_without_extent={
            part: int(index.arrays["num_left_out"]) for part, index in indices.items()
        },
        hands_of_known_side={
            part: int(index.arrays["side_is_known"].sum()) for part, index in indices.items()
        },
        **_caveat(config, indices.values()),
        has_depth=False,
        test_is_official_test_part=config.final,
        source=HOME_PAGE,
        licence="research only; see the source",
    )


def _caveat(config: OneHand10KConfig, indices: Iterable[Index]) -> dict[str, str]:
    """Return what to know before reading scores: hands whose side was not said."""
    is_known = np.concatenate([index.arrays["side_is_known"] for index in indices])
    if is_known.all():
        return {}
    unknown, total = int((~is_known).sum()), len(is_known)
    return {
        "caveat": f"which hand it is, is not known of {unknown} of {total} hands, which are taken "
        f"for {config.unknown_side} ones; {SIDES_FILE} can say it"
    }


def _parts(config: OneHand10KConfig, root: Path) -> tuple[Part, ...]:
    if annotations_of_samples(root, "onehand10k") is not None:
        require_no_final(root, final=config.final)
        return ("samples",)
    return ("Train", "Test") if config.final else ("Train",)


def _read(
    config: OneHand10KConfig,
    root: Path,
    part: Part,
    *,
    progress: Progress = lambda _done, _total: None,
) -> Index:
    annotations = [_annotations(root, part)]
    if (root / SIDES_FILE).is_file():
        annotations.append(root / SIDES_FILE)
    source = Source(
        data_set=f"OneHand10K's {part} part",
        root=root,
        name=f"onehand10k_{part.lower()}",
        annotations=annotations,
        home_page=HOME_PAGE,
        made_as={
            "format": FORMAT,
            "part": part,
            "unknown_side": config.unknown_side,
            "has_sides": len(annotations) > 1,
        },
    )
    return read_index(source, lambda: _parse(source), progress=progress)


def _annotations(root: Path, part: Part) -> Path:
    """Return the published text of a part, or mmpose's JSON where only that is there."""
    if part == "samples":
        found = annotations_of_samples(root, "onehand10k")
        assert found is not None
        return found
    published, converted = root / part / "label_joint.txt", root / "annotations" / _MMPOSE[part]
    return converted if converted.is_file() and not published.is_file() else published


def _parse(source: Source) -> Arrays:
    """Return `flat_arrays`, and whether each hand's `side_is_known`."""
    path = source.annotations[0]
    if path.suffix == ".txt":
        points = _published(path, f"{source.made_as['part']}/source")
    else:
        points = [
            (picture["file_name"], points_of(note, "keypoints", path))
            for picture, note in annotated_pictures(path)
        ]
    sides = _sides(source.annotations[1]) if source.made_as["has_sides"] else {}
    hands = [
        FlatHand(
            picture=name,
            keypoints_px=uvs[:, :2],
            visible=uvs[:, 2] > 0,
            is_left=sides.get(name, source.made_as["unknown_side"]) == "left",
        )
        for name, uvs in points
    ]
    arrays = flat_arrays(hands)
    known = [name.decode() in sides for name in arrays["picture"].tolist()]
    return {**arrays, "side_is_known": np.array(known, dtype=bool)}


def _published(path: Path, folder: str) -> list[tuple[str, Float[np.ndarray, "21 3"]]]:
    """Return pictures and the (u, v, seen) of their hands.

    Raises:
        ValueError: With the line that has another form.
    """
    found = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        name, *fields = (text.strip() for text in line.split(","))
        try:
            values = np.array(fields[_POINTS_FROM - 1 :], dtype=np.float64)
            uv = values.reshape(NUM_JOINTS, 2)
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number}: must be a name, width, height, a number, and {NUM_JOINTS} "
                f"times u, v, got {len(fields) + 1} fields: {error}."
            ) from error
        seen = np.all(uv >= 0, axis=1)
        found.append((f"{folder}/{name}", np.column_stack([uv, seen])))
    return found


def _sides(path: Path) -> Mapping[str, Side]:
    try:
        sides = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from error
    if not isinstance(sides, dict) or not set(sides.values()) <= {"left", "right"}:
        raise ValueError(
            f'{path} must hold an object like {{"Train/source/0.jpg": "left"}}, with left or right '
            f"for each picture."
        )
    return sides

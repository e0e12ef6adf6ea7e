"""A folder of samples of FreiHAND: a few of its pictures with keypoints, without K and depths.

    test_freihand.json, 00017620.jpg, 00050180.jpg ...

The annotations are mmpose's. Pictures are called as in FreiHAND, so that numbers 32,560 apart are
versions of one photograph.
"""

from pathlib import Path, PurePosixPath

from hpe.data.coco_json import annotated_pictures, points_of
from hpe.data.flat_hands import FlatHand, flat_arrays
from hpe.data.index import Arrays, Source
from hpe.data.sample_folder import annotations_of_samples

PHOTOGRAPHS = 32_560
FORMAT = 1
"""To be raised when `parse_samples` gives something else for the same files."""


def samples_source(root: Path, home_page: str) -> Source | None:
    """Return what the index of a folder of samples is made from, or None if it is not one."""
    annotations = annotations_of_samples(root, "freihand")
    if annotations is None:
        return None
    return Source(
        data_set="FreiHAND's samples",
        root=root,
        name="freihand_samples",
        annotations=[annotations],
        home_page=home_page,
        made_as={"format": FORMAT},
    )


def parse_samples(source: Source) -> Arrays:
    """Return `flat_arrays`; FreiHAND has right hands alone.

    Raises:
        ValueError: If the file does not hold what it should.
    """
    (path,) = source.annotations
    hands = []
    for picture, note in annotated_pictures(path):
        points = points_of(note, "keypoints", path)
        hands.append(FlatHand(picture["file_name"], points[:, :2], points[:, 2] > 0, is_left=False))
    return flat_arrays(hands, photograph_of=_photograph)


def _photograph(picture: str) -> str:
    stem = PurePosixPath(picture).stem
    return str(int(stem) % PHOTOGRAPHS) if stem.isdigit() else picture

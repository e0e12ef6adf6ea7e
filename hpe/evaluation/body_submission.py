"""Predicted bodies as tables in S4's format: Id and 51 numbers, in millimetres, 4 decimals.

Joints are relative to the pelvis, x right, y down, z forward in the camera, in the order of
`hpe.geometry.body_skeleton`: columns 3 j, 3 j + 1 and 3 j + 2 are joint j's. The table of the truth
also says which part of the test set a picture is in: 0 for subject 9, 1 for the others.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from hpe.geometry.body_skeleton import NUM_BODY_JOINTS
from hpe.metrics.body_pose import root_aligned
from hpe.whole_file import replacing

COORDINATES = tuple(f"{axis}{joint}" for joint in range(NUM_BODY_JOINTS) for axis in "xyz")
DECIMALS = 4
FIRST_PART = "S9"
"""The subject whose pictures are the first part of the test set."""


def write_predicted_bodies(
    path: Path, joints_mm: Float[Tensor, "samples 17 3"], *, ids: Sequence[int | str]
) -> None:
    """Write the table of predictions.

    Args:
        path: A CSV file, replaced as a whole.
        joints_mm: Joints in the camera's space; the pelvis is subtracted here.
        ids: What each picture is called.

    Raises:
        ValueError: If a coordinate is not finite, or ids are missing or come twice.
    """
    _write(path, ("Id", *COORDINATES), _rows(joints_mm, ids))


def write_true_bodies(
    path: Path,
    joints_mm: Float[Tensor, "samples 17 3"],
    *,
    ids: Sequence[int | str],
    subjects: Sequence[str],
) -> None:
    """Write the table of the truth, with the part that each picture is in.

    Args:
        path: A CSV file, replaced as a whole.
        joints_mm: Joints in the camera's space; the pelvis is subtracted here.
        ids: What each picture is called.
        subjects: Who is in it, such as S9.

    Raises:
        ValueError: As for predictions, or if subjects are missing.
    """
    if len(subjects) != len(joints_mm):
        raise ValueError(
            f"each body needs its subject, got {len(subjects)} for {len(joints_mm)} bodies."
        )
    parts = [str(int(subject != FIRST_PART)) for subject in subjects]
    rows = [[*row, part] for row, part in zip(_rows(joints_mm, ids), parts, strict=True)]
    _write(path, ("Id", *COORDINATES, "Split"), rows)


def _rows(joints_mm: Float[Tensor, "samples 17 3"], ids: Sequence[int | str]) -> list[list[str]]:
    if len(set(ids)) != len(joints_mm) or len(ids) != len(joints_mm):
        raise ValueError(
            f"each body needs an id of its own, got {len(set(ids))} different ones of {len(ids)} "
            f"for {len(joints_mm)} bodies."
        )
    if not bool(torch.isfinite(joints_mm).all()):
        raise ValueError("a submission must be finite, got nan or infinity among its joints.")
    numbers = root_aligned(joints_mm).flatten(1).tolist()
    return [
        [str(name), *(f"{value:.{DECIMALS}f}" for value in body)]
        for name, body in zip(ids, numbers, strict=True)
    ]


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([header, *rows])

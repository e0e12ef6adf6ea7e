"""S4's tables of bodies, read back by hand."""

import csv

import pytest
import torch

from hpe.evaluation.body_submission import write_predicted_bodies, write_true_bodies


def bodies(count=3):
    generator = torch.Generator().manual_seed(0)
    return 1000 * torch.randn(count, 17, 3, generator=generator, dtype=torch.float64)


def read(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_a_row_is_an_id_and_51_numbers_relative_to_the_pelvis(tmp_path):
    joints_mm = bodies()
    write_predicted_bodies(tmp_path / "pred.csv", joints_mm, ids=["a", "b", "c"])
    header, *rows = read(tmp_path / "pred.csv")
    assert header[:5] == ["Id", "x0", "y0", "z0", "x1"]
    assert [len(row) for row in (header, *rows)] == [52] * 4
    assert [row[0] for row in rows] == ["a", "b", "c"]
    wrist = (joints_mm[1, 16] - joints_mm[1, 0]).tolist()
    assert rows[1][1:4] == ["0.0000"] * 3
    assert rows[1][-3:] == [f"{value:.4f}" for value in wrist]


def test_the_truth_says_that_subject_9_is_the_first_part(tmp_path):
    write_true_bodies(tmp_path / "gt.csv", bodies(), ids=[4, 5, 6], subjects=["S9", "S11", "S9"])
    header, *rows = read(tmp_path / "gt.csv")
    assert header[-1] == "Split"
    assert [(row[0], row[-1]) for row in rows] == [("4", "0"), ("5", "1"), ("6", "0")]


def test_what_is_not_a_submission_is_refused(tmp_path):
    path = tmp_path / "pred.csv"
    with pytest.raises(ValueError, match="id of its own, got 2 different ones of 3"):
        write_predicted_bodies(path, bodies(), ids=[1, 1, 2])
    broken = bodies()
    broken[2, 3, 1] = torch.nan
    with pytest.raises(ValueError, match="must be finite"):
        write_predicted_bodies(path, broken, ids=[1, 2, 3])
    with pytest.raises(ValueError, match="needs its subject, got 1 for 3"):
        write_true_bodies(path, bodies(), ids=[1, 2, 3], subjects=["S9"])
    assert not path.exists()

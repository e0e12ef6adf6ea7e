"""Pickled annotations become columns, and what a pickle wants to run is not run."""

import os
import pickle

import numpy as np
import pytest

from sweep.convert import convert_records
from sweep.unpickling import write_columns


class Hostile:
    """Runs a command when unpickled in earnest."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def converted(content, tmp_path, *, apart=False):
    source, target = tmp_path / "train.pkl", tmp_path / "train.npz"
    source.write_bytes(pickle.dumps(content))
    if apart:
        convert_records(source, target)
    else:
        assert write_columns(str(source), str(target)) == 0
    with np.load(target, allow_pickle=False) as columns:
        return {name: columns[name] for name in columns.files}


@pytest.mark.slow
def test_records_of_four_cameras_become_columns_and_nothing_runs(tmp_path):
    witness = tmp_path / "it-ran"
    cameras = {
        camera: [
            {
                "image": f"ca_{camera}.jpg",
                "joints_3d": np.full((17, 3), float(camera)),
                "cam": {"f": np.array([[1.0], [2.0]]), "name": "c"},
                "sometimes": 1 if camera == 1 else None,
                "hostile": Hostile(witness),
            }
        ]
        for camera in (1, 2)
    }
    columns = converted(cameras, tmp_path, apart=True)
    assert not witness.exists()
    assert set(columns) == {"key_0", "image", "joints_3d", "cam/f", "cam/name"}
    assert columns["key_0"].tolist() == [1, 2]
    assert columns["image"].tolist() == [b"ca_1.jpg", b"ca_2.jpg"]
    assert columns["joints_3d"][:, 0, 0].tolist() == [1.0, 2.0]
    assert columns["cam/f"].shape == (2, 2, 1)


def test_cameras_under_pairs_of_names_have_a_column_for_each(tmp_path):
    cameras = {
        ("S1", "54138969"): {"f": np.ones((2, 1))},
        ("S5", "55011271"): {"f": np.ones((2, 1))},
    }
    columns = converted(cameras, tmp_path)
    assert columns["key_0"].tolist() == [b"S1", b"S5"]
    assert columns["key_1"].tolist() == [b"54138969", b"55011271"]


def test_a_pickle_without_records_is_refused(tmp_path, capsys):
    source, target = tmp_path / "train.pkl", tmp_path / "train.npz"
    source.write_bytes(pickle.dumps([]))
    assert write_columns(str(source), str(target)) == 1
    assert capsys.readouterr().err == "there are no records in it"
    assert not target.exists()

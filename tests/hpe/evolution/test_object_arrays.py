"""Pickled .npy files: arrays come out, and nothing in them is run."""

import pickle

import numpy as np
import pytest

from hpe.evolution.object_arrays import load_tree


def test_reads_what_numpy_saved(tmp_path):
    nested = np.empty((1, 2), dtype=object)
    nested[0, 0], nested[0, 1] = np.arange(3.0), np.eye(2, dtype=np.float32)
    content = {"nested": nested, "plain": np.arange(4), "scalar": np.float64(2.5)}
    np.save(tmp_path / "tree.npy", content)
    read = load_tree(tmp_path / "tree.npy")
    np.testing.assert_array_equal(read["nested"][0, 1], np.eye(2))
    np.testing.assert_array_equal(read["plain"], np.arange(4))
    assert read["scalar"] == 2.5


def test_what_a_file_names_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    np.save(tmp_path / "evil.npy", {"a": Evil()})
    with pytest.raises(ValueError, match=r"it names builtins\.exec"):
        load_tree(tmp_path / "evil.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (np.zeros(3), "it holds an array of float64"),
        (np.array([{"a": 1}], dtype=object), "with shape"),
        (np.array("text", dtype=object), "must hold a dict of arrays, got str"),
    ],
)
def test_refuses_other_content(tmp_path, content, told):
    np.save(tmp_path / "other.npy", content)
    with pytest.raises(ValueError, match=told):
        load_tree(tmp_path / "other.npy")


def test_refuses_a_cut_file_and_a_bare_pickle(tmp_path):
    np.save(tmp_path / "whole.npy", {"a": np.zeros(100)})
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-40])
    (tmp_path / "bare.npy").write_bytes(pickle.dumps({"a": 1}))
    for name in ("cut.npy", "bare.npy"):
        with pytest.raises(ValueError, match=r"must be a \.npy file of a dict of arrays"):
            load_tree(tmp_path / name)

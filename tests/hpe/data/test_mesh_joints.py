import re

import numpy as np
import pytest
from safetensors.numpy import save_file

from hpe.data.mesh_joints import TIPS, joints_of_mesh, read_regressor
from hpe.geometry.skeleton import FINGERS

MANO_FINGERS = ("index", "middle", "little", "ring", "thumb")


def picking_regressor():
    """Return a regressor whose joint j is vertex 10 * j."""
    regressor = np.zeros((16, 778))
    regressor[np.arange(16), 10 * np.arange(16)] = 1
    return regressor


def test_each_finger_is_its_three_mano_joints_and_its_tip():
    """MANO: the wrist, then index, middle, little, ring, thumb, each from knuckle to fingertip."""
    vertices = np.repeat(np.arange(778.0)[None, :, None], 2, axis=2)
    joints = joints_of_mesh(vertices, picking_regressor())[0, :, 0]
    assert joints[0] == 0
    for tip, (finger, ours) in zip(TIPS, FINGERS.items(), strict=True):
        first = 1 + 3 * MANO_FINGERS.index(finger)
        expected = [10 * first, 10 * (first + 1), 10 * (first + 2), tip]
        assert joints[list(ours)].tolist() == expected


def test_tips_can_be_the_authors():
    vertices = np.arange(778.0 * 3).reshape(1, 778, 3)
    joints = joints_of_mesh(vertices, picking_regressor(), tips=(744, 320, 443, 554, 671))
    np.testing.assert_array_equal(joints[0, [16, 20]], vertices[0, [554, 671]])


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors"])
def test_a_regressor_is_read_from_each_format(tmp_path, suffix):
    path, regressor = tmp_path / f"regressor{suffix}", picking_regressor().astype(np.float32)
    if suffix == ".npz":
        np.savez(path, J_regressor=regressor)
    elif suffix == ".npy":
        np.save(path, regressor)
    else:
        save_file({"J_regressor": regressor}, path)
    np.testing.assert_array_equal(read_regressor(path), regressor)


def test_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "regressor.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"must hold one array of 16 x 778.*pickle"):
        read_regressor(tmp_path / "regressor.npy")


@pytest.mark.parametrize("name", ["missing.npz", "regressor.pth"])
def test_refuses_what_is_not_there_or_of_another_format(tmp_path, name):
    (tmp_path / "regressor.pth").write_bytes(b"pickle")
    with pytest.raises(ValueError, match=re.escape(name) + ".*16 x 778.*data/regressor"):
        read_regressor(tmp_path / name)


def test_refuses_another_shape_and_a_broken_file(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((778, 16)))
    (tmp_path / "b.safetensors").write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"got arrays of shapes \[\(778, 16\)\]"):
        read_regressor(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=r"b\.safetensors must hold one array"):
        read_regressor(tmp_path / "b.safetensors")

"""Akhter and Black's limits, against their algorithm written out joint by joint."""

import numpy as np
import pytest

from hpe.evolution.limbs import FIRST, LIMBS, SECOND
from hpe.evolution.recorded_limits import read_recorded_limits
from tests.hpe.evolution.stick_bodies import stick_bodies

RECORDS = {0: 4, 1: 2, 3: 0, 5: 8, 7: 5, 2: 3, 4: 1, 6: 9, 8: 6}
STATIC = {2: 5, 4: 2, 6: 13, 8: 9}
CHAINS = [(8, 10), (11, 12), (12, 13), (14, 15), (15, 16), (4, 5), (5, 6), (1, 2), (2, 3)]


def tables(seed=0):
    """Return content for the two files, random but for a share that was never recorded."""
    rng = np.random.default_rng(seed)
    model = {name: np.empty((1, 10), dtype=object) for name in ("angleSprd", "sepPlane", "E2")}
    model["bounds"] = np.empty((1, 10), dtype=object)
    for record in range(10):
        model["angleSprd"][0, record] = (rng.random((121, 61)) < 0.6).astype(np.uint8)
        planes = rng.normal(size=(121, 61, 4)) * (1, 1, 1, 0.3)
        planes[rng.random((121, 61)) < 0.1] = np.nan
        model["sepPlane"][0, record] = planes
        model["E2"][0, record] = rng.normal(size=(121, 61, 3))
        model["bounds"][0, record] = rng.uniform(0.2, 1.2, (121, 61, 4)) * (-1, 1, -1, 1)
    static = rng.normal(size=(3, 16))
    axis = rng.normal(size=3)
    pose = {"di": static / np.linalg.norm(static, axis=0), "a": axis / np.linalg.norm(axis)}
    return model, pose


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("constraints")
    model, pose = tables()
    np.save(path / "jointAngleModel_v2.npy", model)
    np.save(path / "staticPose.npy", {"di": pose["di"], "a": pose["a"].reshape(1, 3)})
    return path


def columns(*vectors):
    """Return the columns made orthonormal in order, by QR with positive diagonal."""
    q, r = np.linalg.qr(np.stack(vectors, axis=1))
    return q * np.sign(np.diag(r))


def reference(pose_mm, model, pose):
    """Say which limbs of one pose are possible, one after the other."""
    swapped = pose_mm[:, [0, 2, 1]]
    down = swapped[7] - swapped[8]
    systems = {}
    for name, left, right in (("upper", 11, 14), ("lower", 4, 1)):
        across = swapped[right] - swapped[left]
        systems[name] = columns(across, down, np.cross(across, down))
    found, local = np.ones(9, dtype=bool), np.zeros((9, 3))
    bones = [swapped[start] - swapped[end] for start, end in CHAINS]
    bones = [bone / np.linalg.norm(bone) for bone in bones]
    bins = []
    for limb, bone in enumerate(bones):
        system = systems["lower" if limb >= 5 else "upper"]
        if limb in STATIC:
            u = bones[limb - 1]
            v = np.cross(system @ pose["a"], u)
            frame = columns(u, v, np.cross(u, v))
        else:
            frame = system
        x, y, z = local[limb] = frame.T @ bone
        bins.append(
            (
                int((np.degrees(np.arctan2(y, x)) + 180) // 3),
                int((np.degrees(np.arctan2(z, np.sqrt(x * x + y * y))) + 90) // 3),
            )
        )
        record = RECORDS[limb]
        if limb not in STATIC:
            found[limb] = model["angleSprd"][0, record][bins[limb]] != 0
            continue
        plane = model["sepPlane"][0, record][bins[limb - 1]]
        if np.isnan(plane).any() or plane @ [x, y, z, 1] > 0:
            found[limb] = False
            continue
        e2 = model["E2"][0, record][bins[limb - 1]]
        axes = columns(plane[:3], e2, np.cross(plane[:3], e2))
        a, b = axes[:, 1:].T @ local[limb]
        low_a, high_a, low_b, high_b = model["bounds"][0, record][bins[limb - 1]]
        found[limb] = low_a <= a <= high_a and low_b <= b <= high_b
    return found


def test_limits_are_those_of_the_algorithm_written_out(folder):
    poses = stick_bodies(200)
    model, pose = tables()
    wanted = np.stack([reference(body, model, pose) for body in poses])
    found = read_recorded_limits(folder).satisfied(poses)
    np.testing.assert_array_equal(found, wanted)
    shares = wanted.mean(axis=0)
    assert np.all((shares > 0) & (shares < 1))


def test_directions_do_not_depend_on_how_a_body_stands(folder):
    limits = read_recorded_limits(folder)
    poses = stick_bodies(20)
    turned = poses @ np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]).T
    np.testing.assert_allclose(limits.directions(turned), limits.directions(poses), atol=1e-9)


def test_a_forearm_in_line_with_the_files_axis_still_has_a_frame(folder):
    limits = read_recorded_limits(folder)
    poses = stick_bodies(1)
    swapped = poses[0][:, [0, 2, 1]]
    across, down = swapped[14] - swapped[11], swapped[7] - swapped[8]
    system = columns(across, down, np.cross(across, down))
    poses[0, 12] = poses[0, 11] - 280 * (system @ limits.axis)[[0, 2, 1]]
    poses[0, 13] = poses[0, 12] + (0, 250, 10)
    assert np.isfinite(limits.directions(poses)[0, LIMBS.index("left_forearm")]).all()


def test_says_which_file_is_missing(folder, tmp_path):
    (tmp_path / "jointAngleModel_v2.npy").write_bytes(
        (folder / "jointAngleModel_v2.npy").read_bytes()
    )
    with pytest.raises(ValueError, match=r"there is no file .*staticPose\.npy"):
        read_recorded_limits(tmp_path)


def test_refuses_files_that_hold_something_else(folder, tmp_path):
    np.save(tmp_path / "jointAngleModel_v2.npy", {"angleSprd": np.zeros(3)})
    np.save(tmp_path / "staticPose.npy", {"di": np.zeros((3, 16)), "a": np.zeros(3)})
    with pytest.raises(ValueError, match="must hold EvoSkeleton's"):
        read_recorded_limits(tmp_path)


def test_every_limb_is_looked_up():
    assert sorted(RECORDS) == sorted({*FIRST, *SECOND}) == list(range(len(LIMBS)))

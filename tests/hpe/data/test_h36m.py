"""Human3.6M in both layouts: names, splits by subject, lenses, and real frames under a pixel."""

import pickle

import cv2
import numpy as np
import pytest

from hpe.data.bodies import rectangle_box_px
from hpe.data.h36m import H36mConfig, open_h36m, prepare_h36m, undistorted
from hpe.geometry.camera import project
from tests.hpe.data.real_samples import REAL, needs_h36m

K = np.array([[1145.0, 0.0, 512.5], [0.0, 1144.0, 515.5], [0.0, 0.0, 1.0]])
RADIAL, TANGENTIAL = [-0.2, 0.25, -0.003], [-0.0014, -0.001]
PELVIS = np.array([100.0, -50.0, 5000.0])
BODY = PELVIS + np.vstack([np.zeros(3), np.random.default_rng(0).uniform(-500, 500, (16, 3))])


def picture(path, size=(64, 64)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), 127, np.uint8))


def s4_arrays(names):
    box = rectangle_box_px(PELVIS, K)
    joints = np.concatenate([project(BODY, K), BODY[:, 2:] - PELVIS[2]], axis=1)
    each = {
        "joints_3d": joints,
        "joints_3d_vis": np.ones((17, 3)),
        "fl": K[[0, 1], [0, 1]],
        "c_p": K[:2, 2],
        "pelvis": PELVIS,
        "center_x": box[0] + box[2] / 2,
        "center_y": box[1] + box[3] / 2,
        "width": box[2],
        "height": box[3],
        "cam/k": np.array(RADIAL),
        "cam/p": np.array(TANGENTIAL),
    }
    columns = {name: np.stack([value] * len(names)) for name, value in each.items()}
    return {**columns, "image": np.array([name.encode() for name in names])}


@pytest.fixture
def s4_root(tmp_path):
    names = {
        "train": [
            "s_01_act_02_subact_01_ca_01_000001.jpg",
            "s_01_act_02_subact_01_ca_02_000001.jpg",
        ],
        "val": ["s_09_act_16_subact_02_ca_01_000064.jpg"],
    }
    (tmp_path / "annot").mkdir()
    for part, pictures in names.items():
        np.savez(tmp_path / "annot" / f"{part}.npz", **s4_arrays(pictures))
        for name in pictures:
            picture(tmp_path / "images" / name)
    return tmp_path


def opened(root, **settings):
    config = H36mConfig(**settings)
    prepare_h36m(config, root, processes=1, progress=lambda done, total: None)
    return open_h36m(config, root)


def test_s4s_records_become_samples(s4_root):
    data = opened(s4_root)
    first, second = data.splits["train"]
    in_opencvs_order = [*RADIAL[:2], *TANGENTIAL, RADIAL[2]]
    assert data.splits["train"].index.arrays["distortion"][0] == pytest.approx(in_opencvs_order)
    assert first.joints_mm() == pytest.approx(BODY)
    assert first.box_px == pytest.approx(rectangle_box_px(PELVIS, K))
    assert (first.subject, first.action) == ("S1", "Directions")
    assert first.unique_id == second.unique_id
    only = data.splits["val"][0]
    assert (only.subject, only.action) == ("S9", "WalkTogether")
    assert only.unique_id != first.unique_id


def test_without_final_the_test_split_is_that_of_validation(s4_root):
    data = opened(s4_root)
    assert data.splits["test"][0].subject == "S9"
    assert not data.card["test_is_official_test_part"]
    with pytest.raises(ValueError, match="annot/test"):
        opened(s4_root, final=True)


def test_keypoints_that_are_not_projections_are_refused(s4_root):
    arrays = s4_arrays(["s_01_act_02_subact_01_ca_01_000001.jpg"])
    np.savez(s4_root / "annot" / "train.npz", **{**arrays, "c_p": arrays["c_p"] + 30})
    with pytest.raises(ValueError, match=r"put a pelvis 30\.0 px from"):
        opened(s4_root)


def test_a_pickle_is_not_read_but_the_way_to_convert_it_is_told(s4_root):
    source = s4_root / "annot" / "train.npz"
    source.unlink()
    source.with_suffix(".pkl").write_bytes(pickle.dumps([]))
    with pytest.raises(ValueError, match=r"convert.py --trust .*train\.pkl --out .*train\.npz"):
        opened(s4_root)


def test_undistorting_a_picture_puts_a_dot_where_k_projects_it():
    point = np.array([[0.33, -0.31, 1.0]])
    coefficients = np.array([*RADIAL[:2], *TANGENTIAL, RADIAL[2]])
    bent = cv2.projectPoints(point, np.zeros(3), np.zeros(3), K, coefficients)[0].reshape(2)
    straight = project(point, K)[0]
    assert np.linalg.norm(bent - straight) > 5
    image = np.zeros((1002, 1000, 3), np.uint8)
    cv2.circle(image, tuple(np.rint(bent).astype(int).tolist()), 6, (255, 255, 255), -1)
    rows, columns = np.nonzero(undistorted(image, K, coefficients)[:, :, 0] > 127)
    assert [columns.mean(), rows.mean()] == pytest.approx(straight, abs=0.7)


@pytest.fixture
def mmpose_root(tmp_path):
    real = REAL / "h36m"
    annotations = tmp_path / "annotation_body3d" / "fps10"
    annotations.mkdir(parents=True)
    (annotations / "h36m_train.npz").write_bytes((real / "test_h36m_body3d.npz").read_bytes())
    with (real / "cameras.pkl").open("rb") as file:
        cameras = pickle.load(file)  # noqa: S301 - the sample's own file
    columns = {key: np.stack([camera[key] for camera in cameras.values()]) for key in "fckp"}
    keys = np.array([[part.encode() for part in key] for key in cameras])
    where = tmp_path / "annotation_body3d" / "cameras.npz"
    np.savez(where, key_0=keys[:, 0], key_1=keys[:, 1], **columns)
    (tmp_path / "images").mkdir()
    for subject in ("S1", "S5", "S7", "S8"):
        (tmp_path / "images" / subject).symlink_to(real / subject)
    return tmp_path


@needs_h36m
def test_real_frames_are_split_by_subject(mmpose_root):
    data = opened(mmpose_root, val_subjects=("S8",))
    assert {body.subject for body in data.splits["train"]} == {"S1", "S5", "S7"}
    assert [(b.subject, b.action) for b in data.splits["val"]] == [("S8", "WalkDog")]


@needs_h36m
def test_joints_of_real_frames_project_within_a_pixel_of_their_undistorted_keypoints(mmpose_root):
    split = opened(mmpose_root).splits["train"]
    with np.load(REAL / "h36m" / "test_h36m_body3d.npz") as arrays:
        bent, joints_m = arrays["part"][:, :, :2], arrays["S"][:, :, :3]
    for body, row in zip(split, split.rows, strict=True):
        K, distortion = body.intrinsics, split.index.arrays["distortion"][row]
        assert body.joints_mm() == pytest.approx(1000 * joints_m[row], abs=1e-3)
        straight = cv2.undistortPoints(bent[row][:, None], K, distortion, P=K)[:, 0]
        apart_px = np.linalg.norm(project(body.joints_mm(), K) - straight, axis=1)
        assert apart_px.max() < 1
        assert np.linalg.norm(body.keypoints_px - bent[row], axis=1).max() > 1  # the lens


@needs_h36m
def test_a_left_out_split_is_refused(mmpose_root):
    with pytest.raises(ValueError, match="nothing is left for val; val_subjects are S6"):
        opened(mmpose_root, val_subjects=("S6",))

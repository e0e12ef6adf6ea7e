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


FRAME = "{0}_Directions_1.54138969_{1:06d}.jpg"


def write_mmpose(root, **subjects):
    """Write mmpose's layout, each part with these subjects, two frames of each."""
    annotations = root / "annotation_body3d" / "fps50"
    annotations.mkdir(parents=True)
    for part, chosen in subjects.items():
        names = [
            f"{s}/{s}_Directions_1.54138969/{FRAME.format(s, n)}" for s in chosen for n in (1, 2)
        ]
        joints_m = np.concatenate([BODY / 1000, np.ones((17, 1))], axis=1)
        np.savez(
            annotations / f"h36m_{part}.npz",
            imgname=np.array([name.encode() for name in names]),
            S=np.stack([joints_m] * len(names)),
        )
        for name in names:
            picture(root / "images" / name)
    everyone = sorted({subject for chosen in subjects.values() for subject in chosen})
    each = {"f": K[[0, 1], [0, 1]], "c": K[:2, 2], "k": np.array(RADIAL), "p": np.array(TANGENTIAL)}
    np.savez(
        root / "annotation_body3d" / "cameras.npz",
        key_0=np.array([subject.encode() for subject in everyone]),
        key_1=np.array([b"54138969"] * len(everyone)),
        **{name: np.stack([value] * len(everyone)) for name, value in each.items()},
    )
    return root


FIVE = ("S1", "S5", "S6", "S7", "S8")


def test_the_protocol_in_words_follows_who_is_trained_and_scored_on(tmp_path, s4_root):
    root = write_mmpose(tmp_path / "mmpose", train=FIVE, test=("S9", "S11"))
    chosen = opened(root).card["protocol"]
    assert chosen["test"] == chosen["val"]
    assert chosen["val"].startswith("scored on S8; the training split has S1, S5, S6, S7.")
    final = opened(root, final=True).card
    assert final["protocol"]["val"] == chosen["val"]
    assert final["protocol"]["test"].startswith("scored on S9, S11; the training split has S1, S5")
    assert "Protocol" not in final["protocol"]["test"]  # S8 is not trained on
    assert "caveat" not in final
    in_s4s_layout = opened(s4_root).card["protocol"]["test"]
    assert in_s4s_layout.startswith("scored on S9; the training split has S1.")


def test_the_published_split_trains_on_all_five_subjects(tmp_path):
    root = write_mmpose(tmp_path, train=FIVE, test=("S9", "S11"))
    data = opened(root, val_subjects=(), final=True)
    assert {body.subject for body in data.splits["train"]} == set(FIVE)
    assert {body.subject for body in data.splits["test"]} == {"S9", "S11"}
    assert '"Protocol #1" to Martinez' in data.card["protocol"]["test"]
    assert data.card["caveat"].startswith("no subject is held out, so that val is the test part")
    with pytest.raises(ValueError, match="val_subjects must name a subject unless final is true"):
        H36mConfig(val_subjects=())


def test_who_is_trained_on_is_not_scored_on(tmp_path, s4_root):
    root = write_mmpose(tmp_path / "mmpose", train=FIVE, test=("S11", "S8"))
    with pytest.raises(ValueError, match=r"2 moments of the test part .*S8_Directions_1_000001"):
        opened(root, final=True)
    again = s4_arrays(["s_01_act_02_subact_01_ca_04_000001.jpg"])  # by another camera
    np.savez(s4_root / "annot" / "val.npz", **again)
    picture(s4_root / "images" / "s_01_act_02_subact_01_ca_04_000001.jpg")
    with pytest.raises(ValueError, match="1 moments of the val part are in the train part too"):
        opened(s4_root)


def test_who_is_trained_on_may_be_scored_on_at_another_moment(s4_root):
    later = s4_arrays(["s_01_act_02_subact_01_ca_01_000064.jpg"])
    np.savez(s4_root / "annot" / "val.npz", **later)
    picture(s4_root / "images" / "s_01_act_02_subact_01_ca_01_000064.jpg")
    assert opened(s4_root).splits["val"][0].subject == "S1"

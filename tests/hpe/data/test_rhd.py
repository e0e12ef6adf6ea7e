import json
import pickle

import cv2
import numpy as np
import pytest

from hpe.data.rhd import RhdConfig, open_rhd, prepare_rhd
from hpe.geometry.camera import project
from hpe.geometry.skeleton import FREIHAND_FROM_RHD, RHD_FROM_FREIHAND
from sweep.unpickling import write_columns

SIDE_PX = 320
COUNT = 10
K = np.array([[300.0, 0, 160], [0, 310.0, 160], [0, 0, 1]])


def silent(done, total):
    pass


def joints_m_of(number, side):
    """Return a hand in FreiHAND's order, inside the picture."""
    rng = np.random.default_rng([number, side])
    return np.c_[rng.uniform(-0.1, 0.1, (21, 2)), rng.uniform(0.5, 0.7, 21)]


def record(number, *, hands=None, seen=(21, 21)):
    """Return what the published pickle says of a picture: left hand first, tips first."""
    hands = [joints_m_of(number, side) for side in (0, 1)] if hands is None else hands
    xyz = np.concatenate([hand[list(RHD_FROM_FREIHAND)] for hand in hands])
    flags = np.concatenate([np.arange(21) < count for count in seen])
    return {"xyz": xyz, "uv_vis": np.c_[project(xyz, K), flags], "K": K}


def write_part(root, records, *, part="training", pictures=None):
    folder = root / part / "color"
    folder.mkdir(parents=True)
    for number in range(len(records)):
        picture = np.full((SIDE_PX, SIDE_PX, 3), 10 * number, np.uint8)
        picture[:, : SIDE_PX // 2, 2] += 100  # red on the left
        if pictures is not None:
            picture = pictures[number]
        assert cv2.imwrite(str(folder / f"{number:05d}.png"), picture)
    pickled = root / part / f"anno_{part}.pickle"
    pickled.write_bytes(pickle.dumps(dict(enumerate(records)), protocol=2))
    return root


def convert(root, part="training"):
    pickled = root / part / f"anno_{part}.pickle"
    assert write_columns(str(pickled), str(pickled.with_suffix(".npz"))) == 0
    return root


@pytest.fixture
def root(tmp_path):
    return convert(write_part(tmp_path / "RHD_published_v2", half_seen_left_hands()))


def half_seen_left_hands():
    """Return pictures in which the right hand is always seen and the left one in every other."""
    return [record(number, seen=(21 * (number % 2), 15)) for number in range(COUNT)]


def samples_of(data, names=("train", "val", "test")):
    return [data.splits[name][k] for name in names for k in range(len(data.splits[name]))]


def test_the_joint_order_is_a_permutation_from_tip_first():
    """The names are those of the data set's README, for one hand."""
    fingers = ("thumb", "index", "middle", "ring", "little")
    names = ["wrist", *(f"{finger}{joint}" for finger in fingers for joint in (4, 3, 2, 1))]
    ours = [names[number] for number in FREIHAND_FROM_RHD]
    assert ours == ["wrist", *(f"{finger}{joint}" for finger in fingers for joint in (1, 2, 3, 4))]


def test_both_hands_of_a_picture_stay_in_one_split(root):
    data = open_rhd(RhdConfig(), root)
    ids = [set(data.splits[name].unique_ids.tolist()) for name in ("train", "val", "test")]
    assert sum(map(len, ids)) == len(set().union(*ids)) == COUNT
    assert len(samples_of(data)) == COUNT + COUNT // 2
    assert data.card["left_out_hardly_seen"] == {"training": COUNT // 2}


def test_joints_come_in_our_order_and_left_hands_mirrored(root):
    found = set()
    for sample in samples_of(open_rhd(RhdConfig(), root)):
        is_left = bool(sample.image[0, 2, 0] < sample.image[0, -3, 0])
        found.add((sample.unique_id, is_left))
        expected_m = joints_m_of(sample.unique_id, 0 if is_left else 1)
        expected_px = project(expected_m, K)
        if is_left:
            expected_m[:, 0] *= -1
            expected_px[:, 0] = SIDE_PX - expected_px[:, 0]
        np.testing.assert_allclose(sample.joints_m, expected_m)
        np.testing.assert_allclose(sample.keypoints_px, expected_px)
        np.testing.assert_allclose(project(sample.joints_m, sample.intrinsics), expected_px)
        assert sample.has_depth and sample.visible.all()
    assert len(found) == COUNT + COUNT // 2


def test_joints_outside_the_picture_do_not_count(tmp_path):
    hand = joints_m_of(0, 1)
    hand[7] = [0.4, 0.0, 0.6]
    hidden = np.c_[np.full((21, 2), 2.0), np.full(21, 0.6)]  # a hand wholly outside
    records = [record(n, hands=[hidden, hand]) for n in range(3)]
    data = open_rhd(RhdConfig(min_seen=2), convert(write_part(tmp_path, records)))
    assert data.card["left_out_outside_the_picture"] == {"training": 3}
    for sample in samples_of(data):
        assert np.flatnonzero(~sample.visible).tolist() == [7]


@pytest.mark.parametrize(("min_seen", "hands"), [(15, 15), (16, 5), (2, 15)])
def test_hands_that_are_hardly_seen_are_left_out(root, min_seen, hands):
    assert len(samples_of(open_rhd(RhdConfig(min_seen=min_seen), root))) == hands


def test_the_official_part_takes_part_only_when_final(root):
    convert(write_part(root, [record(0), record(1)], part="evaluation"), "evaluation")
    assert max(open_rhd(RhdConfig(), root).splits["test"].unique_ids) < COUNT
    final = open_rhd(RhdConfig(final=True), root).splits["test"]
    assert final.unique_ids.tolist() == [COUNT, COUNT, COUNT + 1, COUNT + 1]


def test_a_pickle_is_not_read_and_the_way_out_is_said(tmp_path):
    write_part(tmp_path, [record(0)])
    with pytest.raises(ValueError, match=r"convert\.py --trust .*_training\.pickle --out .*npz"):
        prepare_rhd(RhdConfig(), tmp_path, processes=1, progress=silent)


def test_missing_and_broken_pictures_are_left_out_within_the_budget(root):
    (root / "training" / "color" / "00003.png").unlink()
    path = root / "training" / "color" / "00004.png"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"2 of 10 pictures .*00003\.png \(missing\).*max_bad"):
        prepare_rhd(RhdConfig(), root, processes=1, progress=silent)
    data = open_rhd(RhdConfig(max_bad_share=0.2), root)
    assert {3, 4}.isdisjoint(sample.unique_id for sample in samples_of(data))


def test_the_index_is_kept_and_tells_the_same(root):
    before = open_rhd(RhdConfig(), root)
    prepare_rhd(RhdConfig(), root, processes=1, progress=silent)
    assert (root / "rhd_training_index.npz").is_file()
    after = open_rhd(RhdConfig(), root)
    assert after.digest == before.digest
    assert [s.unique_id for s in samples_of(after)] == [s.unique_id for s in samples_of(before)]


def test_annotations_of_another_form_are_refused(root):
    np.savez(root / "training" / "anno_training.npz", key_0=np.arange(3), xyz=np.zeros((3, 21, 3)))
    with pytest.raises(ValueError, match=r"must hold key_0, xyz, uv_vis and K"):
        open_rhd(RhdConfig(), root)


def test_an_incomplete_folder_is_refused(root):
    with pytest.raises(ValueError, match=r"looked for evaluation/anno_evaluation\.npz"):
        open_rhd(RhdConfig(final=True), root)


def as_mmpose(root, numbers):
    """Write the right hands of RHD-like pictures as mmpose's conversion does."""
    images = [
        {
            "id": n,
            "file_name": f"training/color/{n:05d}.png",
            "width": SIDE_PX,
            "height": SIDE_PX,
            "cam_param": {"focal": [K[0, 0], K[1, 1]], "princpt": K[:2, 2].tolist()},
        }
        for n in numbers
    ]
    notes = []
    for n in numbers:
        one = record(n)
        notes.append(
            {
                "id": n,
                "image_id": n,
                "joint_cam": (1000 * one["xyz"][21:]).tolist(),
                "keypoints": one["uv_vis"][21:].tolist(),
                "hand_type": "right",
            }
        )
    (root / "annotations").mkdir()
    path = root / "annotations" / "rhd_train.json"
    path.write_text(json.dumps({"images": images, "annotations": notes}))


def test_mmposes_annotations_say_the_same_of_a_hand(root):
    published = {
        sample.unique_id: sample
        for sample in samples_of(open_rhd(RhdConfig(), root))
        if sample.image[0, 2, 0] > sample.image[0, -3, 0]
    }
    (root / "training" / "anno_training.npz").unlink()
    as_mmpose(root, range(COUNT))
    samples = samples_of(open_rhd(RhdConfig(), root))
    assert len(samples) == COUNT
    for sample in samples:
        other = published[sample.unique_id]
        np.testing.assert_allclose(sample.joints_m, other.joints_m)
        np.testing.assert_allclose(sample.intrinsics, other.intrinsics)
        np.testing.assert_array_equal(sample.visible, other.visible)


@pytest.mark.slow
def test_renders_come_back_and_left_twins_equal_their_right_ones(rendered_right_hands, tmp_path):
    """A picture shows a render at its left and its mirror image, a left hand, at its right."""
    records, pictures = [], []
    for render in rendered_right_hands:
        px = render.image.shape[1]
        picture = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
        picture[:px, :px], picture[:px, -px:] = render.image, render.image[:, ::-1]
        left_m = render.joints_m * [-1, 1, 1]
        shift_px = SIDE_PX - 2 * render.intrinsics[0, 2]
        left_m[:, 0] += shift_px / render.intrinsics[0, 0] * left_m[:, 2]  # seen by the same K
        one = record(0, hands=[left_m, render.joints_m])
        uv = project(one["xyz"], render.intrinsics)
        records.append({**one, "K": render.intrinsics, "uv_vis": np.c_[uv, np.ones(42)]})
        pictures.append(picture[:, :, ::-1])
    data = open_rhd(RhdConfig(), convert(write_part(tmp_path, records, pictures=pictures)))
    for sample in samples_of(data):
        render = rendered_right_hands[sample.unique_id]
        px = render.image.shape[1]
        shown = render.visible
        np.testing.assert_allclose(sample.keypoints_px[shown], render.keypoints_px[shown])
        np.testing.assert_array_equal(sample.image[:px, :px], render.image)
        on_hand = cv2.dilate(render.foreground.astype(np.uint8), np.ones((5, 5)))
        u, v = sample.keypoints_px[shown].astype(int).T
        assert on_hand[v, u].mean() > 0.9

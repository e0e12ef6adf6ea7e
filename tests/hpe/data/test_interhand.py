import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from hpe.data import interhand
from hpe.data.interhand import InterHandConfig, camera_joints_m, open_interhand, prepare_interhand
from hpe.data.opened import SPLITS
from hpe.geometry.camera import project
from hpe.geometry.skeleton import BONES, FREIHAND_FROM_INTERHAND, INTERHAND_FROM_FREIHAND

REAL_SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "interhand2.6m"
MOMENTS = 6
WIDTH, HEIGHT = 48, 64
CAMERAS = ("400002", "400004")


def rotation(axis, angle):
    rotated, _ = cv2.Rodrigues(np.array(axis, dtype=np.float64) * angle)
    return rotated


CAMERA_FILE = {
    "2": {
        "campos": {CAMERAS[0]: [10.0, -20.0, 30.0], CAMERAS[1]: [-400.0, 5.0, 100.0]},
        "camrot": {
            CAMERAS[0]: np.eye(3).tolist(),
            CAMERAS[1]: rotation([0, 1, 0], -0.4).tolist(),
        },
        "focal": {CAMERAS[0]: [60.0, 61.0], CAMERAS[1]: [62.0, 63.0]},
        "princpt": {CAMERAS[0]: [24.0, 31.0], CAMERAS[1]: [20.0, 30.0]},
    }
}
HAND_TYPES = ("right", "left", "interacting", "right", "left", "right")


def world_mm(moment):
    """Return both hands in InterHand's order: distinct places about a metre ahead."""
    rng = np.random.default_rng(moment)
    return rng.uniform(-150, 150, (42, 3)) + np.array([0, 0, 1100])


def write_interhand(root, *, part="train", hand_types=HAND_TYPES, first_frame=100):
    """Write `hand_types` moments, each seen by two cameras, in InterHand's layout."""
    pictures, annotations, joints = [], [], {"2": {}}
    for moment, hand_type in enumerate(hand_types):
        frame = first_frame + 6 * moment
        valid = np.repeat([hand_type != "left", hand_type != "right"], 21)[:, None]
        joints["2"][str(frame)] = {
            "world_coord": np.where(valid, world_mm(moment), 1.0).tolist(),
            "joint_valid": valid.tolist(),
            "hand_type": hand_type,
        }
        for camera in CAMERAS:
            number = len(pictures)
            name = f"Capture2/0{moment % 2}_seq/cam{camera}/image{frame}.jpg"
            pictures.append(
                {
                    "id": number,
                    "file_name": name,
                    "width": WIDTH,
                    "height": HEIGHT,
                    "capture": 2,
                    "seq_name": f"0{moment % 2}_seq",
                    "camera": camera,
                    "frame_idx": frame,
                }
            )
            annotations.append(
                {
                    "id": number,
                    "image_id": number,
                    "joint_valid": valid.astype(int).tolist(),
                    "hand_type": hand_type,
                    "hand_type_valid": 1,
                }
            )
            path = root / "InterHand2.6M_5fps_batch0" / "images" / part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = np.full((HEIGHT, WIDTH, 3), 5 * number % 150, np.uint8)
            picture[:, : WIDTH // 2, 2] += 100  # red on the left
            assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 100])
    write_annotations(
        root,
        part,
        data={"images": pictures, "annotations": annotations},
        camera=CAMERA_FILE,
        joint_3d=joints,
    )
    return root


def write_annotations(root, part, **contents):
    folder = root / "InterHand2.6M.annotations.5.fps" / "all"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, content in contents.items():
        (folder / f"InterHand2.6M_{part}_{kind}.json").write_text(json.dumps(content))


def edit(root, kind, change, part="train"):
    """Change the content of an annotation file."""
    path = root / "InterHand2.6M.annotations.5.fps" / "all" / f"InterHand2.6M_{part}_{kind}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture
def root(tmp_path):
    return write_interhand(tmp_path / "InterHand")


def all_samples(data):
    return [
        data.splits[name][index]
        for name in ("train", "val", "test")
        for index in range(len(data.splits[name]))
    ]


def silent(done, total):
    pass


def test_the_joint_order_is_a_permutation_from_tip_first_to_wrist_first():
    assert sorted(FREIHAND_FROM_INTERHAND) == list(range(21))
    names = [
        *(
            f"{finger}{joint}"
            for finger in ("thumb", "index", "middle", "ring", "pinky")
            for joint in (4, 3, 2, 1)
        ),
        "wrist",
    ]  # InterHand's own list of names, for one hand
    ours = [names[number] for number in FREIHAND_FROM_INTERHAND]
    assert ours[0] == "wrist"
    assert ours[1:5] == ["thumb1", "thumb2", "thumb3", "thumb4"]
    assert ours[17:] == ["pinky1", "pinky2", "pinky3", "pinky4"]


def test_a_camera_sees_world_minus_its_position_times_its_rotation_transposed_in_metres():
    quarter = rotation([0, 0, 1], np.pi / 2)  # camrot takes the world's x to the camera's y
    seen = camera_joints_m(
        np.array([[110.0, 20.0, 1030.0]]), campos_mm=np.array([10.0, 20.0, 30.0]), camrot=quarter
    )
    np.testing.assert_allclose(seen, [[0.0, 0.1, 1.0]], atol=1e-12)


def test_offers_every_split_without_pictures_of_two_hands(root):
    data = open_interhand(InterHandConfig(), root)
    assert set(data.splits) == set(SPLITS)
    assert {name: len(data.splits[name]) for name in SPLITS} == data.card["counts"]
    assert len(all_samples(data)) == 2 * (MOMENTS - 1)
    assert data.card["left_out_interacting"] == {"train": 2 * 2}


def test_both_hands_of_a_picture_are_samples_where_asked_for(root):
    samples = all_samples(open_interhand(InterHandConfig(interacting=True), root))
    assert len(samples) == 2 * (MOMENTS + 1)
    both = [sample for sample in samples if sample.unique_id == 2]
    assert len(both) == 2 * 2


def test_cameras_of_one_moment_stay_in_one_split(root):
    data = open_interhand(InterHandConfig(), root)
    ids = [set(data.splits[name].unique_ids.tolist()) for name in ("train", "val", "test")]
    assert sum(map(len, ids)) == len(set().union(*ids)) == MOMENTS - 1
    for name in ("train", "val", "test"):
        split = data.splits[name]
        assert [sample.unique_id for sample in map(split.__getitem__, range(len(split)))] == (
            split.unique_ids.tolist()
        )


def test_a_right_hand_is_where_its_camera_sees_it(root):
    for sample in all_samples(open_interhand(InterHandConfig(), root)):
        if HAND_TYPES[sample.unique_id] != "right":
            continue
        focal = sample.intrinsics[0, 0]
        camera = CAMERAS[0] if focal == 60.0 else CAMERAS[1]
        cameras = CAMERA_FILE["2"]
        expected = np.array(
            [
                np.array(cameras["camrot"][camera])
                @ (world_mm(sample.unique_id)[joint] - cameras["campos"][camera])
                / 1000
                for joint in FREIHAND_FROM_INTERHAND
            ]
        )
        np.testing.assert_allclose(sample.joints_m, expected)
        u = focal * expected[:, 0] / expected[:, 2] + cameras["princpt"][camera][0] + 0.5
        np.testing.assert_allclose(sample.keypoints_px[:, 0], u)
        assert sample.visible.all()
        assert sample.has_depth
        assert sample.sequence == f"0{sample.unique_id % 2}_seq"
        assert np.subtract(*sample.image[HEIGHT // 2, [4, -4], 0].astype(int)) > 80


def test_a_left_hand_is_mirrored_with_its_intrinsics(root):
    """S0 flips K as [[-1, 0, W - 1], ...] K with pixel centres at integers: the same pixels."""
    seen = 0
    for sample in all_samples(open_interhand(InterHandConfig(), root)):
        if HAND_TYPES[sample.unique_id] != "left":
            continue
        seen += 1
        assert np.subtract(*sample.image[HEIGHT // 2, [4, -4], 0].astype(int)) < -80
        np.testing.assert_allclose(
            project(sample.joints_m, sample.intrinsics), sample.keypoints_px, atol=1e-9
        )
        camera = CAMERAS[0] if sample.intrinsics[0, 0] == 60.0 else CAMERAS[1]
        cameras = CAMERA_FILE["2"]
        in_camera = (
            (world_mm(sample.unique_id)[21:] - cameras["campos"][camera])
            @ np.array(cameras["camrot"][camera]).T
            / 1000
        )[list(FREIHAND_FROM_INTERHAND)]
        intrinsics = np.diag([*cameras["focal"][camera], 1.0])
        intrinsics[:2, 2] = cameras["princpt"][camera]
        flipped = np.array([[-1, 0, WIDTH - 1], [0, 1, 0], [0, 0, 1]]) @ intrinsics
        s0_px = project(in_camera, flipped)
        np.testing.assert_allclose(sample.keypoints_px, s0_px + 0.5)
        np.testing.assert_allclose(sample.joints_m, in_camera * [-1, 1, 1])
    assert seen == 4


def test_joints_that_are_not_annotated_are_invisible_and_project_to_something(root):
    def hide(content):
        for annotation in content["annotations"]:
            annotation["joint_valid"][3] = annotation["joint_valid"][24] = [0]

    edit(root, "data", hide)
    for sample in all_samples(open_interhand(InterHandConfig(), root)):
        assert np.flatnonzero(~sample.visible).tolist() == [1]  # the thumb's base
        assert np.isfinite(sample.keypoints_px).all()
        assert sample.has_depth


@pytest.mark.parametrize("joint", [20, 11, 10, 7, 6])
def test_without_a_joint_that_hands_are_measured_by_only_keypoints_count(root, joint):
    def hide(content):
        for moment in content["2"].values():
            moment["joint_valid"][joint] = moment["joint_valid"][joint + 21] = [False]

    edit(root, "joint_3d", hide)
    assert not any(s.has_depth for s in all_samples(open_interhand(InterHandConfig(), root)))


def test_hands_without_side_or_joints_are_left_out_and_counted(root):
    def spoil(content):
        content["annotations"][0]["hand_type_valid"] = 0
        content["annotations"][1]["joint_valid"] = [[0]] * 42

    edit(root, "data", spoil)
    data = open_interhand(InterHandConfig(), root)
    assert len(all_samples(data)) == 2 * (MOMENTS - 1) - 2
    assert data.card["left_out_without_side_or_joints"] == {"train": 2}


def test_the_official_test_part_takes_part_only_when_final(root):
    write_interhand(root, part="test", hand_types=("right", "left"), first_frame=5000)
    usual = open_interhand(InterHandConfig(), root)
    final = open_interhand(InterHandConfig(final=True), root)
    assert max(usual.splits["test"].unique_ids) < MOMENTS
    assert sorted({*final.splits["test"].unique_ids}) == [MOMENTS, MOMENTS + 1]
    sample = final.splits["test"][0]
    assert sample.unique_id == final.splits["test"].unique_ids[0]
    np.testing.assert_array_equal(
        usual.splits["train"].unique_ids, final.splits["train"].unique_ids
    )


def test_an_index_gives_the_same_data_without_parsing(root, monkeypatch):
    config = InterHandConfig()
    before = open_interhand(config, root)
    told = []
    prepare_interhand(
        config, root, processes=1, progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (2 * MOMENTS, 2 * MOMENTS)
    monkeypatch.setattr(interhand, "parse_part", None)
    after = open_interhand(config, root)
    assert (after.digest, after.card) == (before.digest, before.card)
    for one, other in zip(all_samples(before), all_samples(after), strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.joints_m, other.joints_m)


@pytest.mark.parametrize("change", [{"interacting": True}, {"split_seed": 1}, {"val_share": 0.3}])
def test_the_digest_follows_the_settings(root, change):
    before = open_interhand(InterHandConfig(), root).digest
    assert open_interhand(InterHandConfig(max_bad_share=0.5), root).digest == before
    assert open_interhand(InterHandConfig(**change), root).digest != before


def test_refuses_an_annotation_whose_camera_is_not_described(root):
    edit(root, "camera", lambda content: content["2"]["campos"].pop(CAMERAS[1]))
    with pytest.raises(ValueError, match=r"annotation 1 of InterHand2\.6M_train_data\.json has no"):
        open_interhand(InterHandConfig(), root)


def test_refuses_a_folder_without_the_chosen_annotations(root):
    with pytest.raises(ValueError, match=r"human_annot\) is not complete.*missing InterHand2.6M"):
        open_interhand(InterHandConfig(annotations="human_annot"), root)


def test_refuses_a_folder_with_interacting_hands_only(tmp_path):
    root = write_interhand(tmp_path, hand_types=("interacting",) * 3)
    with pytest.raises(ValueError, match=r"no usable hand, of 12 annotated ones; data/interacting"):
        open_interhand(InterHandConfig(), root)


@pytest.mark.slow
def test_renders_come_back_and_left_twins_are_their_right_ones(rendered_right_hands, tmp_path):
    """Each render is written as a right hand and, flipped, as a left one of the same moment."""
    position, turn = np.array([120.0, -40.0, 15.0]), rotation([0.3, -0.8, 0.1], 0.9)
    camera = {"campos": {}, "camrot": {}, "focal": {}, "princpt": {}}
    pictures, annotations, joints = [], [], {"0": {}}
    images = tmp_path / "InterHand2.6M_5fps_batch0" / "images" / "train"
    images.mkdir(parents=True)
    for number, render in enumerate(rendered_right_hands):
        width = render.image.shape[1]
        for side, flip in (("right", 1), ("left", -1)):
            name, frame = f"{side}{number}", 10 * number + (side == "left")
            center = render.intrinsics[:2, 2] - 0.5
            if flip < 0:
                center = np.array([width - 1 - center[0], center[1]])
            camera["campos"][name], camera["camrot"][name] = position.tolist(), turn.tolist()
            camera["focal"][name] = np.diag(render.intrinsics)[:2].tolist()
            camera["princpt"][name] = center.tolist()
            in_camera = (render.joints_m * [flip, 1, 1])[list(INTERHAND_FROM_FREIHAND)]
            hands = np.ones((2, 21, 3))
            hands[int(side == "left")] = in_camera * 1000 @ turn + position
            valid = np.zeros((2, 21, 1), dtype=bool)
            valid[int(side == "left")] = True
            joints["0"][str(frame)] = {
                "world_coord": hands.reshape(42, 3).tolist(),
                "joint_valid": valid.reshape(42, 1).tolist(),
            }
            pictures.append(
                {
                    "id": len(pictures),
                    "file_name": f"{name}.jpg",
                    "capture": 0,
                    "seq_name": "render",
                    "camera": name,
                    "frame_idx": frame,
                }
            )
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": len(annotations),
                    "joint_valid": valid.reshape(42, 1).astype(int).tolist(),
                    "hand_type": side,
                    "hand_type_valid": 1,
                }
            )
            picture = render.image[:, ::flip, ::-1]
            assert cv2.imwrite(str(images / f"{name}.jpg"), picture)
    write_annotations(
        tmp_path,
        "train",
        data={"images": pictures, "annotations": annotations},
        camera={"0": camera},
        joint_3d=joints,
    )
    samples = sorted(
        all_samples(open_interhand(InterHandConfig(), tmp_path)), key=lambda s: s.unique_id
    )
    for render, right, left in zip(rendered_right_hands, samples[::2], samples[1::2], strict=True):
        for sample in (right, left):
            np.testing.assert_allclose(sample.joints_m, render.joints_m, atol=1e-9)
            np.testing.assert_allclose(sample.intrinsics, render.intrinsics, atol=1e-9)
            np.testing.assert_allclose(sample.keypoints_px, render.keypoints_px, atol=1e-6)
            assert np.abs(sample.image.astype(int) - render.image).mean() < 6
            inside = sample.keypoints_px[sample.visible].astype(int).clip(0, 95)
            on_hand = cv2.dilate(render.foreground.astype(np.uint8), np.ones((5, 5)))
            assert on_hand[inside[:, 1], inside[:, 0]].mean() > 0.9


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The real pictures and annotations, put into the original layout."""
    root = tmp_path_factory.mktemp("InterHand")
    folder = root / "InterHand2.6M.annotations.5.fps" / "all"
    folder.mkdir(parents=True)
    for kind in ("data", "camera", "joint_3d"):
        shutil.copy(
            REAL_SAMPLES / f"test_interhand2.6m_{kind}.json",
            folder / f"InterHand2.6M_train_{kind}.json",
        )
    images = root / "InterHand2.6M_5fps_batch0" / "images" / "train"
    images.mkdir(parents=True)
    for picture in REAL_SAMPLES.glob("*.jpg"):
        shutil.copy(picture, images)
    return all_samples(open_interhand(InterHandConfig(interacting=True), root))


needs_real_samples = pytest.mark.skipif(
    not REAL_SAMPLES.is_dir(), reason="no real InterHand2.6M samples beside the repository"
)


@needs_real_samples
def test_real_joints_fill_the_annotated_boxes(real):
    """The boxes were annotated in the picture; the joints come from the world through a camera."""
    data = json.loads((REAL_SAMPLES / "test_interhand2.6m_data.json").read_text())
    boxes = {picture["seq_name"]: picture["id"] for picture in data["images"]}
    boxes_px = {note["image_id"]: np.array(note["bbox"]) for note in data["annotations"]}
    lefts = {"right": 0, "left": 0}
    for sequence, number in boxes.items():
        x, y, width, height = boxes_px[number]
        u, v = np.concatenate([in_the_picture(s, lefts) for s in real if s.sequence == sequence]).T
        assert (x - 1 < u.min(), u.max() < x + width + 1) == (True, True)
        assert (y - 1 < v.min(), v.max() < y + height + 1) == (True, True)
        assert np.ptp(u) > 0.6 * width
        assert np.ptp(v) > 0.6 * height
    assert lefts == {"right": 3, "left": 3}


def in_the_picture(sample, count):
    """Return keypoints in the picture as it was taken, which a left hand's sample mirrors."""
    files = {path: cv2.imread(str(path)) for path in sorted(REAL_SAMPLES.glob("*.jpg"))}
    rgb = [picture[:, :, ::-1] for picture in files.values()]
    as_taken = any(np.array_equal(sample.image, picture) for picture in rgb)
    assert as_taken or any(np.array_equal(sample.image[:, ::-1], picture) for picture in rgb)
    count["right" if as_taken else "left"] += 1
    if as_taken:
        return sample.keypoints_px
    return np.array([sample.image.shape[1], 0]) + sample.keypoints_px * [-1, 1]


@needs_real_samples
def test_real_hands_have_the_bone_lengths_of_hands_in_this_order(real):
    """Any other order breaks them: bones get shorter outwards, knuckles are far from the wrist."""
    for sample in real:
        length_mm = {
            child: 1000 * np.linalg.norm(sample.joints_m[child] - sample.joints_m[parent])
            for parent, child in BONES
        }
        for knuckle in (5, 9, 13, 17):
            to_knuckle, *phalanges = [length_mm[knuckle + step] for step in range(4)]
            assert 60 < to_knuckle < 130
            assert 20 < phalanges[0] < 65
            assert phalanges[0] > phalanges[1] > 10
            assert 10 < phalanges[2] < phalanges[0]


@needs_real_samples
def test_every_real_hand_is_a_right_one(real):
    """A right hand's thumb lies before its palm, on the side that index x little finger names."""
    for sample in real:
        wrist, thumb, index, little = sample.joints_m[[0, 4, 5, 17]]
        normal = np.cross(index - wrist, little - wrist)
        assert normal @ (thumb - wrist) > 0.01 * np.linalg.norm(normal)

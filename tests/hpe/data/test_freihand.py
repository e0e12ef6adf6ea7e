import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from hpe.data import freihand_files
from hpe.data.freihand import FreiHandConfig, open_freihand, prepare_freihand
from hpe.data.opened import SPLITS, UnreadableSample
from hpe.geometry.skeleton import (
    AIT_FROM_FREIHAND,
    BONES,
    INTERHAND_FROM_FREIHAND,
    MANO_FROM_FREIHAND,
)

REAL_SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "freihand"
PHOTOGRAPHS = 12
SIDE_PX = 32


def write_freihand(root, *, photographs=PHOTOGRAPHS, masks=True, evaluation=3):
    """Write pictures and annotations in FreiHAND's layout: version v of photograph i is all grey
    of level 10 * i + 60 * v, its mask the rows below row i."""
    (root / "training" / "rgb").mkdir(parents=True)
    for version in range(4):
        for photograph in range(photographs):
            grey = np.full((SIDE_PX, SIDE_PX, 3), 3 * photograph + 60 * version, np.uint8)
            grey[:, :, 2] += 30  # opencv writes BGR: red is 30 higher
            write_picture(root / "training" / "rgb", version * photographs + photograph, grey)
    if masks:
        (root / "training" / "mask").mkdir()
        for photograph in range(photographs):
            mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
            mask[photograph:] = 255
            write_picture(root / "training" / "mask", photograph, mask)
    write_annotations(root, "training", photographs)
    if evaluation:
        (root / "evaluation" / "rgb").mkdir(parents=True)
        for photograph in range(evaluation):
            picture = np.full((SIDE_PX, SIDE_PX, 3), 250 - photograph, np.uint8)
            write_picture(root / "evaluation" / "rgb", photograph, picture)
        write_annotations(root, "evaluation", evaluation)
    return root


def write_picture(folder, number, picture):
    assert cv2.imwrite(str(folder / f"{number:08d}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 100])


def write_annotations(root, name, photographs):
    joints_m, intrinsics = annotations(name, photographs)
    (root / f"{name}_xyz.json").write_text(json.dumps(joints_m.tolist()))
    (root / f"{name}_K.json").write_text(json.dumps(intrinsics.tolist()))


def annotations(name, photographs):
    rng = np.random.default_rng(len(name))
    joints_m = rng.uniform(-0.08, 0.08, (photographs, 21, 3)) + np.array([0, 0, 0.6])
    focal_px = 60.0 + np.arange(photographs)
    intrinsics = np.zeros((photographs, 3, 3))
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal_px
    intrinsics[:, :2, 2], intrinsics[:, 2, 2] = SIDE_PX / 2, 1
    return joints_m, intrinsics


@pytest.fixture
def root(tmp_path):
    return write_freihand(tmp_path / "freihand")


def silent(done, total):
    pass


def ids_of(data, split):
    return {data.splits[split][index].unique_id for index in range(len(data.splits[split]))}


def test_offers_every_split(root):
    data = open_freihand(FreiHandConfig(), root)
    assert set(data.splits) == set(SPLITS)
    assert all(isinstance(split, Sequence) or len(split) for split in data.splits.values())
    assert {name: len(data.splits[name]) for name in SPLITS} == data.card["counts"]
    assert len(data.splits["train"]) == 4 * (PHOTOGRAPHS - 2 - 2)
    assert len(data.splits["val"]) == len(data.splits["test"]) == 4 * 2


def test_no_photograph_is_in_two_splits(root):
    data = open_freihand(FreiHandConfig(), root)
    train, val, test = (ids_of(data, name) for name in ("train", "val", "test"))
    assert len(train) + len(val) + len(test) == len(train | val | test) == PHOTOGRAPHS
    assert ids_of(data, "unlabelled") == train


def test_unique_ids_are_listed_without_opening_pictures(root):
    split = open_freihand(FreiHandConfig(), root).splits["train"]
    assert split.unique_ids.tolist() == [split[k].unique_id for k in range(len(split))]


def test_a_sample_is_the_photograph_version_and_annotation_it_says(root):
    data = open_freihand(FreiHandConfig(), root)
    joints_m, intrinsics = annotations("training", PHOTOGRAPHS)
    split = data.splits["train"]
    for index in range(len(split)):
        sample = split[index]
        photograph, version = sample.unique_id, index // (len(split) // 4)
        red, green, blue = sample.image.reshape(-1, 3).mean(axis=0)
        assert green == pytest.approx(3 * photograph + 60 * version, abs=1)
        assert (red - green, blue - green) == pytest.approx((30, 0), abs=1)
        np.testing.assert_allclose(sample.joints_m, joints_m[photograph])
        np.testing.assert_allclose(sample.intrinsics, intrinsics[photograph])
        rays = joints_m[photograph] / joints_m[photograph][:, 2:]
        np.testing.assert_allclose(
            sample.keypoints_px, (60.0 + photograph) * rays[:, :2] + SIDE_PX / 2
        )
        assert sample.visible.all()


def test_one_mask_serves_all_versions(root):
    split = open_freihand(FreiHandConfig(), root).splits["train"]
    for index in range(len(split)):
        sample = split[index]
        assert not sample.foreground[: sample.unique_id].any()
        assert sample.foreground[sample.unique_id :].all()


def test_without_masks_there_is_no_foreground(tmp_path):
    data = open_freihand(FreiHandConfig(), write_freihand(tmp_path / "freihand", masks=False))
    assert data.splits["train"][0].foreground is None
    assert data.card["photographs_with_mask"] == 0


def test_a_single_missing_mask_leaves_the_others(root):
    (root / "training" / "mask" / "00000004.jpg").unlink()
    data = open_freihand(FreiHandConfig(), root)
    known = {
        sample.unique_id: sample.foreground is not None
        for name in ("train", "val", "test")
        for sample in (data.splits[name][k] for k in range(len(data.splits[name])))
    }
    assert [photograph for photograph, has_mask in known.items() if not has_mask] == [4]


def test_versions_can_be_chosen(root):
    data = open_freihand(FreiHandConfig(versions=("auto", "gs")), root)
    split = data.splits["val"]
    greens = [split[k].image[:, :, 1].mean() - 3 * split[k].unique_id for k in range(len(split))]
    assert greens == pytest.approx([0, 0, 180, 180], abs=1)


def test_the_official_evaluation_set_takes_part_only_when_final(root):
    usual = open_freihand(FreiHandConfig(), root)
    final = open_freihand(FreiHandConfig(final=True), root)
    assert max(usual.splits["test"].unique_ids) < PHOTOGRAPHS
    assert final.splits["test"].unique_ids.tolist() == [PHOTOGRAPHS + k for k in range(3)]
    sample = final.splits["test"][1]
    assert sample.image.mean() == pytest.approx(249, abs=1)
    assert sample.foreground is None
    np.testing.assert_allclose(sample.joints_m, annotations("evaluation", 3)[0][1])
    for name in ("unlabelled", "train", "val"):
        np.testing.assert_array_equal(usual.splits[name].unique_ids, final.splits[name].unique_ids)


def test_the_evaluation_set_need_not_be_there_before(tmp_path):
    root = write_freihand(tmp_path / "freihand", evaluation=0)
    assert len(open_freihand(FreiHandConfig(), root).splits["test"])
    with pytest.raises(ValueError, match=r"evaluation part is not complete.*missing evaluation_K"):
        open_freihand(FreiHandConfig(final=True), root)


@pytest.mark.parametrize(
    "change", [{"split_seed": 1}, {"val_share": 0.3}, {"versions": ("gs",)}, {"final": True}]
)
def test_the_digest_follows_the_settings(root, change):
    before = open_freihand(FreiHandConfig(), root).digest
    assert open_freihand(FreiHandConfig(), root).digest == before
    assert open_freihand(FreiHandConfig(**change), root).digest != before


def test_the_digest_follows_the_files(root):
    before = open_freihand(FreiHandConfig(), root).digest
    picture = root / "training" / "rgb" / "00000003.jpg"
    picture.write_bytes(picture.read_bytes() + b" ")
    changed_picture = open_freihand(FreiHandConfig(), root).digest
    annotations_path = root / "training_K.json"
    annotations_path.write_text(annotations_path.read_text() + " ")
    assert len({before, changed_picture, open_freihand(FreiHandConfig(), root).digest}) == 3


def test_the_digest_does_not_depend_on_where_the_files_lie(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "elsewhere")
    digests = {open_freihand(FreiHandConfig(), folder).digest for folder in (root, copy)}
    assert len(digests) == 1


def test_an_index_gives_the_same_data_without_reading_annotations(root, monkeypatch):
    config = FreiHandConfig(final=True)
    before = open_freihand(config, root)
    told = []
    prepare_freihand(config, root, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]
    monkeypatch.setattr(json, "loads", None)
    after = open_freihand(config, root)
    assert after.digest == before.digest
    for name in SPLITS:
        first, again = before.splits[name][0], after.splits[name][0]
        np.testing.assert_array_equal(first.image, again.image)
        np.testing.assert_array_equal(first.joints_m, again.joints_m)


def test_an_index_is_not_used_once_files_changed(root):
    prepare_freihand(FreiHandConfig(), root, progress=silent)
    (root / "training_xyz.json").write_text(
        json.dumps((annotations("training", PHOTOGRAPHS)[0] + 1).tolist())
    )
    joints_m = open_freihand(FreiHandConfig(), root).splits["train"][0].joints_m
    assert joints_m[:, 2].min() > 1.5


def test_a_cut_off_index_is_not_used(root):
    prepare_freihand(FreiHandConfig(), root, progress=silent)
    index = root / "training_index.npz"
    index.write_bytes(index.read_bytes()[:100])
    assert len(open_freihand(FreiHandConfig(), root).splits["train"])


def test_refuses_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"looked for training_K\.json, training_xyz\.json, training/rgb; missing .*"
        r"found no such folder\. .*--data-dir",
    ):
        prepare_freihand(FreiHandConfig(), tmp_path / "nowhere", progress=silent)


def test_refuses_a_folder_without_annotations_and_says_what_it_found(root):
    (root / "training_xyz.json").unlink()
    with pytest.raises(
        ValueError, match=r"missing training_xyz\.json; found evaluation, .*training_K\.json"
    ):
        prepare_freihand(FreiHandConfig(), root, progress=silent)


def test_refuses_missing_pictures_and_names_them(root):
    (root / "training" / "rgb" / "00000007.jpg").unlink()
    (root / "training" / "rgb" / "00000030.jpg").unlink()
    with pytest.raises(
        ValueError,
        match=r"looked for 48 pictures, 00000000\.jpg to 00000047\.jpg, in training/rgb; found 46 "
        r"of them; missing: 00000007\.jpg, 00000030\.jpg\.",
    ):
        prepare_freihand(FreiHandConfig(), root, progress=silent)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[[1, 2, 3]]]", r"21 x 3 matrix per photograph, got an array of shape \(1, 1, 3\)"),
        ("[", r"must hold a JSON list with a 21 x 3 matrix per photograph: Expecting value"),
        ("[[1], [1, 2]]", "must hold a JSON list with a 21 x 3 matrix per photograph: "),
    ],
)
def test_refuses_annotations_of_another_form(root, content, message):
    (root / "training_xyz.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        open_freihand(FreiHandConfig(), root)


def test_refuses_annotations_that_disagree_in_number(root):
    _, intrinsics = annotations("training", PHOTOGRAPHS - 1)
    (root / "training_K.json").write_text(json.dumps(intrinsics.tolist()))
    with pytest.raises(ValueError, match="one entry per photograph, got 11 and 12"):
        open_freihand(FreiHandConfig(), root)


def test_refuses_a_picture_that_cannot_be_decoded(root):
    data = open_freihand(FreiHandConfig(), root)
    number = int(data.splits["train"].photographs[0])
    (root / "training" / "rgb" / f"{number:08d}.jpg").write_bytes(b"not a picture")
    with pytest.raises(UnreadableSample, match=f"{number:08d}.jpg cannot be decoded"):
        data.splits["train"][0]


SPOILED = {5: b"", 17: b"no picture", 40: b"\xff\xd8\xff\xe0\x00\x10JFIF"}
"""Image number -> content: an empty file, something else, a picture cut short."""


@pytest.fixture
def spoiled(root):
    for number, content in SPOILED.items():
        (root / "training" / "rgb" / f"{number:08d}.jpg").write_bytes(content)
    return root


def test_f7_unreadable_pictures_within_the_budget_are_left_out_and_accounted_for(spoiled):
    config = FreiHandConfig(max_unreadable_share=len(SPOILED) / (4 * PHOTOGRAPHS))
    data = open_freihand(config, spoiled)
    seen = sum(len(data.splits[name]) for name in ("train", "val", "test"))
    assert data.card["left_out_unreadable"] == {
        "training/rgb/00000005.jpg": "empty",
        "training/rgb/00000017.jpg": "no JPEG",
        "training/rgb/00000040.jpg": "truncated",
    }
    assert seen + len(SPOILED) == 4 * PHOTOGRAPHS
    for name in ("train", "val", "test"):
        assert all(data.splits[name][index].image.any() for index in range(len(data.splits[name])))


def test_f7_unreadable_pictures_beyond_the_budget_are_refused_by_name(spoiled):
    with pytest.raises(
        ValueError,
        match=r"3 of 48 pictures cannot be read, more than the share of 0\.001 that may be left "
        r"out: 00000005\.jpg \(empty\), 00000017\.jpg \(no JPEG\), 00000040\.jpg \(truncated\)",
    ):
        prepare_freihand(FreiHandConfig(), spoiled, progress=silent)


def test_f7_what_is_left_out_is_part_of_the_datas_identity_and_the_same_when_opened_again(
    root, monkeypatch
):
    config = FreiHandConfig(max_unreadable_share=0.1)
    whole = open_freihand(config, root).digest
    assert whole == open_freihand(FreiHandConfig(), root).digest
    picture = root / "training" / "rgb" / "00000005.jpg"
    picture.write_bytes(b"x" * picture.stat().st_size)
    prepare_freihand(config, root, progress=silent)
    opened = open_freihand(config, root)
    assert opened.digest != whole
    monkeypatch.setattr(freihand_files, "picture_faults", None)  # the index knows
    again = open_freihand(config, root)
    assert (again.digest, again.card) == (opened.digest, opened.card)
    for name in SPLITS:
        assert again.splits[name].unique_ids.tolist() == opened.splits[name].unique_ids.tolist()


def test_f7_an_unreadable_mask_leaves_the_photograph_without_one(root):
    (root / "training" / "mask" / "00000003.jpg").write_bytes(b"")
    splits = open_freihand(FreiHandConfig(), root).splits
    samples = [
        splits[name][k] for name in ("train", "val", "test") for k in range(len(splits[name]))
    ]
    without = {sample.unique_id for sample in samples if sample.foreground is None}
    assert without == {3}


def test_refuses_a_mask_of_another_size(root):
    data = open_freihand(FreiHandConfig(), root)
    number = int(data.splits["train"].photographs[0])
    write_picture(root / "training" / "mask", number, np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"as large as its photograph, \(32, 32\), got \(8, 8\)"):
        data.splits["train"][0]


def test_refuses_shares_that_leave_nothing_to_train_on():
    with pytest.raises(ValueError, match=r"must be below 1, got 0\.5 \+ 0\.5, which leaves"):
        FreiHandConfig(val_share=0.5, test_share=0.5)


@pytest.mark.parametrize("versions", [(), ("gs", "gs")])
def test_refuses_no_version_and_repeated_versions(versions):
    with pytest.raises(ValueError, match="at least one, and differ from each other"):
        FreiHandConfig(versions=versions)


def real_samples():
    """Return path and keypoints of the real photographs, by image id."""
    found = json.loads((REAL_SAMPLES / "test_freihand.json").read_text())
    names = {image["id"]: REAL_SAMPLES / image["file_name"] for image in found["images"]}
    return {
        annotation["image_id"]: (
            names[annotation["image_id"]],
            np.array(annotation["keypoints"]).reshape(21, 3)[:, :2],
        )
        for annotation in found["annotations"]
    }


needs_real_samples = pytest.mark.skipif(
    not REAL_SAMPLES.is_dir(), reason="no real FreiHAND samples beside the repository"
)


@needs_real_samples
def test_real_images_whose_ids_differ_by_32560_share_their_annotation():
    samples = real_samples()
    photographs = {}
    for number, (_, keypoints_px) in samples.items():
        photographs.setdefault(number % 32_560, []).append(keypoints_px)
    assert {len(versions) for versions in photographs.values()} == {4}
    for versions in photographs.values():
        for keypoints_px in versions:
            np.testing.assert_allclose(keypoints_px, versions[0], atol=0.01)


@needs_real_samples
def test_real_versions_show_the_hand_at_the_same_pixels():
    """One mask serves all versions: their edges agree on the hand, and not elsewhere."""
    for number, (path, keypoints_px) in real_samples().items():
        if number >= 32_560:
            continue
        hull = cv2.convexHull(keypoints_px.astype(np.int32))
        on_hand = cv2.fillConvexPoly(np.zeros((224, 224), np.uint8), hull, 1).astype(bool)
        green_screen = edges(path)
        for version in (1, 2, 3):
            other = edges(real_samples()[number + 32_560 * version][0])
            agreement = np.corrcoef(green_screen[on_hand], other[on_hand])[0, 1]
            elsewhere = np.corrcoef(green_screen[~on_hand], other[~on_hand])[0, 1]
            assert agreement > 0.5
            assert abs(elsewhere) < 0.2


def edges(path):
    grey = cv2.GaussianBlur(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (0, 0), 1.5)
    return np.abs(cv2.Laplacian(grey, cv2.CV_32F))


@needs_real_samples
@pytest.mark.parametrize(
    "other_order", [AIT_FROM_FREIHAND, INTERHAND_FROM_FREIHAND, MANO_FROM_FREIHAND]
)
def test_real_keypoints_come_in_this_projects_order(other_order):
    """Bones are short in the right order only: others link joints of different fingers."""
    for _, keypoints_px in real_samples().values():
        elsewhere = total_bone_length_px(keypoints_px[list(other_order)])
        assert total_bone_length_px(keypoints_px) < 0.9 * elsewhere


def total_bone_length_px(keypoints_px):
    return sum(np.linalg.norm(keypoints_px[a] - keypoints_px[b]) for a, b in BONES)

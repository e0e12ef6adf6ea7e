"""Folders of samples as mmpose's tests have them: made up, and real ones where they are at hand."""

import json
import shutil
from itertools import pairwise

import cv2
import numpy as np
import pytest

from hpe.data.catalog import data_config, data_root, open_data, prepare_data
from hpe.geometry.camera import project
from hpe.geometry.skeleton import BONES, FINGERS
from tests.hpe.data.real_samples import REAL, needs_photographs

SETTINGS = {
    "freihand": {},
    "onehand10k": {},
    "coco_hands": {},
    "rhd": {},
    "interhand": {"interacting": True},
}
COUNTS = {"freihand": (8, 2), "onehand10k": (4, 4), "coco_hands": (10, 4), "rhd": (3, 3)}
COUNTS |= {"interhand": (6, 4)}
"""Hands and photographs among the samples."""


def opened(name, folder, **settings):
    config = data_config({"name": name, **SETTINGS[name], **settings})
    root = data_root(config, data_dir=folder, made_dir=folder)
    prepare_data(config, root, processes=1, progress=lambda done, total: None)
    return open_data(config, root)


def write_samples(folder, name="freihand", count=3, **picture):
    root = folder / name
    root.mkdir()
    images, notes = [], []
    for number in range(count):
        file_name = f"{17 + 32_560 * number:08d}.jpg"
        assert cv2.imwrite(str(root / file_name), np.zeros((30, 40, 3), np.uint8))
        images.append({"id": number, "file_name": file_name, **picture})
        points = np.c_[np.random.default_rng(number).uniform(2, 28, (21, 2)), np.ones(21)]
        notes.append({"id": number, "image_id": number, "keypoints": points.ravel().tolist()})
    content = {"images": images, "annotations": notes}
    (root / f"test_{name}.json").write_text(json.dumps(content))
    return root


def test_samples_are_scored_on_and_nothing_is_trained_on(tmp_path):
    write_samples(tmp_path)
    data = opened("freihand", tmp_path)
    assert data.card["counts"] == {"unlabelled": 0, "train": 0, "val": 3, "test": 3}
    sample = data.splits["val"][1]
    assert not sample.has_depth
    points = np.random.default_rng(1).uniform(2, 28, (21, 2))
    np.testing.assert_allclose(sample.keypoints_px, points)


def test_versions_of_a_freihand_photograph_share_their_id(tmp_path):
    write_samples(tmp_path)
    assert opened("freihand", tmp_path).splits["val"].unique_ids.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["freihand", "onehand10k"])
def test_samples_are_no_official_part(tmp_path, name):
    write_samples(tmp_path, name)
    with pytest.raises(ValueError, match=r"folder of samples, which has no official part"):
        opened(name, tmp_path, final=True)


def test_a_missing_sample_is_refused_unless_allowed(tmp_path):
    next(write_samples(tmp_path).glob("*.jpg")).unlink()
    with pytest.raises(ValueError, match=r"1 of 3 pictures cannot be read.*missing"):
        opened("freihand", tmp_path)
    data = opened("freihand", tmp_path, max_unreadable_share=0.4)
    assert data.card["counts"]["val"] == 2


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The real samples as they lie, in a folder that may be written to."""
    folder = tmp_path_factory.mktemp("real")
    for name in ("freihand", "onehand10k", "coco", "rhd", "interhand2.6m"):
        shutil.copytree(REAL / name, folder / name, copy_function=shutil.copyfile)
        (folder / name).chmod(0o755)
    return folder


def real_samples(name, folder):
    split = opened(name, folder).splits["val"]
    return [split[index] for index in range(len(split))]


@needs_photographs
@pytest.mark.parametrize("name", SETTINGS)
def test_every_real_hand_is_there_and_inside_its_photograph(real, name):
    samples = real_samples(name, real)
    assert (len(samples), len({sample.unique_id for sample in samples})) == COUNTS[name]
    for sample in samples:
        height_px, width_px = sample.image.shape[:2]
        seen = sample.keypoints_px[sample.visible]
        assert (seen >= 0).all() and (seen <= [width_px, height_px]).all()


@needs_photographs
@pytest.mark.parametrize("name", ["freihand", "onehand10k", "coco_hands", "rhd"])
def test_real_fingers_run_outwards_from_the_wrist(real, name):
    """Bones between neighbours in this order are short; in a shuffled order they are not."""
    shuffled = np.random.default_rng(0)
    for sample in real_samples(name, real):
        bones = [(a, b) for a, b in BONES if sample.visible[[a, b]].all() and a != 0]
        uv = sample.keypoints_px
        length_px = np.mean([np.linalg.norm(uv[a] - uv[b]) for a, b in bones])
        known = np.flatnonzero(sample.visible)
        pairs = shuffled.permuted(np.tile(known, (200, 1)), axis=1)[:, :2]
        anyhow_px = np.linalg.norm(uv[pairs[:, 0]] - uv[pairs[:, 1]], axis=1).mean()
        assert length_px < 0.75 * anyhow_px


@needs_photographs
def test_a_real_rendered_hand_projects_onto_its_distributed_keypoints(real):
    content = json.loads((REAL / "rhd" / "test_rhd.json").read_text())
    for sample, note in zip(real_samples("rhd", real), content["annotations"], strict=True):
        assert sample.has_depth
        np.testing.assert_allclose(
            project(sample.joints_m, sample.intrinsics), sample.keypoints_px, atol=1e-9
        )
        published = np.array(note["keypoints"])[[0, 4, 3, 2, 1, 8, 7, 6, 5], :2]
        if note["hand_type"] == "left":
            published[:, 0] = sample.image.shape[1] - published[:, 0]
        np.testing.assert_allclose(sample.keypoints_px[:9], published, atol=0.2)
        lengths_m = [
            np.linalg.norm(sample.joints_m[b] - sample.joints_m[a])
            for finger in FINGERS.values()
            for a, b in pairwise(finger[1:])
        ]
        assert min(lengths_m) > 0.008 and max(lengths_m) < 0.06


@needs_photographs
def test_the_thumb_of_a_real_palm_or_back_is_where_a_right_hand_has_it(real):
    """RHD's first hand, a left one, shows its back with the fingers down: mirrored, thumb right."""
    first = real_samples("rhd", real)[0]
    assert first.keypoints_px[4, 0] > first.keypoints_px[20, 0]
    assert first.keypoints_px[12, 1] > first.keypoints_px[0, 1]

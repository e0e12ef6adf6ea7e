"""The rendered data set: made in any order it is the same; broken folders are refused."""

import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from hpe.data import rendered_hands
from hpe.data.opened import SPLITS
from hpe.data.render.scene import render_scene
from hpe.data.rendered_hands import (
    RenderedHandsConfig,
    open_rendered_hands,
    prepare_rendered_hands,
    recipe_of,
    scene_settings,
    variety_of,
)
from hpe.data.splits import unique_ids

TINY = RenderedHandsConfig(image_px=32, unlabelled=3, train=34, val=2, test=2)
TINY_TWO = TINY.model_copy(update={"hands": "two", "train": 4})


def ignore(done: int, total: int) -> None:
    """Take no notice of progress."""


def made(config: RenderedHandsConfig, folder: Path, processes: int = 1) -> Path:
    """Render a data set."""
    prepare_rendered_hands(config, folder, processes=processes, progress=ignore)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tiny data set in it."""
    return made(TINY, tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def folder_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with scenes of two hands in it."""
    return made(TINY_TWO, tmp_path_factory.mktemp("two"))


def test_has_all_splits_with_the_counts_asked_for(folder):
    data = open_rendered_hands(TINY, folder)
    lengths = [len(data.splits[split]) for split in SPLITS]
    assert lengths == [3, 34, 2, 2]
    assert data.card["counts"] == dict(zip(SPLITS, lengths, strict=True))


@pytest.mark.parametrize("hands", ["one", "two"])
def test_keypoints_are_the_projections_of_the_joints_of_mirrored_hands_too(
    folder, folder_two, hands
):
    data = (
        open_rendered_hands(TINY, folder)
        if hands == "one"
        else open_rendered_hands(TINY_TWO, folder_two)
    )
    for samples in data.splits.values():
        for index in range(len(samples)):
            sample = samples[index]
            image = sample.joints_m @ sample.intrinsics.T
            np.testing.assert_allclose(image[:, :2] / image[:, 2:], sample.keypoints_px, atol=1e-9)


def test_a_left_hand_arrives_mirrored_with_its_picture_and_mask(folder):
    samples = open_rendered_hands(TINY, folder).splits["train"]
    fields = samples.fields
    lefts = np.flatnonzero(~fields["is_right"][:, 0])
    assert 5 < len(lefts) < 29
    for index in lefts:
        sample = samples[int(index)]
        np.testing.assert_array_equal(sample.image, fields["rgb"][index][:, ::-1])
        np.testing.assert_array_equal(sample.foreground, fields["part"][index][:, ::-1] > 0)
        raw_px = fields["keypoints_px"][index, 0]
        np.testing.assert_allclose(sample.keypoints_px[:, 0], 32 - raw_px[:, 0])
        np.testing.assert_array_equal(sample.joints_m[:, 1:], fields["joints_m"][index, 0][:, 1:])


@pytest.mark.parametrize("split", SPLITS)
def test_every_sample_arrives_as_a_right_hand(folder, split):
    """Seen along the finger's bend, a right hand's thumb lies on the other side than a left's."""
    samples = open_rendered_hands(TINY, folder).splits[split]
    for index in range(len(samples)):
        joints = samples[index].joints_m
        across, along = joints[5] - joints[17], joints[9] - joints[0]
        curl = np.mean([joints[k + 3] - joints[k] for k in (5, 9, 13, 17)], axis=0)
        curl -= along * (curl @ along) / (along @ along)
        if np.linalg.norm(curl) > 0.02:
            assert np.cross(along, across) @ curl < 0


def test_the_hand_that_shows_more_joints_is_the_sample_of_a_scene_of_two(folder_two):
    samples = open_rendered_hands(TINY_TWO, folder_two).splits["train"]
    for index in range(len(samples)):
        shown = samples.fields["joint_visible"][index].sum(axis=1)
        depth_m = samples.fields["joints_m"][index, int(shown.argmax()), :, 2]
        np.testing.assert_array_equal(samples[index].joints_m[:, 2], depth_m)


def test_samples_can_be_changed_without_touching_the_files(folder):
    samples = open_rendered_hands(TINY, folder).splits["train"]
    before = samples[0].image.copy()
    samples[0].image[:] = 0
    samples[0].joints_m[:] = 0
    np.testing.assert_array_equal(samples[0].image, before)


def test_ids_are_unique_over_all_splits(folder):
    data = open_rendered_hands(TINY, folder)
    ids = [split[i].unique_id for split in data.splits.values() for i in range(len(split))]
    assert sorted(ids) == list(range(41))


def test_unique_ids_are_listed_without_opening_samples(folder, monkeypatch):
    split = open_rendered_hands(TINY, folder).splits["train"]
    expected = [split[index].unique_id for index in range(len(split))]
    monkeypatch.delattr(rendered_hands.RenderedSplit, "__getitem__")
    assert unique_ids(split).tolist() == expected


@pytest.mark.parametrize("index", [-1, 34])
def test_an_index_outside_a_split_is_an_index_error(folder, index):
    with pytest.raises(IndexError, match=f"sample {index} of 34"):
        open_rendered_hands(TINY, folder).splits["train"][index]


def test_a_sample_made_alone_is_the_packed_one(folder):
    fields = open_rendered_hands(TINY, folder).splits["train"].fields
    scene = render_scene(scene_settings(TINY, "train"), seed=0, split="train", index=33)
    for name in fields:
        np.testing.assert_array_equal(fields[name][33], getattr(scene, name))


def test_a_pickled_split_maps_the_files_again(folder):
    samples = open_rendered_hands(TINY, folder).splits["train"]
    data = pickle.dumps(samples)
    assert len(data) < 2000
    np.testing.assert_array_equal(pickle.loads(data)[3].image, samples[3].image)  # noqa: S301


def test_a_finished_data_set_is_ready_at_once(folder):
    calls = []
    prepare_rendered_hands(TINY, folder, processes=4, progress=lambda *call: calls.append(call))
    assert calls == [(41, 41)]


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def test_rendering_goes_on_after_an_interruption_with_the_same_result(folder, tmp_path):
    def interrupt(done: int, total: int) -> None:
        if done >= 35:
            raise Interrupted

    with pytest.raises(Interrupted):
        prepare_rendered_hands(TINY, tmp_path, processes=1, progress=interrupt)
    with pytest.raises(ValueError, match="no finished data"):
        open_rendered_hands(TINY, tmp_path)
    calls = []
    prepare_rendered_hands(TINY, tmp_path, processes=1, progress=lambda *call: calls.append(call))
    assert calls[0] == (35, 41)
    assert calls[-1] == (41, 41)
    assert open_rendered_hands(TINY, tmp_path).digest == open_rendered_hands(TINY, folder).digest


@pytest.mark.slow
def test_two_processes_make_the_same_bytes_as_one(folder, tmp_path):
    made(TINY, tmp_path, processes=2)
    assert open_rendered_hands(TINY, tmp_path).digest == open_rendered_hands(TINY, folder).digest


PREPARE = """
import sys
from pathlib import Path
from hpe.data.rendered_hands import RenderedHandsConfig, prepare_rendered_hands

def report(done, total):
    sys.stdout.write(f"{done}\\n")
    sys.stdout.flush()

if __name__ == "__main__":
    config = RenderedHandsConfig.model_validate_json(sys.argv[1])
    prepare_rendered_hands(config, Path(sys.argv[2]), processes=2, progress=report)
"""


@pytest.mark.slow
def test_rendering_goes_on_after_a_kill_and_no_process_is_left_behind(tmp_path):
    config = TINY.model_copy(update={"train": 160, "image_px": 16})
    script = tmp_path / "prepare.py"
    script.write_text(PREPARE)
    command = [sys.executable, str(script), config.model_dump_json(), str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < 64:
            pass
        process.send_signal(signal.SIGKILL)
        process.stdout.read()  # ends when the rendering processes, which share it, have ended
    calls = []
    prepare_rendered_hands(
        config, tmp_path / "data", processes=1, progress=lambda *call: calls.append(call)
    )
    assert calls[0][0] >= 64
    assert calls[-1] == (167, 167)
    made(config, tmp_path / "again")
    digests = {open_rendered_hands(config, tmp_path / name).digest for name in ("data", "again")}
    assert len(digests) == 1


def test_refuses_a_data_set_that_was_cut_short(tmp_path):
    made(TINY.model_copy(update={"train": 1}), tmp_path)
    path = tmp_path / "train" / "rgb.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"rgb\.npy has 3199 bytes, its index says 3200"):
        open_rendered_hands(TINY.model_copy(update={"train": 1}), tmp_path)


def test_refuses_a_folder_of_other_settings(folder):
    other = TINY.model_copy(update={"seed": 7})
    message = r"settings/seed: 0, not 7\).*delete this one"
    with pytest.raises(ValueError, match=message):
        open_rendered_hands(other, folder)
    with pytest.raises(ValueError, match=message):
        made(other, folder)


def test_refuses_a_folder_whose_scenes_were_drawn_by_other_rules(folder, monkeypatch):
    recipe = recipe_of(TINY)
    monkeypatch.setattr(
        rendered_hands,
        "variety_of",
        lambda config, split: replace(variety_of(config, split), off_centre=0.5),
    )
    assert recipe_of(TINY) != recipe
    with pytest.raises(ValueError, match=r"scenes/test/variety/off_centre: 0\.05, not 0\.5"):
        open_rendered_hands(TINY, folder)


def test_refuses_an_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="Prepare the data first"):
        open_rendered_hands(TINY, tmp_path)


def test_refuses_less_than_one_process(tmp_path):
    with pytest.raises(ValueError, match="processes must be at least 1, got 0"):
        made(TINY, tmp_path, processes=0)


@pytest.mark.parametrize(
    "wrong", [{"image_px": 8}, {"train": 0}, {"hands": "three"}, {"max_tilt_deg": 181}, {"px": 64}]
)
def test_refuses_settings_out_of_range(wrong):
    with pytest.raises(ValidationError):
        RenderedHandsConfig.model_validate(wrong)


def test_the_unlabelled_split_is_drawn_more_widely_in_every_respect():
    config = RenderedHandsConfig()
    wide, narrow = variety_of(config, "unlabelled"), variety_of(config, "train")
    assert variety_of(config, "test") == narrow
    assert wide.sides == narrow.sides
    for name in ("fill", "focal", "ambient", "lamp", "exposure", "blur", "noise"):
        (low, high), (lowest, highest) = getattr(narrow, name), getattr(wide, name)
        assert lowest <= low
        assert highest > high
    for name in ("max_tilt_deg", "off_centre", "cast", "pose_noise"):
        assert getattr(wide, name) > getattr(narrow, name)

"""The phase, the space and the data set that `docs/extending.md` shows."""

import re
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import optuna
import pytest
import torch

from hpe.data.catalog import DATA_SETS, data_config, data_root, open_data, prepare_data
from hpe.data.opened import SPLITS
from hpe.phases.catalog import PHASES
from hpe.phases.phase import PhaseInputs
from search_spaces.space import SPACES
from sweep.points import searched_point
from sweep.study import Study
from sweep.study_check import check_study

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
HANDS = 20
STUDY = {
    "name": "mine",
    "question": "Does it fit together?",
    "data": {"name": "studio"},
    "plan": ["mean_hand"],
    "objective": {"metric": "mean_hand/val/root_epe_mm"},
    "arms": {"mean": {}},
    "search": {"trials": 0},
}


def code_of(number):
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[number]


def shown(number):
    """Return a module of the page's n-th example."""
    code = code_of(number)
    module = types.ModuleType(f"extending_{number}")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    return module


@pytest.fixture
def studio(tmp_path, monkeypatch):
    """The data set, registered, with the folder of its files."""
    monkeypatch.setitem(DATA_SETS, "studio", shown(2).STUDIO)
    rng = np.random.default_rng(0)
    joints_m = rng.uniform(-0.05, 0.05, (HANDS, 21, 3)) + np.array([0, 0, 0.6])
    folder = tmp_path / "studio"
    folder.mkdir()
    np.save(folder / "joints_m.npy", joints_m)
    np.save(folder / "intrinsics.npy", np.array([[200.0, 0, 48], [0, 200, 48], [0, 0, 1]]))
    for row in range(HANDS):
        cv2.imwrite(str(folder / f"{row}.jpg"), rng.integers(0, 256, (96, 96, 3), dtype=np.uint8))
    return tmp_path


def opened(data_dir):
    config = data_config({"name": "studio"})
    root = data_root(config, data_dir=data_dir, made_dir=data_dir)
    told = []
    prepare_data(config, root, processes=1, progress=lambda *far: told.append(far))
    assert told
    return open_data(config, root)


@pytest.mark.parametrize("number", range(3), ids=["phase", "space", "data set"])
def test_an_example_is_shown_in_under_forty_lines(number):
    lines = code_of(number).splitlines()
    assert len(lines) < 40
    assert max(map(len, lines)) <= 100


def test_the_data_set_is_one_like_any_other(studio):
    data = opened(studio)
    assert {name: len(data.splits[name]) for name in SPLITS} == {
        "unlabelled": 16,
        "train": 16,
        "val": 2,
        "test": 2,
    }
    sample = data.splits["test"][0]
    assert sample.unique_id == 18
    assert sample.image.shape == (96, 96, 3)
    np.testing.assert_allclose(
        sample.keypoints_px[0], 200 * sample.joints_m[0, :2] / sample.joints_m[0, 2] + 48
    )


def test_a_picture_that_is_broken_is_named_before_anything_trains(studio):
    (studio / "studio" / "17.jpg").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"studio: val\[1\] cannot be read: .*17\.jpg"):
        opened(studio)


def test_a_file_that_is_missing_is_named(studio):
    (studio / "studio" / "joints_m.npy").unlink()
    with pytest.raises(ValueError, match=r"the data set cannot be read: .*joints_m\.npy"):
        opened(studio)


def test_the_phase_learns_the_mean_and_goes_on_from_any_epoch(studio):
    module = shown(0)
    phases = {**PHASES, "mean_hand": module.MEAN_HAND}
    data = opened(studio)
    inputs = PhaseInputs(data, parents={}, seed=0, device=torch.device("cpu"))
    config = check_study(Study.model_validate(STUDY), phases).base.configs["mean_hand"]
    reports = list(module.learn(config, inputs))
    hands = [
        sample.joints_m - sample.joints_m[:1]
        for sample in map(data.splits["train"].__getitem__, range(16))
    ]
    last = reports[-1].artifacts().tensors["mean"]["joints_m"]
    np.testing.assert_allclose(last, np.mean(hands, axis=0), atol=1e-6)
    resumed = list(module.learn(config, inputs, reports[1].state()))
    assert [r.metrics for r in resumed] == [r.metrics for r in reports[2:]]
    assert torch.equal(resumed[-1].artifacts().tensors["mean"]["joints_m"], last)


def test_every_point_of_the_space_is_one_that_pretraining_can_have(monkeypatch):
    monkeypatch.setitem(SPACES, "warmth", shown(1).WARMTH)
    study = Study.model_validate(
        {
            **STUDY,
            "data": {"name": "rendered_hands"},
            "plan": ["pretrain", "finetune"],
            "objective": {"metric": "finetune/val/root_epe_mm"},
            "space": "warmth",
            "search": {"trials": 5},
        }
    )
    space = check_study(study).space
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    dropped = set()
    for _ in range(10):
        point = searched_point(study, space.suggest(drawn.ask()), PHASES)
        augment = point.configs["pretrain"].augment
        dropped.add(augment.color_drop.enabled)
        assert 0.05 <= point.configs["pretrain"].loss.temperature <= 1.0
    assert dropped == {True, False}

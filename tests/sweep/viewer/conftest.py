"""A runs folder with two networks and the hands they are scored on."""

from pathlib import Path

import pytest

from hpe.data.catalog import data_config, data_root
from hpe.data.rendered_hands import prepare_rendered_hands
from hpe.phases.finetune_config import FinetuneConfig
from hpe.phases.phase import Artifacts
from sweep.folders import RunsDir
from sweep.journal import Journal
from tests.hpe.evaluation.untrained import ENCODER, IMAGE_PX, pose_artifacts
from trainables.assignment import Stage
from trainables.stages import StageStore

DATA = {"name": "rendered_hands", "image_px": 96, "unlabelled": 2, "train": 1, "val": 4, "test": 1}
CONFIG = FinetuneConfig(encoder=ENCODER, image_px=IMAGE_PX, epochs=4).model_dump(mode="json")
KEYS = ("ab" * 32, "cd" * 32)
SIZES = (1.0, 0.6)  # what the two networks see hands at


def write_runs(root: Path) -> RunsDir:
    """Write a study with two finetuned trials, one without, and its data."""
    runs = RunsDir(root)
    for key, size in zip(KEYS, SIZES, strict=True):
        _write_stage(runs, key, size)
    _write_journal(runs)
    config = data_config(DATA)
    folder = data_root(config, data_dir=None, made_dir=runs.data)
    prepare_rendered_hands(config, folder, processes=1, progress=lambda _done, _total: None)
    return runs


def _write_stage(runs: RunsDir, key: str, size: float) -> None:
    artifacts: Artifacts = pose_artifacts()
    for tensor in artifacts.tensors["head"].values():
        tensor.mul_(size)
    learner = {
        f"{group}.{name}": tensor
        for group in ("encoder", "head")
        for name, tensor in artifacts.tensors[group].items()
    }
    stage = Stage(key, "finetune", "finetune", CONFIG, {}, {}, 0, 4)
    state = {"epoch": 2, "metrics": {"val/root_epe_mm": 9.0}, "learner": learner}
    StageStore(runs.stages).save_state(stage, state, epoch=2, history=[])


def _write_journal(runs: RunsDir) -> None:
    runs.study("mine").root.mkdir(parents=True)
    study = {"kind": "study", "time_s": 0.0, "study": {"name": "mine", "data": DATA}, "lineage": {}}
    trials = [_trial(number, key) for number, key in enumerate((*KEYS, "ef" * 32))]
    with Journal(runs.study("mine").journal) as journal:
        journal.open()
        journal.append([study, *trials])


def _trial(number: int, key: str) -> dict[str, object]:
    stage = {"label": "finetune", "key": key, "phase": "finetune", "epochs": 4, "config": CONFIG}
    return {
        "kind": "trial",
        "time_s": 0.0,
        "number": number,
        "arm": f"arm_{number}",
        "seed": 0,
        "params": {},
        "distributions": {},
        "settings": {},
        "stages": [{**stage, "seed": 0}],
    }


@pytest.fixture(scope="session")
def viewed_runs(tmp_path_factory) -> RunsDir:
    """See `write_runs`."""
    return write_runs(tmp_path_factory.mktemp("viewed") / "runs")

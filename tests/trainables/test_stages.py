"""The stage store: committed whole or not at all, checked when read."""

import json

import pytest
import torch

from hpe.phases.phase import Artifacts
from trainables.assignment import Stage
from trainables.stages import CorruptStage, StageStore

STAGE = Stage(
    key="k" * 64,
    label="pretrain",
    phase="pretrain",
    config={"epochs": 3},
    parents={},
    data={"config": {}, "root": "", "digest": "d"},
    seed=1,
    epochs=3,
)
ARTIFACTS = Artifacts(
    tensors={"encoder": {"weight": torch.arange(6.0).reshape(2, 3)}}, facts={"width": 3}
)
HISTORY = [{"epoch": 1, "metrics": {"val/error": 0.1}}]


@pytest.fixture
def store(tmp_path):
    return StageStore(tmp_path / "stages")


@pytest.fixture
def committed(store):
    store.commit(STAGE, ARTIFACTS, HISTORY, lineage={"commit": "abc"})
    return store


def state_after(epoch):
    return {"weight": torch.full((3,), float(epoch)), "step": epoch, "lr": 0.1}


def test_gives_back_what_was_committed(committed):
    artifacts = committed.artifacts(STAGE.key)
    assert torch.equal(
        artifacts.tensors["encoder"]["weight"], ARTIFACTS.tensors["encoder"]["weight"]
    )
    assert artifacts.facts == {"width": 3}
    assert committed.metrics(STAGE.key) == HISTORY
    assert committed.manifest(STAGE.key)["lineage"] == {"commit": "abc"}


def test_is_not_committed_before_its_manifest_is(store):
    store.save_state(STAGE, state_after(1), epoch=1, history=HISTORY)
    assert not store.is_committed(STAGE.key)
    with pytest.raises(FileNotFoundError):
        store.artifacts(STAGE.key)


def test_commit_drops_the_states(committed):
    assert committed.last_state(STAGE) is None


@pytest.mark.parametrize("file", ["encoder.safetensors", "facts.json", "history.json"])
def test_a_flipped_bit_is_noticed(committed, file):
    path = committed.folder(STAGE.key) / file
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptStage, match=f"{file} is not what was committed"):
        committed.artifacts(STAGE.key)


def test_a_damaged_stage_is_set_aside_and_counts_as_missing(committed):
    (committed.folder(STAGE.key) / "facts.json").unlink()
    assert not committed.is_committed(STAGE.key)
    assert [p.name.split(".")[1][:7] for p in committed.root.iterdir()] == ["corrupt"]


def test_an_unknown_format_version_is_refused_by_name(committed):
    path = committed.folder(STAGE.key) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))
    with pytest.raises(CorruptStage, match="format version 99, this program reads 1"):
        committed.artifacts(STAGE.key)


def test_resumes_from_the_newest_state(store):
    for epoch in (1, 2, 3):
        store.save_state(STAGE, state_after(epoch), epoch=epoch, history=HISTORY)
    saved = store.last_state(STAGE)
    assert saved.epoch == 3
    assert saved.state["step"] == 3
    assert torch.equal(saved.state["weight"], torch.full((3,), 3.0))
    assert saved.history == HISTORY


def test_keeps_two_states_only(store):
    for epoch in (1, 2, 3, 4):
        store.save_state(STAGE, state_after(epoch), epoch=epoch, history=HISTORY)
    files = sorted(path.name for path in (store.folder(STAGE.key) / "state").iterdir())
    assert files == [
        "00003.rank0.json",
        "00003.rank0.safetensors",
        "00004.rank0.json",
        "00004.rank0.safetensors",
    ]


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_a_torn_state_falls_back_to_the_one_before(store, suffix):
    for epoch in (1, 2):
        store.save_state(STAGE, state_after(epoch), epoch=epoch, history=HISTORY)
    path = store.folder(STAGE.key) / "state" / f"00002.rank0.{suffix}"
    path.write_bytes(path.read_bytes()[:-5])
    assert store.last_state(STAGE).epoch == 1


def test_all_ranks_resume_from_an_epoch_that_all_have(store):
    for rank in (0, 1):
        store.save_state(STAGE, state_after(1), epoch=1, history=HISTORY, rank=rank)
    store.save_state(STAGE, state_after(2), epoch=2, history=HISTORY, rank=0)
    assert {store.last_state(STAGE, rank=rank, world_size=2).epoch for rank in (0, 1)} == {1}


def test_a_snapshot_is_part_of_the_committed_stage(store):
    store.keep_snapshot(STAGE, 2, ARTIFACTS)
    store.keep_snapshot(STAGE, 1, ARTIFACTS)
    store.drop_snapshot(STAGE, 1)
    store.commit(STAGE, ARTIFACTS, HISTORY, lineage={})
    kept = {name for name in store.manifest(STAGE.key)["files"] if name.startswith("kept/")}
    assert kept == {"kept/00002/encoder.safetensors", "kept/00002/facts.json"}


def test_imports_weights_once_under_the_key_of_their_content(store):
    source = {"file": "encoder.safetensors", "sha256": "0" * 64}
    key = store.import_weights(ARTIFACTS, phase="pretrain", source=source)
    assert store.import_weights(ARTIFACTS, phase="pretrain", source=source) == key
    assert store.artifacts(key).facts == {"width": 3}


def test_a_stage_that_is_committed_already_stays_as_it_is(committed):
    before = committed.manifest(STAGE.key)
    late = Artifacts(tensors={"encoder": {"weight": torch.zeros(2, 3)}}, facts={"width": 3})
    committed.commit(STAGE, late, [], lineage={"commit": "late"})
    assert committed.manifest(STAGE.key) == before
    assert committed.is_committed(STAGE.key)
    assert committed.metrics(STAGE.key) == HISTORY


def test_a_state_whose_tensors_are_gone_is_passed_over(store):
    for epoch in (1, 2):
        store.save_state(STAGE, state_after(epoch), epoch=epoch, history=HISTORY)
    (store.folder(STAGE.key) / "state" / "00002.rank0.safetensors").unlink()
    saved = store.last_state(STAGE)
    assert saved is not None
    assert saved.epoch == 1

"""The stage store: committed whole or not at all, checked when read."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from hpe.phases.phase import Artifacts
from trainables import manifest, stages
from trainables.assignment import Stage
from trainables.file_lock import lock_file
from trainables.manifest import CorruptStage
from trainables.sealed_json import StageFormat
from trainables.stages import StageStore

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


def flip_a_bit(path, *, at=-2, bit=0):
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("encoder.safetensors", StageStore.artifacts),
        ("facts.json", StageStore.artifacts),
        ("history.json", StageStore.metrics),
        ("manifest.json", StageStore.artifacts),
        ("manifest.json", StageStore.metrics),
    ],
)
def test_a_flipped_bit_is_noticed_when_the_file_is_read(committed, file, read):
    flip_a_bit(committed.folder(STAGE.key) / file, at=-5)
    with pytest.raises(CorruptStage, match=f"{file} is not"):
        read(committed, STAGE.key)


FILES = ["encoder.safetensors", "facts.json", "history.json", "kept/00002/facts.json"]


@pytest.fixture
def with_snapshot(store):
    store.keep_snapshot(STAGE, 2, ARTIFACTS)
    store.commit(STAGE, ARTIFACTS, HISTORY, lineage={})
    return store


@pytest.mark.parametrize("file", [*FILES, "manifest.json"])
def test_a_stage_with_a_flipped_bit_is_set_aside_and_can_be_committed_again(with_snapshot, file):
    store = with_snapshot
    flip_a_bit(store.folder(STAGE.key) / file, at=-10)
    aside = store.set_aside(STAGE.key)
    assert aside is not None
    assert (aside / file).exists(), "what is damaged is kept to be looked at"
    assert not store.is_committed(STAGE.key)
    store.commit(STAGE, ARTIFACTS, HISTORY, lineage={})
    assert store.artifacts(STAGE.key).facts == {"width": 3}


@pytest.mark.parametrize("file", FILES)
def test_a_stage_that_lacks_a_file_is_not_committed_and_is_set_aside(with_snapshot, file):
    (with_snapshot.folder(STAGE.key) / file).unlink()
    assert not with_snapshot.is_committed(STAGE.key)
    assert with_snapshot.set_aside(STAGE.key) is not None
    assert not with_snapshot.folder(STAGE.key).exists()


def test_a_stage_without_its_manifest_is_unfinished_and_is_committed_again(with_snapshot):
    (with_snapshot.folder(STAGE.key) / "manifest.json").unlink()
    assert with_snapshot.set_aside(STAGE.key) is None
    assert not with_snapshot.is_committed(STAGE.key)
    with_snapshot.commit(STAGE, ARTIFACTS, HISTORY, lineage={})
    assert with_snapshot.metrics(STAGE.key) == HISTORY


def test_no_bit_of_a_manifest_can_be_flipped_without_notice_or_harm(committed):
    path = committed.folder(STAGE.key) / "manifest.json"
    whole = path.read_bytes()
    for at in range(0, len(whole), 5):
        flip_a_bit(path, at=at, bit=at % 8)
        try:
            artifacts = committed.artifacts(STAGE.key)
        except CorruptStage:
            assert not committed.is_committed(STAGE.key)
        else:  # a blank became another blank, or the name of the seal changed
            assert artifacts.facts == {"width": 3}
        path.write_bytes(whole)


def test_a_sound_stage_is_not_set_aside(committed):
    assert committed.set_aside(STAGE.key) is None
    assert committed.is_committed(STAGE.key)


def test_to_ask_whether_a_stage_is_committed_reads_its_manifest_alone(committed, monkeypatch):
    monkeypatch.setattr(manifest, "sha256_of", None)
    assert committed.is_committed(STAGE.key)


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_a_stage_of_another_version_is_refused_by_name_and_left_alone(committed, version):
    path = committed.folder(STAGE.key) / "manifest.json"
    record = {**json.loads(path.read_text()), "version": version}
    del record["seal"]
    path.write_text(json.dumps(record))
    refusal = (
        rf"stage {STAGE.key}: manifest.json has format version {version}, this program reads 1\. "
        "Use the program version that wrote it, or move .* away"
    )
    for act in (
        committed.is_committed,
        committed.artifacts,
        committed.metrics,
        committed.set_aside,
    ):
        with pytest.raises(StageFormat, match=refusal):
            act(STAGE.key)
    with pytest.raises(StageFormat):
        committed.commit(STAGE, ARTIFACTS, HISTORY, lineage={})
    assert json.loads(path.read_text()) == record


def test_resumes_from_the_newest_state(store):
    for epoch in (1, 2, 3):
        store.save_state(STAGE, state_after(epoch), epoch=epoch, history=HISTORY)
    saved = store.last_state(STAGE)
    assert saved.epoch == 3
    assert saved.state["step"] == 3
    assert torch.equal(saved.state["weight"], torch.full((3,), 3.0))
    assert saved.history == HISTORY


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


def test_a_state_is_not_written_beside_what_another_worker_has_committed(committed):
    before = sorted(committed.root.rglob("*"))
    committed.save_state(STAGE, state_after(2), epoch=2, history=HISTORY)
    committed.keep_snapshot(STAGE, 2, ARTIFACTS)
    committed.drop_snapshot(STAGE, 2)
    assert sorted(committed.root.rglob("*")) == before


def test_commit_removes_what_killed_writers_left(store):
    store.save_state(STAGE, state_after(1), epoch=1, history=HISTORY)
    store.keep_snapshot(STAGE, 1, ARTIFACTS)
    folder = store.folder(STAGE.key)
    for place in (folder, folder / "state", folder / "kept" / "00001"):
        (place / ".encoder.safetensors.0123abcd.new").write_bytes(b"half")
    store.commit(STAGE, ARTIFACTS, HISTORY, lineage={})
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} == {
        "manifest.json",
        *store.manifest(STAGE.key)["files"],
    }


def test_nobody_else_writes_a_stage_while_it_is_committed(store, monkeypatch):
    others = []

    def write_manifest(*arguments, **named):
        others.append(lock_file(store.root / stages.LOCKS / STAGE.key, shared=True, wait=False))
        manifest.write_manifest(*arguments, **named)

    monkeypatch.setattr(stages, "write_manifest", write_manifest)
    store.commit(STAGE, ARTIFACTS, HISTORY, lineage={})
    assert others == [None]


@pytest.mark.slow
def test_two_writers_of_one_stage_at_once_leave_it_whole(store):
    """Whichever commits first, the stage is wholly that writer's; the others notice nothing."""

    def train(writer):
        mine = Artifacts(
            tensors={name: {"w": torch.full((200,), float(writer))} for name in ("a", "b", "c")},
            facts={"writer": writer},
        )
        for epoch in range(1, 6):
            store.save_state(STAGE, state_after(epoch), epoch=epoch, history=[])
            store.keep_snapshot(STAGE, epoch, mine)
            store.drop_snapshot(STAGE, epoch - 1)
            store.last_state(STAGE)
        store.commit(STAGE, mine, [{"epoch": 5, "metrics": {"writer": writer}}], lineage={})

    for _ in range(4):
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(train, writer) for writer in range(4)]:
                done.result()
        found = store.artifacts(STAGE.key)
        writer = found.facts["writer"]
        assert {float(group["w"].unique()) for group in found.tensors.values()} == {float(writer)}
        assert store.metrics(STAGE.key)[0]["metrics"] == {"writer": writer}
        assert not (store.folder(STAGE.key) / "state").exists()
        assert store.set_aside(STAGE.key) is None, "the manifest states what is there"
        shutil.rmtree(store.folder(STAGE.key))

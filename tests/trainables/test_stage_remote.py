"""A stage store that is a cache of remote storage: what one machine commits, every other reads."""

import errno
from types import SimpleNamespace

import boto3
import pytest
import torch
from moto.server import ThreadedMotoServer
from pyarrow import ArrowCapacityError

from hpe.phases.phase import Artifacts
from trainables import remote_folder
from trainables.assignment import Stage
from trainables.manifest import MANIFEST, CorruptStage
from trainables.remote_folder import RemoteFolder, numbered
from trainables.saved_states import STATES_KEPT
from trainables.stage_remote import LINK, StageRemote, link_remote, linked_remote
from trainables.stages import KEPT, STATES, StageStore

KEY = "a" * 64
STAGE = Stage(
    key=KEY,
    label="pretrain",
    phase="pretrain",
    config={"epochs": 3},
    parents={},
    data={"config": {}, "root": "", "digest": "d"},
    seed=1,
    epochs=3,
)
HISTORY = [{"epoch": 1, "metrics": {"val/error": 0.5}}]
WEIGHTS = f"{KEY}/encoder.safetensors"


def artifacts(value=1.0):
    tensors = {"encoder": {"weight": torch.full((2, 3), value)}}
    return Artifacts(tensors=tensors, facts={"width": 3})


def state(epoch):
    return {"weight": torch.full((4,), float(epoch)), "step": epoch}


@pytest.fixture(scope="module")
def s3():
    """Serve S3 in this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


also_in_s3 = pytest.mark.parametrize(
    "uri", ["file", pytest.param("s3", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture
def uri(request, tmp_path, monkeypatch):
    """Name an empty storage: a folder, or a bucket of a mocked S3."""
    if getattr(request, "param", "file") == "file":
        return f"file://{tmp_path}/bucket/stages"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    endpoint = request.getfixturevalue("s3")
    bucket = tmp_path.name.replace("_", "-").lower()[-40:]
    client = boto3.client("s3", endpoint_url=f"http://{endpoint}", region_name="us-east-1")
    client.create_bucket(Bucket=bucket)
    client.close()
    return f"s3://{bucket}/stages?scheme=http&endpoint_override={endpoint}&region=us-east-1"


@pytest.fixture
def machine(tmp_path, uri):
    def of(name):
        link_remote(tmp_path / name, uri)
        return StageStore(tmp_path / name)

    return of


@pytest.fixture
def remote(uri):
    return RemoteFolder.at(uri)


@also_in_s3
def test_what_one_machine_commits_another_reads(machine, remote):
    machine("a").commit(STAGE, artifacts(), HISTORY, lineage={"host": "a"})
    b = machine("b")
    assert b.is_committed(KEY)
    assert b.metrics(KEY) == HISTORY
    assert not (b.folder(KEY) / "encoder.safetensors").exists(), "weights come when they are read"
    assert torch.equal(b.artifacts(KEY).tensors["encoder"]["weight"], torch.ones(2, 3))
    assert b.manifest(KEY)["lineage"] == {"host": "a"}


def test_a_stage_without_its_manifest_is_not_committed_anywhere(machine, remote):
    a = machine("a")
    a.commit(STAGE, artifacts(), HISTORY, lineage={})
    remote.delete(f"{KEY}/{MANIFEST}")
    assert not machine("b").is_committed(KEY)
    assert not a.is_committed(KEY), "the copy here does not count"


def test_the_manifest_is_put_last(machine, remote, monkeypatch):
    put = []
    original = RemoteFolder.put
    monkeypatch.setattr(
        RemoteFolder, "put", lambda self, path, name: (put.append(name), original(self, path, name))
    )
    machine("a").commit(STAGE, artifacts(), HISTORY, lineage={})
    assert len(put) == 4
    assert put[-1] == f"{KEY}/{MANIFEST}"


@also_in_s3
def test_a_stage_is_gone_on_with_on_another_machine(machine):
    a = machine("a")
    for epoch in (1, 2, 3):
        a.save_state(STAGE, state(epoch), epoch=epoch, history=HISTORY)
    a.keep_snapshot(STAGE, 1, artifacts())
    a.keep_snapshot(STAGE, 2, artifacts())
    a.drop_snapshot(STAGE, 1)
    b = machine("b")
    saved = b.last_state(STAGE)
    assert saved.epoch == 3
    assert torch.equal(saved.state["weight"], torch.full((4,), 3.0))
    assert len(list((b.folder(KEY) / STATES).glob("*.json"))) == STATES_KEPT
    assert [path.name for path in (b.folder(KEY) / KEPT).iterdir()] == ["00002"]


def test_ranks_on_different_machines_find_each_others_states(machine):
    for rank, name in enumerate("ab"):
        machine(name).save_state(STAGE, state(1), epoch=1, history=HISTORY, rank=rank)
    machine("a").save_state(STAGE, state(2), epoch=2, history=HISTORY, rank=0)
    for rank, name in enumerate("ab"):
        assert machine(name).last_state(STAGE, rank=rank, world_size=2).epoch == 1


def test_states_are_dropped_with_the_commit(machine, remote):
    a = machine("a")
    a.save_state(STAGE, state(1), epoch=1, history=HISTORY)
    a.commit(STAGE, artifacts(), HISTORY, lineage={})
    assert not [name for name in remote.names() if f"/{STATES}/" in name]
    assert machine("b").last_state(STAGE) is None


def test_a_damaged_copy_is_brought_again(machine):
    machine("a").commit(STAGE, artifacts(), HISTORY, lineage={})
    b = machine("b")
    b.artifacts(KEY)
    copy = b.folder(KEY) / "encoder.safetensors"
    copy.write_bytes(bytes(copy.stat().st_size))
    with pytest.raises(CorruptStage):
        b.artifacts(KEY)
    assert b.set_aside(KEY) is None
    assert torch.equal(b.artifacts(KEY).tensors["encoder"]["weight"], torch.ones(2, 3))


@also_in_s3
def test_a_stage_that_is_damaged_at_its_source_is_trained_again(machine, remote):
    machine("a").commit(STAGE, artifacts(), HISTORY, lineage={})
    remote.write(WEIGHTS, b"\0" * len(remote.read(WEIGHTS)))
    b = machine("b")
    assert b.set_aside(KEY) is not None
    assert not b.is_committed(KEY)
    b.commit(STAGE, artifacts(2.0), HISTORY, lineage={})
    c = machine("c")
    assert torch.equal(c.artifacts(KEY).tensors["encoder"]["weight"], torch.full((2, 3), 2.0))


def test_the_first_commit_stays(machine):
    machine("a").commit(STAGE, artifacts(1.0), HISTORY, lineage={})
    b = machine("b")
    b.commit(STAGE, artifacts(2.0), HISTORY, lineage={})
    assert torch.equal(b.artifacts(KEY).tensors["encoder"]["weight"], torch.ones(2, 3))


def test_a_folder_caches_one_storage_only(tmp_path):
    link_remote(tmp_path / "stages", "s3://one/stages")
    link_remote(tmp_path / "stages", "s3://one/stages")
    assert linked_remote(tmp_path / "stages") == "s3://one/stages"
    with pytest.raises(ValueError, match="it caches s3://one/stages, not s3://two/stages"):
        link_remote(tmp_path / "stages", "s3://two/stages")


def test_a_folder_without_a_link_is_the_store_itself(tmp_path):
    store = StageStore(tmp_path)
    store.commit(STAGE, artifacts(), HISTORY, lineage={})
    assert linked_remote(tmp_path) is None
    assert not (tmp_path / LINK).exists()
    assert store.is_committed(KEY)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7", errno.EREMOTEIO),
        ("AWS Error ACCESS_DENIED during PutObject operation", errno.EACCES),
    ],
)
def test_errors_of_object_storage_get_a_number(text, number):
    with pytest.raises(OSError, match="AWS Error") as caught, numbered():
        raise OSError(text)
    assert caught.value.errno == number


def test_an_error_of_googles_that_is_no_oserror_becomes_one():
    with pytest.raises(OSError, match="429") as caught, numbered():
        raise ArrowCapacityError("google::cloud::Status(RESOURCE_EXHAUSTED: 429)")
    assert caught.value.errno == errno.EREMOTEIO


def test_an_error_with_a_number_stays_as_it_is():
    with pytest.raises(OSError, match="full") as caught, numbered():
        raise OSError(errno.ENOSPC, "full")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.__cause__ is None


def test_a_bucket_whose_region_cannot_be_asked_for_is_an_outage(tmp_path, monkeypatch):
    def from_uri(uri):
        raise OSError("When resolving region for bucket 'b': AWS Error NETWORK_CONNECTION")

    monkeypatch.setattr(remote_folder, "FileSystem", SimpleNamespace(from_uri=from_uri))
    link_remote(tmp_path, "s3://b/stages")
    with pytest.raises(OSError, match="resolving region") as caught:
        StageStore(tmp_path).is_committed(KEY)
    assert caught.value.errno == errno.EREMOTEIO


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a//b", "a/../b", ""])
def test_no_name_leads_out_of_the_storage(tmp_path, name):
    remote = RemoteFolder.at(f"file://{tmp_path}/base")
    with pytest.raises(ValueError, match="leads out of"):
        remote.write(name, b"")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("uri", ["ftp://host/x", "http://host/x"])
def test_storage_of_an_unknown_kind_is_refused(uri):
    with pytest.raises(ValueError, match="storage is a path, or s3://, gs://, file://"):
        RemoteFolder.at(uri)


def test_a_stage_remote_lists_nothing_of_a_stage_that_never_was(tmp_path):
    remote = StageRemote(RemoteFolder.at(f"file://{tmp_path}/none"))
    assert not remote.is_committed(KEY)
    assert remote.remote.names() == []

"""What a machine finds when it is asked whether it shares the storage."""

import pytest

from sweep import preflight
from sweep.preflight import probe, prove_shared
from trainables.remote_folder import RemoteFolder

NAME = "preflight/abc"


@pytest.fixture
def uri(tmp_path):
    return f"file://{tmp_path}/shared"


def test_a_machine_that_shares_the_storage_answers_in_it(uri):
    RemoteFolder.at(uri).write(f"{NAME}/head", b"token")
    assert probe(uri, NAME, "token", "node-b", None) is None
    assert RemoteFolder.at(uri).read(f"{NAME}/node-b") == b"token"


@pytest.mark.parametrize(
    ("written", "message"), [(None, "another, unshared place"), (b"old", "something else")]
)
def test_a_machine_that_sees_another_place_says_so(uri, written, message):
    if written is not None:
        RemoteFolder.at(uri).write(f"{NAME}/head", written)
    assert message in probe(uri, NAME, "token", "node-b", None)


def test_a_machine_without_the_data_says_so(uri, tmp_path):
    RemoteFolder.at(uri).write(f"{NAME}/head", b"token")
    assert probe(uri, NAME, "token", "b", tmp_path) is None
    assert "it has no data set at" in probe(uri, NAME, "token", "b", tmp_path / "hands")


def asked(monkeypatch, answer):
    """Have nodes a and b answer without Ray: a as it should, b as given."""

    def ask(uri, name, token, data):
        return {"a": probe(uri, name, token, "a", data), "b": answer(uri, name, token, data)}

    monkeypatch.setattr(preflight, "_ask_every_node", ask)


def test_nothing_is_left_in_a_storage_that_all_share(uri, monkeypatch):
    asked(monkeypatch, lambda uri, name, token, data: probe(uri, name, token, "b", data))
    assert prove_shared(uri, data=None) == 2
    assert RemoteFolder.at(uri).names() == []


def test_the_machine_that_does_not_share_it_is_named(uri, tmp_path, monkeypatch):
    other = f"file://{tmp_path}/other"
    asked(monkeypatch, lambda uri, name, token, data: probe(other, name, token, "b", data))
    with pytest.raises(ValueError, match=r"not every machine .*\n  b: it does not see"):
        prove_shared(uri, data=None)


def test_a_machine_whose_writes_stay_with_it_is_named(uri, monkeypatch):
    asked(monkeypatch, lambda uri, name, token, data: None)
    with pytest.raises(ValueError, match="  b: what it wrote there does not reach the head"):
        prove_shared(uri, data=None)

"""What a machine finds when it is asked whether it shares the storage."""

import pytest

from sweep import preflight
from sweep.lineage import PROJECT
from sweep.preflight import code_digest, probe, prove_shared
from trainables.remote_folder import RemoteFolder

NAME = "preflight/abc"


def written_by_the_head():
    return f"token {code_digest(PROJECT)}".encode()


@pytest.fixture
def uri(tmp_path):
    return f"file://{tmp_path}/shared"


def test_a_machine_that_shares_the_storage_answers_in_it(uri):
    RemoteFolder.at(uri).write(f"{NAME}/head", written_by_the_head())
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
    RemoteFolder.at(uri).write(f"{NAME}/head", written_by_the_head())
    assert probe(uri, NAME, "token", "b", tmp_path) is None
    assert "it has no data set at" in probe(uri, NAME, "token", "b", tmp_path / "hands")


def test_a_machine_with_other_code_says_so(uri, tmp_path, monkeypatch):
    RemoteFolder.at(uri).write(f"{NAME}/head", written_by_the_head())
    (tmp_path / "hpe").mkdir()
    (tmp_path / "hpe" / "other.py").write_text("x = 1\n")
    monkeypatch.setattr(preflight, "PROJECT", tmp_path)
    assert "it has other code than the head" in probe(uri, NAME, "token", "b", None)


def test_the_digest_of_code_changes_with_a_modules_name_and_content(tmp_path):
    (tmp_path / "hpe").mkdir()
    digests = {code_digest(tmp_path)}
    (tmp_path / "hpe" / "a.py").write_text("x = 1\n")
    digests.add(code_digest(tmp_path))
    (tmp_path / "hpe" / "a.py").write_text("x = 2\n")
    digests.add(code_digest(tmp_path))
    (tmp_path / "hpe" / "a.py").rename(tmp_path / "hpe" / "b.py")
    digests.add(code_digest(tmp_path))
    assert len(digests) == 4


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

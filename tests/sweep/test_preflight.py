"""What machines are asked before a study starts, and what is left of it in the storage."""

import subprocess
import sys

import pytest
from ray.exceptions import RayError

from sweep import preflight
from sweep.preflight import Answer, probe, proven_terms
from trainables.remote_folder import RemoteFolder


@pytest.fixture
def uri(tmp_path):
    return f"file://{tmp_path}/shared"


def asked(monkeypatch, answer):
    """Have nodes a and b answer without Ray: a as it should, b as given."""

    def ask(terms):
        return [Answer("id-a", "a", probe(terms, "a")), Answer("id-b", "b", answer(terms))]

    monkeypatch.setattr(preflight, "_ask_every_node", ask)


def elsewhere(terms, storage):
    """Return what a machine says that finds another place where the storage should be."""
    there = type(terms)(**{**vars(terms), "storage": storage})
    return probe(there, "b")


@pytest.mark.slow
def test_a_machine_is_asked_without_torch():
    program = "import sys, sweep.preflight; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_all_that_share_the_storage_are_admitted_and_the_heads_token_stays(
    uri, tmp_path, monkeypatch
):
    asked(monkeypatch, lambda terms: probe(terms, "b"))
    with proven_terms(uri, data=None) as terms:
        assert terms.admitted == {"id-a", "id-b"}
        assert probe(terms, "c") is None, "a machine that joins later is refused"
    assert RemoteFolder.at(uri).names() == []
    assert list((tmp_path / "shared" / "preflight").iterdir()) == []


def test_the_machine_that_does_not_share_it_is_named(uri, tmp_path, monkeypatch):
    asked(monkeypatch, lambda terms: elsewhere(terms, f"file://{tmp_path}/other"))
    refused = pytest.raises(ValueError, match=r"not every machine .*\n  b: it does not see")
    with refused, proven_terms(uri, data=None):
        pass
    assert RemoteFolder.at(uri).names() == []


def test_a_machine_whose_writes_stay_with_it_is_named(uri, monkeypatch):
    asked(monkeypatch, lambda terms: None)
    refused = pytest.raises(ValueError, match="  b: what it wrote there does not reach the head")
    with refused, proven_terms(uri, data=None):
        pass


def test_a_storage_that_does_not_answer_is_a_fault_of_its_machine(uri, monkeypatch):
    def silent(terms, *, node):
        raise OSError("no route to host")

    with monkeypatch.context() as context:
        context.setattr(preflight, "refusal", silent)
        assert probe(None, "b") == "no route to host"


def test_a_machine_that_is_alone_is_not_asked(uri, monkeypatch):
    class Context:
        def get_node_id(self):
            return "mine"

    monkeypatch.setattr(preflight.ray, "get_runtime_context", Context)
    with proven_terms(uri, data=None, is_alone=True) as terms:
        assert terms.admitted == {"mine"}
        assert probe(terms, "later") is None
    assert RemoteFolder.at(uri).names() == []


def test_a_machine_that_goes_while_it_is_asked_is_nobodys_fault(uri, monkeypatch):
    class NodeGone(RayError):
        """What Ray raises for a task on a node that does not exist any more."""

    def node(name, *, alive=True):
        return {"NodeID": name * 56, "NodeManagerHostname": name, "Alive": alive}

    seen = iter([[node("a"), node("b")], [node("a"), node("b", alive=False)]])
    answers = {f"{name}-{name * 6}": name for name in "ab"}

    def task(_):
        class Task:
            def options(self, **_):
                return self

            def remote(self, terms, name):
                return answers[name], probe(terms, name)

        return Task()

    def get(answer):
        name, fault = answer
        if name == "b":
            raise NodeGone("the node does not exist any more")
        return fault

    monkeypatch.setattr(preflight.ray, "nodes", lambda: next(seen))
    monkeypatch.setattr(preflight.ray, "remote", task)
    monkeypatch.setattr(preflight.ray, "wait", lambda asked, **_: (asked, []))
    monkeypatch.setattr(preflight.ray, "get", get)
    with proven_terms(uri, data=None) as terms:
        assert terms.admitted == {"a" * 56}

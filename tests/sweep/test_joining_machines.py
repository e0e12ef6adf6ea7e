"""What keeps a machine that joins later from training, and how slots keep off it."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
from ray._private.label_utils import validate_label_selector

from sweep.preflight import probe
from trainables import admission, worker
from trainables.admission import HEAD, code_digest, refusal, terms_here
from trainables.mailbox import Mailbox, SlotPhase
from trainables.pool import SlotPool
from trainables.remote_folder import RemoteFolder
from trainables.slot import SlotActor
from trainables.slot_config import SlotShape, label_selector
from trainables.slot_handle import SlotHandle
from trainables.worker import machine_fault
from trainables.worker_group import Leave, Member


@pytest.fixture
def terms(tmp_path):
    terms = terms_here(f"file://{tmp_path}/shared", data=None)
    RemoteFolder.at(terms.storage).write(f"{terms.folder}/{HEAD}", terms.token.encode())
    return terms


def test_a_machine_that_shares_the_storage_answers_in_it(terms):
    assert refusal(terms, node="b") is None
    assert RemoteFolder.at(terms.storage).read(f"{terms.folder}/b") == terms.token.encode()


def test_a_machine_that_sees_another_place_says_so(terms, tmp_path):
    other = replace(terms, storage=f"file://{tmp_path}/other")
    assert "another, unshared place" in refusal(other, node="b")
    RemoteFolder.at(terms.storage).write(f"{terms.folder}/{HEAD}", b"old")
    assert "something else" in refusal(terms, node="b")


def test_a_machine_without_the_data_says_so(terms, tmp_path):
    assert refusal(replace(terms, data=tmp_path), node="b") is None
    assert "no data set at" in refusal(replace(terms, data=tmp_path / "hands"), node="b")


def test_a_machine_with_other_code_says_so(terms, tmp_path, monkeypatch):
    (tmp_path / "hpe").mkdir()
    (tmp_path / "hpe" / "other.py").write_text("x = 1\n")
    monkeypatch.setattr(admission, "PROJECT", tmp_path)
    assert "it has other code than the head" in refusal(terms, node="b")


def test_a_machine_with_other_packages_names_them(terms):
    libraries = {**terms.libraries, "numpy": "1.0", "kornia-of-old": "2.0"}
    fault = refusal(replace(terms, libraries=libraries), node="b")
    assert f"numpy {terms.libraries['numpy']} (head: 1.0)" in fault
    assert "kornia-of-old missing (head: 2.0)" in fault
    assert "torch" not in fault


def test_a_machine_with_another_python_says_so(terms):
    assert "the head 3.9" in refusal(replace(terms, python="3.9"), node="b")


def test_builds_of_the_same_version_are_the_same_package():
    assert "+" not in str(admission._libraries())
    assert admission._libraries()["torch"]


@pytest.mark.parametrize("error", [PermissionError(13, "no"), OSError(30, "read-only")])
def test_a_storage_that_cannot_be_written_refuses_the_machine(terms, monkeypatch, error):
    fails_to_write(monkeypatch, error)
    assert "it cannot write into the storage" in refusal(terms, node="b")


def test_a_storage_that_fails_for_a_while_refuses_nothing(terms, monkeypatch):
    fails_to_write(monkeypatch, OSError(5, "input/output error"))
    with pytest.raises(OSError, match="input/output"):
        refusal(terms, node="b")
    assert "input/output" in probe(terms, "b"), "before a study starts it counts"


def fails_to_write(monkeypatch, error):
    def write(folder, name, content):
        raise error

    monkeypatch.setattr(RemoteFolder, "write", write)


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


def test_a_worker_on_a_machine_that_was_admitted_proves_nothing_again(terms, tmp_path):
    elsewhere = replace(terms, storage=f"file://{tmp_path}/other", admitted=frozenset({"old"}))
    assert machine_fault(None, "new") is None
    assert machine_fault(elsewhere, "old") is None
    assert "-newone is not used: it does not see" in machine_fault(elsewhere, "newone")


def test_a_worker_on_an_admitted_machine_whose_code_was_changed_since_does_not_train(terms):
    admitted = replace(terms, admitted=frozenset({"old"}))
    assert machine_fault(admitted, "old") is None
    assert "other code than the head" in machine_fault(replace(admitted, code="0" * 64), "old")


def test_workers_are_kept_off_machines_that_were_refused():
    assert label_selector(SlotShape(), ()) is None
    selector = label_selector(SlotShape(accelerator="L4"), {"b" * 56, "a" * 56})
    assert selector == {
        "ray.io/accelerator-type": "L4",
        "ray.io/node-id": f"!in({'a' * 56},{'b' * 56})",
    }
    assert validate_label_selector(selector) is None, "Ray does not take it"


def test_a_refusal_sends_the_whole_group_away_and_the_slot_starts_another():
    box = Mailbox(world_size=2, watchdog_s=60.0)
    actor = SlotActor.__new__(SlotActor)
    actor._mailbox, actor._refused = box, {}
    actor._incarnation, actor._changed = "1", asyncio.Event()
    box.run_started("first")
    assert box.join("first", "group", Member(0, pid=1, node_id="good"))
    asyncio.run(actor.refuse_machine("first", "id-b", "machine b is not used"))
    assert isinstance(box.take("group", 0, 0), Leave)
    assert not box.join("first", "group", Member(1, pid=2, node_id="bad"))
    assert box.phase is SlotPhase.STARTING
    assert asyncio.run(actor.status())["refused"] == {"id-b": "machine b is not used"}
    box.run_started("second")
    assert box.join("second", "other", Member(0, pid=3, node_id="good"))
    asyncio.run(actor.refuse_machine("first", "id-b", "machine b is not used"))
    assert box.group_id == "other", "what is late changes nothing"


class Slot:
    """Records what a worker tells it."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        def remote(*arguments):
            self.told.append((name, *arguments))

        return SimpleNamespace(remote=remote)


def serve_on(monkeypatch, terms):
    """Start a worker on a machine that Ray calls id-b; return what it tells its slot."""
    slot, context = Slot(), SimpleNamespace(get_node_id=lambda: "id-b")
    monkeypatch.setattr(worker.ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(worker.ray, "get", lambda answer: answer)
    worker.serve({"slot": slot, "run": "run", "terms": terms})
    return slot.told


def test_a_worker_on_an_unfit_machine_says_so_and_leaves(terms, monkeypatch):
    (told,) = serve_on(monkeypatch, replace(terms, python="3.9"))
    assert told[:3] == ("refuse_machine", "run", "id-b")
    assert "is not used: it has Python 3.1" in told[3]


def test_a_worker_whose_storage_does_not_answer_breaks_its_slot_for_a_while(terms, monkeypatch):
    fails_to_write(monkeypatch, OSError(5, "input/output error"))
    (told,) = serve_on(monkeypatch, terms)
    assert told[:2] == ("cannot_serve", "run")
    assert "input/output error" in told[2]


def test_the_pool_tells_of_a_refused_machine_once_and_keeps_new_slots_off_it(tmp_path):
    pool = SlotPool(count=2, shape=SlotShape(), store_root=tmp_path)
    status = {
        "incarnation": "1",
        "group": None,
        "phase": "starting",
        "message": None,
        "notes": [],
        "assignment": None,
        "refused": {"id-b": "machine b is not used: it has no data set at /hands."},
    }
    for index in (0, 1):
        pool._take_in(SlotHandle(index=index, name=f"slot-{index}", actor=None), status)
    assert pool._notes == ["machine b is not used: it has no data set at /hands."]
    assert pool._config.refused == {"id-b"}

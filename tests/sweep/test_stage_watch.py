"""Which stages may be trained now: never one by two slots, nor by two drivers."""

import errno
from types import SimpleNamespace

import pytest

from sweep.stage_watch import StageWatch
from tests.sweep.engine_fakes import FakeClaims, FakeSlots, FakeStages
from trainables.assignment import Stage
from trainables.manifest import CorruptStage


def stage(key):
    return Stage(
        key=key, label=key, phase="draft", config={}, parents={}, data={}, seed=0, epochs=1
    )


DRAFT, FINAL, OTHER = stage("draft"), stage("final"), stage("other")


@pytest.fixture
def store():
    return FakeStages()


@pytest.fixture
def slots():
    return FakeSlots(2)


def test_a_stage_is_taken_from_hand_out_until_the_trial_has_left(store, slots):
    watch = StageWatch(store, slots, None)
    assert watch.take([DRAFT, FINAL])
    assert watch.is_taken([DRAFT])
    assert watch.is_taken([OTHER, FINAL]), "a later stage counts too"
    assert not watch.is_taken([OTHER])
    watch.leave([DRAFT, FINAL], abandoned_by=None)
    assert not watch.is_taken([DRAFT, FINAL])


def test_a_finished_stage_is_taken_by_nobody(store, slots):
    watch = StageWatch(store, slots, None)
    assert watch.take([DRAFT, FINAL])
    watch.finished("draft")
    assert not watch.is_taken([DRAFT, OTHER])
    assert watch.missing([DRAFT, FINAL]) == [FINAL]


class Away(FakeStages):
    """A store that does not answer after so many questions."""

    def __init__(self, answers):
        super().__init__()
        self.answers = answers

    def is_committed(self, key):
        self.answers -= 1
        if self.answers < 0:
            raise OSError(errno.ESTALE, "Stale file handle")
        return super().is_committed(key)

    def metrics(self, key):
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("answers", range(4))
def test_of_a_store_that_does_not_answer_nothing_is_taken_and_no_claim_is_left(slots, answers):
    held = {}
    watch = StageWatch(Away(answers), slots, FakeClaims("a", held))
    assert not watch.take([DRAFT, FINAL])
    assert watch.is_taken([DRAFT, FINAL])
    assert not watch.are_finished([DRAFT, FINAL])
    assert not held


def test_epochs_that_cannot_be_read_are_trouble_of_storage_and_the_stage_stays(slots):
    store = Away(9)
    failure = StageWatch(store, slots, None).epochs_of(SimpleNamespace(key="draft", label="draft"))
    assert failure.error_class == "storage"
    assert "Input/output error" in failure.message


def test_a_damaged_stage_that_cannot_be_set_aside_is_trouble_of_storage(slots):
    class Damaged(FakeStages):
        def metrics(self, key):
            raise CorruptStage("history.json is not what was written")

        def set_aside(self, key):
            raise OSError(errno.EREMOTEIO, "Remote I/O error")

    watch = StageWatch(Damaged(), slots, None)
    failure = watch.epochs_of(SimpleNamespace(key="draft", label="draft"))
    assert failure.error_class == "storage"


@pytest.mark.parametrize("how", ["it says so", "it is lent again"])
def test_an_abandoned_stage_is_taken_until_its_slot_has_let_go(store, slots, how):
    watch = StageWatch(store, slots, None)
    assert watch.take([DRAFT])
    slots.holding.add("slot-0")
    watch.leave([DRAFT], abandoned_by="slot-0")
    assert watch.is_taken([DRAFT])
    if how == "it says so":
        slots.holding.clear()
    else:
        watch.lent("slot-0")
    assert not watch.is_taken([DRAFT])


def test_a_stage_committed_by_a_slot_that_was_letting_go_is_found(store, slots):
    watch = StageWatch(store, slots, None)
    assert watch.take([DRAFT])
    watch.leave([DRAFT], abandoned_by="slot-0")
    store.committed["draft"] = []
    assert not watch.is_taken([DRAFT])
    assert watch.missing([DRAFT]) == []


def test_the_store_is_asked_once_and_again_when_told_to_forget(store, slots):
    watch = StageWatch(store, slots, None)
    assert watch.missing([DRAFT]) == [DRAFT]
    store.committed["draft"] = []
    assert watch.missing([DRAFT]) == [DRAFT]
    watch.forget([DRAFT])
    assert watch.missing([DRAFT]) == []


def test_what_another_driver_claims_is_left_to_it_and_nothing_is_kept_from_it(store, slots):
    held = {}
    watch = StageWatch(store, slots, FakeClaims("me", held))
    held["final"] = "you"
    assert not watch.take([DRAFT, FINAL])
    assert held == {"final": "you"}
    assert not watch.is_taken([DRAFT])
    assert watch.is_taken([DRAFT, FINAL]), "as long as the other driver has it"


def test_what_another_driver_has_committed_is_found_when_its_claim_ends(store, slots):
    held = {"draft": "you"}
    watch = StageWatch(store, slots, FakeClaims("me", held))
    assert watch.missing([DRAFT, FINAL]) == [DRAFT, FINAL]
    store.committed["draft"] = []
    del held["draft"]
    assert watch.take([DRAFT, FINAL])
    assert watch.missing([DRAFT, FINAL]) == [FINAL]
    assert held == {"final": "me"}


def test_a_claim_ends_when_its_stage_is_finished_or_let_go(store, slots):
    held = {}
    watch = StageWatch(store, slots, FakeClaims("me", held))
    assert watch.take([DRAFT, FINAL])
    assert held == {"draft": "me", "final": "me"}
    watch.finished("draft")
    assert held == {"final": "me"}
    slots.holding.add("slot-0")
    watch.leave([DRAFT, FINAL], abandoned_by="slot-0")
    assert held == {"final": "me"}, "the slot may still write to it"
    slots.holding.clear()
    assert not watch.is_taken([FINAL])
    assert held == {}

"""Which failures are tried again, and which trials would only repeat one."""

import pytest

from sweep.facts import Failure
from sweep.failures import (
    MAX_LOSSES,
    course_after,
    loss_note,
    losses,
    quarantined_as,
    quarantined_twin,
)
from sweep.ledger import Ledger
from tests.sweep.recorded_trials import trial_record


def stage(label, key):
    return {"label": label, "key": key, "phase": label, "epochs": 1, "config": {}, "seed": 0}


def begun(number, key="k", *, arm=None, draft=None):
    stages = [stage("draft", draft)] if draft else []
    return trial_record(number, [*stages, stage("final", key)] if key else [], arm=arm)


def failed(number, error_class="diverged", message="train/loss is nan.\nmore"):
    return {
        "kind": "end",
        "time_s": 0.0,
        "trial": number,
        "state": "FAIL",
        "objective": None,
        "error_class": error_class,
        "message": message,
    }


def lost(number):
    note = {"kind": "note", "time_s": 0.0, "message": "lost", "trial": number}
    return {**note, "error_class": "worker_lost"}


@pytest.mark.parametrize("error_class", ["worker_lost", "stage_lost", "storage"])
def test_what_a_trial_lost_is_given_back_a_few_times(error_class):
    ledger = Ledger([begun(0), begun(1), lost(1)])
    failure = Failure(error_class, "gone", by_slot=True)
    for _ in range(MAX_LOSSES - 1):
        assert course_after(failure, ledger.trials[0], ledger) == "again"
        ledger.apply(lost(0))
    assert course_after(failure, ledger.trials[0], ledger) == "end"


def test_losses_are_counted_from_the_last_new_epoch():
    failure = Failure("worker_lost", "gone", by_slot=True)
    ledger = Ledger([begun(0)])
    trial = ledger.trials[0]
    for epoch in range(1, 6):  # a spot machine goes after every epoch
        ledger.apply({**loss_note(failure, trial), "time_s": 0.0})
        assert losses(trial, ledger) == 1
        assert course_after(failure, trial, ledger) == "again"
        report = {"label": "final", "epoch": epoch, "metrics": {}}
        ledger.apply({"kind": "epoch", "time_s": 0.0, "trial": 0, **report})
        assert losses(trial, ledger) == 0


@pytest.mark.parametrize("error_class", ["diverged", "data", "code"])
def test_what_a_trial_does_itself_it_would_do_again(error_class):
    ledger = Ledger([begun(0)])
    failure = Failure(error_class, "no", by_slot=True)
    assert course_after(failure, ledger.trials[0], ledger) == "end"


def test_a_trial_with_the_stages_of_one_that_failed_is_its_twin():
    ledger = Ledger([begun(0, "bad"), failed(0), begun(1, "good"), begun(2, "bad")])
    assert quarantined_twin(ledger.trials[1], ledger) is None
    twin = quarantined_twin(ledger.trials[2], ledger)
    assert twin is ledger.trials[0]
    failure = quarantined_as(twin)
    assert failure.error_class == "diverged"
    assert failure.message == (
        "not trained: the search suggested again what trial 0 failed with (train/loss is nan.)"
    )


def test_a_trial_that_shares_only_the_stage_in_which_another_failed_is_a_twin_too():
    end = {**failed(0), "failed_in": "draft"}
    ledger = Ledger([begun(0, "one", draft="bad"), end, begun(1, "two", draft="bad")])
    assert quarantined_twin(ledger.trials[1], ledger) is ledger.trials[0]
    ledger.trials[0].failed_in = "final"
    assert quarantined_twin(ledger.trials[1], ledger) is None


@pytest.mark.parametrize("error_class", ["storage", "stage_lost", "data"])
def test_what_may_be_mended_from_outside_bars_no_point(error_class):
    ledger = Ledger([begun(0), failed(0, error_class), begun(1)])
    assert quarantined_twin(ledger.trials[1], ledger) is None


def test_neither_an_arm_nor_a_trial_without_stages_is_a_twin():
    ledger = Ledger([begun(0), failed(0), begun(1, arm="control"), begun(2, None), failed(2)])
    ledger.apply(begun(3, None))
    assert quarantined_twin(ledger.trials[1], ledger) is None
    assert quarantined_twin(ledger.trials[3], ledger) is None


def test_only_a_failure_is_quarantined():
    ledger = Ledger([begun(0), {**failed(0), "state": "PRUNED"}, begun(1)])
    assert quarantined_twin(ledger.trials[1], ledger) is None

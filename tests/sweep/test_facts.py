"""What the journal records of a slot's reports."""

import json

import pytest

from sweep.facts import facts_in
from sweep.ledger import Ledger
from tests.sweep.recorded_trials import trial_record

STAGE = {"label": "final", "key": "f", "phase": "final", "epochs": 3, "config": {}, "seed": 1}
USAGE = [{"memory_usage_megabytes": 512.5}, {}]


@pytest.fixture
def ledger():
    return Ledger([trial_record(0, [STAGE])])


def told(ledger, event, *, epoch, stored=(), **report):
    """Apply what a report comes to, as the journal gives it back, and return the records."""
    values = {"event": event, "label": "final", "epoch": epoch, "metrics": {}, **report}
    records = list(facts_in(values, ledger.trials[0], stored))
    for record in json.loads(json.dumps(records)):
        ledger.apply({**record, "time_s": 1.0})
    return records


def used(ledger):
    return [list(epoch.usage) for epoch in ledger.trials[0].stages[0].epochs]


def test_what_the_workers_used_is_recorded_beside_the_metrics(ledger):
    (record,) = told(ledger, "epoch", epoch=1, metrics={"loss": 1.0}, usage=USAGE)
    assert record["usage"] == USAGE
    assert record["metrics"] == {"loss": 1.0}
    assert used(ledger) == [USAGE]


@pytest.mark.parametrize("report", [{}, {"usage": ()}, {"usage": [{}, {}]}])
def test_an_epoch_of_which_nothing_was_measured_is_recorded_as_ever(ledger, report):
    (record,) = told(ledger, "epoch", epoch=1, metrics={"loss": 1.0}, **report)
    assert record == {
        "kind": "epoch",
        "trial": 0,
        "label": "final",
        "epoch": 1,
        "metrics": {"loss": 1.0},
    }
    assert used(ledger) == [[]]


def test_an_epoch_that_is_filled_in_from_the_store_leaves_the_others_theirs(ledger):
    told(ledger, "started", epoch=0)
    told(ledger, "epoch", epoch=2, metrics={"loss": 1.0}, usage=USAGE)
    stored = [{"epoch": epoch, "metrics": {"loss": 1.0}} for epoch in (1, 2, 3)]
    told(ledger, "finished", epoch=3, stored=stored)
    assert used(ledger) == [[], USAGE, []]
    assert ledger.trials[0].stages[0].status == "done"

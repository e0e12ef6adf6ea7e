"""Where the time went: every second once."""

import pytest

from sweep.ledger import Ledger
from sweep.report.cost import cost_of
from sweep.report.spending import REPLACED, spending_chart, spending_of
from sweep.slot_time import NOTHING, Slot, Spent

LAST_STUDY = 2
"""Place of the record that says which slots the trials ran on."""


@pytest.fixture
def script(journal_script):
    """Play two whole trials of which one takes a stage over, one stopped, one failed.

    A record takes a second, so pretraining takes 5 (4 epochs) and finetuning 4.
    """
    script = journal_script().slots(cores=2)
    script.trial(0, arm="peclr", keys={"pretrain": "p" * 64})
    script.trial(1, reused=("pretrain",), keys={"pretrain": "p" * 64})
    script.trial(2, state="PRUNED", stop_at=("finetune", 1))
    script.trial(3, state="FAIL", stop_at=("pretrain", 2))
    return script


def seconds(spent):
    return {name: taken.slot_s for name, taken in spent.items()}


def test_seconds_stand_where_they_were_spent(script):
    found = spending_of(Ledger(script.records))
    assert seconds(found.by_phase["pretrain"]) == {"arms": 5.0, "stopped early": 5.0, "failed": 2.0}
    assert seconds(found.by_phase["finetune"]) == {"arms": 4.0, "search": 4.0, "stopped early": 1.0}
    assert seconds(found.saved) == {"pretrain": 5.0}


def given_up(script, *, seconds=7.0):
    """Return the ledger of trials of which the second gave up a stage, and took over another."""
    ledger = Ledger(script.records)
    ledger.trials[1].replaced = Slot(cores=2).spent(seconds)
    taken_over = ledger.trials[1].stage("pretrain")
    assert taken_over.status == "reused"
    taken_over.start(100.0, Slot(cores=2), resumed_from=0)
    taken_over.ended_s = 103.0
    return ledger


def test_they_sum_to_what_the_study_cost(script):
    ledger = given_up(script)
    cost = cost_of(ledger)
    found = spending_of(ledger)
    assert found.total == cost.trained == ledger.spent + Slot(cores=2).spent(7.0 + 3.0)
    assert sum(found.saved.values(), NOTHING) == cost.saved


def test_what_was_given_up_has_a_bar_of_its_own(script):
    assert seconds(spending_of(given_up(script)).by_phase[REPLACED]) == {"search": 7.0}


def test_replicates_are_told_from_the_search(script):
    ledger = Ledger(script.records)
    replicate = ledger.trials.pop(1)
    replicate.replicate_of = 0
    ledger.replicates[1_000_000] = replicate
    assert spending_of(ledger).by_phase["finetune"]["replicates"].slot_s == 4.0


def test_the_table_counts_in_core_seconds_where_cores_are_known(script):
    ledger = Ledger(script.records)
    chart = spending_chart(ledger, cost_of(ledger))
    assert chart.columns == (
        *("phase", "search", "arms", "stopped early", "failed", "saved by reuse"),
    )
    assert chart.rows[0] == ("pretrain", 0.0, 10.0, 10.0, 4.0, 10.0)
    assert "42 core-seconds" in chart.caption


def test_on_gpus_what_is_paid_for_are_gpu_hours(script):
    slots = {"workers": 2, "cpus_per_worker": 4, "gpus_per_worker": 0.5}
    script.records[LAST_STUDY]["lineage"]["slots"] = slots
    cost = cost_of(Ledger(script.records))
    taken = Slot(gpus=1.0).spent(1800.0)
    assert (cost.in_unit(taken), cost.told(taken)) == (0.5, "0.5 GPU-hours")
    assert cost.told(Slot(gpus=1.0).spent(3600.0 * 1234)) == "1,234 GPU-hours"
    chart = spending_chart(Ledger(script.records), cost)
    assert chart.rows[0][2] == round(5 / 3600, 4)


def test_every_session_is_paid_for_as_its_slots_were(journal_script):
    script = journal_script().slots(gpus=1.0)
    script.trial(0)
    script.slots(workers=2, gpus=1.0).trial(1)
    cost = cost_of(Ledger(script.records))
    assert cost.trained == Spent(slot_s=18.0, gpu_s=9.0 + 18.0)
    script.slots(cores=4).trial(2)
    cost = cost_of(Ledger(script.records))
    assert cost.told(cost.trained) == "0.0075 GPU-hours and 36 core-seconds without a GPU"


def test_a_study_that_spent_nothing_has_no_ledger(journal_script):
    ledger = Ledger(journal_script().records)
    assert spending_chart(ledger, cost_of(ledger)) is None

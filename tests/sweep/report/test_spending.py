"""Where the time went: every second once."""

import pytest

from sweep.ledger import Ledger
from sweep.report.cost import cost_of
from sweep.report.spending import REPLACED, spending_chart, spending_of


@pytest.fixture
def script(journal_script):
    """Play two whole trials of which one takes a stage over, one stopped, one failed.

    A record takes a second, so pretraining takes 5 (4 epochs) and finetuning 4.
    """
    script = journal_script()
    script.trial(0, arm="peclr", keys={"pretrain": "p" * 64})
    script.trial(1, reused=("pretrain",), keys={"pretrain": "p" * 64})
    script.trial(2, state="PRUNED", stop_at=("finetune", 1))
    script.trial(3, state="FAIL", stop_at=("pretrain", 2))
    return script


def test_seconds_stand_where_they_were_spent(script):
    found = spending_of(Ledger(script.records))
    assert found.by_phase["pretrain"] == {"arms": 5.0, "stopped early": 5.0, "failed": 2.0}
    assert found.by_phase["finetune"] == {"arms": 4.0, "search": 4.0, "stopped early": 1.0}
    assert found.saved == {"pretrain": 5.0}


def test_they_sum_to_what_the_study_cost(script):
    ledger = Ledger(script.records)
    cost = cost_of(ledger, cores_per_slot=None)
    found = spending_of(ledger)
    assert (found.total_s, sum(found.saved.values())) == (cost.trained_s, cost.saved_s)


def test_what_was_given_up_has_a_bar_of_its_own(script):
    ledger = Ledger(script.records)
    ledger.trials[1].replaced_s = 7.0
    assert spending_of(ledger).by_phase[REPLACED] == {"search": 7.0}


def test_replicates_are_told_from_the_search(script):
    ledger = Ledger(script.records)
    replicate = ledger.trials.pop(1)
    replicate.replicate_of = 0
    ledger.replicates[1_000_000] = replicate
    assert spending_of(ledger).by_phase["finetune"]["replicates"] == 4.0


def test_the_table_counts_in_core_seconds_where_cores_are_known(script):
    ledger = Ledger(script.records)
    chart = spending_chart(ledger, cost_of(ledger, cores_per_slot=2.0))
    assert chart.columns == (
        *("phase", "search", "arms", "stopped early", "failed", "saved by reuse"),
    )
    assert chart.rows[0] == ("pretrain", 0.0, 10.0, 10.0, 4.0, 10.0)
    assert "42 core-seconds" in chart.caption


def test_on_gpus_what_is_paid_for_are_gpu_hours(script):
    lineage = {"slots": {"workers": 2, "gpus_per_worker": 0.5}}
    script.records[0]["lineage"] = {**script.records[0]["lineage"], **lineage}
    cost = cost_of(Ledger(script.records), cores_per_slot=None)
    assert (cost.in_unit(1800.0), cost.told(1800.0)) == (0.5, "0.5 GPU-hours")
    assert cost.told(3600.0 * 1234) == "1,234 GPU-hours"
    chart = spending_chart(Ledger(script.records), cost)
    assert chart.rows[0][2] == round(5 / 3600, 4)


def test_a_study_that_spent_nothing_has_no_ledger(journal_script):
    ledger = Ledger(journal_script().records)
    assert spending_chart(ledger, cost_of(ledger, cores_per_slot=None)) is None

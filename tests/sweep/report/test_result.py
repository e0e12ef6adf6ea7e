"""Template, cost, failures and the view for a terminal."""

import io

import pytest
from rich.console import Console

from sweep.ledger import Ledger
from sweep.report import result_view
from sweep.report.history import epochs_from
from sweep.report.result import result_of
from sweep.slot_time import Spent
from sweep.study import Study


class OneStage:
    """A store that remembers one epoch of every stage."""

    def __init__(self, metrics):
        self._metrics = metrics

    def metrics(self, key):
        return [{"epoch": 1, "metrics": self._metrics}]


def result(records, *, store=None):
    ledger = Ledger(records)
    study = Study.model_validate(ledger.study)
    return result_of(ledger, study, epochs_of=epochs_from(store))


def shown(records, width=120):
    console = Console(file=io.StringIO(), width=width)
    console.print(result_view(result(records)))
    return " ".join(console.file.getvalue().split())


def test_the_template_is_read_from_the_last_phase(searched_records):
    found = result(searched_records)
    assert found.template == 70.0
    assert found.blind is False


def test_a_best_value_above_the_template_is_called_blind(journal_script):
    script = journal_script()
    script.trial(0, arm="peclr", error_mm=71.0)
    assert result(script.records).blind is True
    assert "is blind, and no ranking by it should be trusted" in shown(script.records)


def test_the_template_of_a_reused_stage_comes_from_the_store(journal_script):
    script = journal_script()
    script.trial(0, arm="peclr", error_mm=50.0, reused=("pretrain", "finetune"))
    store = OneStage({"val/template_root_epe_mm": 66.0})
    assert result(script.records).template is None
    assert result(script.records, store=store).template == 66.0


def test_a_metric_without_a_template_is_never_blind(searched_records):
    searched_records[0]["study"]["objective"] = {"metric": "finetune/train/loss"}
    found = result(searched_records)
    assert (found.template, found.blind) == (None, False)


def test_cost_counts_training_once_and_what_reuse_saved(journal_script):
    script = journal_script().slots(cores=2)
    keys = {"pretrain": "p" * 64}
    script.trial(0, keys=keys)
    script.trial(1, keys=keys, reused=("pretrain",))
    cost = result(script.records).cost
    assert cost.trained.slot_s == (5 + 4) + 4
    assert (cost.num_reused, cost.saved.slot_s, cost.num_reused_elsewhere) == (1, 5.0, 0)
    assert (cost.unit, cost.in_unit(cost.trained)) == ("core-seconds", 26.0)


def test_the_cost_says_how_many_trials_went_on_from_a_finished_prefix(journal_script):
    script = journal_script()
    keys = {"pretrain": "p" * 64}
    script.trial(0, keys=keys)
    assert "finished first phases" not in shown(script.records)
    script.trial(1, keys=keys, reused=("pretrain",))
    trial = next(r for r in script.records if r["kind"] == "trial" and r["number"] == 1)
    trial["prefix_of"] = {"trial": 0, "steps": 1}
    assert result(script.records).cost.num_on_prefixes == 1
    text = "The search placed 1 trial on finished first phases of earlier ones."
    assert text in shown(script.records)


def test_a_stage_of_another_study_saves_an_unknown_amount(journal_script):
    script = journal_script()
    script.trial(0, reused=("pretrain",))
    cost = result(script.records).cost
    assert (cost.num_reused, bool(cost.saved), cost.num_reused_elsewhere) == (1, False, 1)
    assert (cost.unit, cost.in_unit(Spent(4.0))) == ("slot-seconds", 4.0)


def test_failures_are_counted_by_cause(searched_records):
    (failure,) = result(searched_records).failures
    assert (failure.error_class, failure.trials) == ("diverged", (4,))


def test_the_best_configuration_is_the_leaders_not_the_luckiest_seeds(compared_records):
    found = result(compared_records)
    assert found.rows[0].trial.arm == "peclr"
    assert found.best.arm == "simclr"


def test_the_screen_shows_the_leaderboard_and_the_answer(searched_records):
    text = shown(searched_records)
    assert "toy: 10 trials: 7 completed, 2 stopped early, 1 failed" in text
    assert "arm no_pretraining" in text
    assert "rotate max_deg" in text
    assert "It is ahead of arm peclr" in text
    assert "Paired differences" not in text  # one seed says nothing


def test_the_screen_says_what_ended_the_study(searched_records, journal_script):
    assert "The study ended: all that was asked for has run (10 trials)." in shown(searched_records)
    script = journal_script(budget={"target": 45.0})
    script.trial(0, arm="peclr", error_mm=44.0)
    assert "The study ended: budget/target: trial 0 reached 44 (target 45)." in shown(
        script.records
    )
    script = journal_script(budget={"gpu_h": 0.001})
    script.records[0]["lineage"]["slots"] = {"workers": 2, "gpus_per_worker": 0.5}
    script.trial(0, arm="peclr", error_mm=44.0)
    assert "The study ended: budget/gpu_h: 0.001 GPU-hours are used up." in shown(script.records)


def test_the_screen_names_no_end_while_something_is_left(journal_script):
    script = journal_script()
    script.trial(0, arm="peclr", error_mm=44.0)
    assert "The study ended" not in shown(script.records)


def test_the_screen_shows_paired_differences_of_arms_by_seed(compared_records):
    text = shown(compared_records)
    assert "simclr − none │ 3 │ -3.00 │ -5.48 to -0.516 │ without 0" in text
    assert "not corrected for their number" in text
    assert "± 1.0 (3 seeds)" in text


def test_the_screen_keeps_to_the_top_and_every_arm(journal_script):
    script = journal_script()
    for number in range(30):
        script.trial(number, params={"pretrain/loss/temperature": 0.1 + number}, error_mm=40.0)
    script.trial(30, arm="peclr", error_mm=60.0)
    text = shown(script.records)
    assert "trial 14" in text
    assert "trial 15 " not in text
    assert "arm peclr" in text


def test_a_study_without_a_trial_can_be_shown(journal_script):
    assert "no answer yet" in shown(journal_script().records)


@pytest.mark.parametrize("width", [60, 200])
def test_the_screen_fits_narrow_and_wide_terminals(searched_records, width):
    assert "trial 6" in shown(searched_records, width)

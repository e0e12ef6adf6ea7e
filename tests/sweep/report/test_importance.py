"""What matters is found where it is known, and nothing is claimed from too little."""

import random

import optuna
import pytest
from optuna.distributions import BaseDistribution, distribution_to_json

from sweep.ledger import Ledger
from sweep.report.importance import MIN_TRIALS, comparable, importance_chart, importance_of
from sweep.study import Study

NOISE = tuple(f"pretrain/noise/{name}" for name in "abcdef")
FACTORS = ("pretrain/loss/temperature", "pretrain/augment/rotate/enabled")
DEPENDENT = "pretrain/augment/rotate/max_deg"

SPACE: dict[str, BaseDistribution] = {
    FACTORS[0]: optuna.distributions.FloatDistribution(0.05, 1.0, log=True),
    FACTORS[1]: optuna.distributions.CategoricalDistribution([True, False]),
    DEPENDENT: optuna.distributions.FloatDistribution(5.0, 180.0),
    **{path: optuna.distributions.FloatDistribution(0.0, 1.0) for path in NOISE},
}


@pytest.fixture
def planted(journal_script):
    """Return a function that writes a study in which two of its parameters matter."""

    def write(num_trials, seed=0, direction="minimize"):
        metric = {"metric": "finetune/val/root_epe_mm", "direction": direction}
        script = journal_script(objective=metric, arms={"peclr": {}})
        script.trial(0, arm="peclr", error_mm=1.0)
        rng = random.Random(seed)
        for number in range(1, num_trials + 1):
            params = {path: rng.random() for path in NOISE}
            params[FACTORS[0]] = 0.05 * 20 ** rng.random()
            params[FACTORS[1]] = rng.random() < 0.5
            if params[FACTORS[1]]:
                params[DEPENDENT] = rng.uniform(5, 180)
            error_mm = 50 + 12 * params[FACTORS[0]] - 8 * params[FACTORS[1]] + rng.gauss(0, 1.0)
            script.trial(number, params=params, error_mm=error_mm)
            drawn = {path: distribution_to_json(SPACE[path]) for path in params}
            record = next(r for r in reversed(script.records) if r["kind"] == "trial")
            record["distributions"] = drawn
        return script

    return write


def found_in(script):
    return importance_of(Ledger(script.records), Study.model_validate(script.records[0]["study"]))


@pytest.mark.parametrize("seed", range(3))
def test_the_two_factors_that_were_planted_come_first(planted, seed):
    found = found_in(planted(60, seed))
    assert {weight.path for weight in found.weights[:2]} == set(FACTORS)
    assert "60 trials, of which the best 6 count as good" in found.sentence


def test_what_is_good_is_what_the_objective_says(planted):
    found = found_in(planted(60, direction="maximize"))
    assert {weight.path for weight in found.weights[:2]} == set(FACTORS)


def test_shares_of_either_kind_sum_to_one(planted):
    weights = found_in(planted(30)).weights
    assert sum(weight.ped_anova for weight in weights) == pytest.approx(1)
    assert sum(weight.fanova or 0 for weight in weights) == pytest.approx(1)


def test_a_conditional_parameter_is_judged_among_the_trials_that_have_it(planted):
    script = planted(40)
    found = found_in(script)
    (weight,) = [weight for weight in found.weights if weight.path == DEPENDENT]
    having = sum(DEPENDENT in trial.params for trial in found.trials)
    assert (weight.fanova, weight.num_trials) == (None, having)
    assert 0 < having < 40
    assert "exist in some compositions only" in importance_chart(found).caption


def test_with_few_trials_it_says_so_instead(planted):
    found = found_in(planted(MIN_TRIALS - 1))
    assert found.weights == ()
    assert importance_chart(found) is None
    assert found.sentence == (
        "19 searched trials completed at one length of training; importance needs 20, with fewer "
        "it would be noise."
    )


def test_arms_stopped_trials_and_other_lengths_are_no_part_of_it(planted):
    script = planted(25)
    script.trial(26, params={NOISE[0]: 0.5}, state="PRUNED", stop_at=("finetune", 1))
    script.trial(27, params={NOISE[0]: 0.5}, error_mm=1.0)
    last = next(r for r in reversed(script.records) if r["kind"] == "trial")
    last["stages"][0]["epochs"] = 99
    trials, sentence = comparable(Ledger(script.records))
    assert [trial.number for trial in trials] == list(range(1, 26))
    assert sentence == "Left out: 1 that trained for longer, shorter or lighter."


def test_a_trial_made_lighter_is_left_out(planted):
    ledger = Ledger(planted(25).records)
    ledger.trials[3].lighter = {"pretrain/batch_size": 8}
    trials, _ = comparable(ledger)
    assert 3 not in {trial.number for trial in trials}


def test_a_length_that_is_searched_is_a_factor_and_no_reason_to_leave_out(planted):
    ledger = Ledger(planted(25).records)
    for trial in ledger.searched():
        trial.stages[0].epochs_planned = trial.number
        trial.params["pretrain/epochs"] = trial.number
    assert len(comparable(ledger)[0]) == 25


def test_its_data_holds_every_parameter(planted):
    chart = importance_chart(found_in(planted(30)))
    assert {row[0] for row in chart.rows} == set(SPACE)
    assert chart.columns == ("parameter", "ped_anova", "fanova", "trials", "of")

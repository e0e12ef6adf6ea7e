"""Means, paired differences and the sentence they come to."""

import pytest
from scipy import stats

from sweep.candidates import candidates
from sweep.ledger import Ledger
from sweep.report.comparison import (
    answer,
    arm_differences,
    is_blind,
    paired_difference,
)
from sweep.study import Objective

LOWER = Objective(metric="finetune/val/root_epe_mm")
HIGHER = Objective(metric="finetune/val/auc", direction="maximize")


def by_name(records):
    return {candidate.name: candidate for candidate in candidates(Ledger(records))}


def test_an_arm_has_the_mean_and_spread_of_its_seeds(compared_records):
    none = by_name(compared_records)["arm none"]
    assert dict(none.values) == {0: 56.0, 1: 58.0, 2: 57.0}
    assert (none.mean, none.sd) == (57.0, 1.0)


def test_the_paired_interval_is_that_of_a_one_sample_t_test(compared_records):
    found = by_name(compared_records)
    pair = paired_difference(found["arm simclr"], found["arm none"])
    expected = stats.ttest_rel([53, 54, 55], [56, 58, 57]).confidence_interval(0.95)
    assert dict(pair.differences) == {0: -3.0, 1: -4.0, 2: -2.0}
    assert pair.interval == pytest.approx((expected.low, expected.high))
    assert pair.interval == pytest.approx((-3 - 4.30265 / 3**0.5, -3 + 4.30265 / 3**0.5), abs=1e-4)
    assert pair.separated is True


def test_seeds_are_paired_and_not_pooled(compared_records):
    found = by_name(compared_records)
    pair = paired_difference(found["arm simclr"], found["arm peclr"])
    assert dict(pair.differences) == {0: 0.5, 1: -1.5, 2: 1.0}
    assert pair.separated is False


def test_one_seed_gives_a_difference_but_no_interval(searched_records):
    (pair,) = arm_differences(candidates(Ledger(searched_records)), LOWER)
    assert (pair.first, pair.second, pair.mean) == ("arm peclr", "arm no_pretraining", -4.0)
    assert pair.interval is None
    assert pair.separated is None


def test_arms_without_a_common_seed_are_not_compared(journal_script):
    script = journal_script(seeds={"study": 0, "trials": [0, 1]})
    script.trial(0, arm="peclr", seed=0)
    script.trial(1, arm="no_pretraining", seed=1)
    assert arm_differences(candidates(Ledger(script.records)), LOWER) == []


def test_every_pair_of_arms_is_compared_the_better_one_first(compared_records):
    pairs = arm_differences(candidates(Ledger(compared_records)), LOWER)
    assert len(pairs) == 3
    assert all(pair.mean <= 0 for pair in pairs)


def test_the_answer_says_what_is_separated_and_what_is_not(compared_records):
    told = answer(Ledger(compared_records), LOWER)
    assert told.leader.arm == "simclr"
    assert "Arm simclr has the lowest val root EPE: 54.00 mm, mean of 3 seeds." in told.sentence
    assert "better than arm none by 3.00 mm (95 % interval 0.516 to 5.48)" in told.sentence
    assert "does not separate it from arm peclr" in told.sentence
    assert told.separated is False
    assert "3 trial seeds; 2 comparisons" in told.certainty


def test_of_many_arms_the_answer_names_the_nearest_and_counts_the_rest(journal_script):
    script = journal_script(seeds={"study": 0, "trials": [0, 1]})
    for arm in range(6):
        for seed in (0, 1):
            error_mm = 50.0 + 10 * arm + (0.1 * seed if arm else 0.0)
            script.trial(2 * arm + seed, arm=f"a{arm}", seed=seed, error_mm=error_mm)
    told = answer(Ledger(script.records), LOWER)
    assert [
        name for name in ("a1", "a2", "a3", "a4", "a5") if f"arm {name} by" in told.sentence
    ] == [*("a1", "a2", "a3")]
    assert told.sentence.endswith(") and 2 arms that are further behind.")


def test_a_search_with_one_seed_claims_no_certainty(searched_records):
    told = answer(Ledger(searched_records), LOWER)
    assert told.separated is None
    assert told.leader.arm is None
    assert "one training seed each" in told.sentence
    assert "no interval is possible" in told.certainty
    assert "best of 8 points" in told.certainty


def test_points_are_told_apart_by_their_parameters_and_joined_over_seeds(journal_script):
    script = journal_script(seeds={"study": 0, "trials": [0, 1]})
    for number, (point, seed) in enumerate([(0.1, 0), (0.1, 1), (0.2, 0), (0.2, 1)]):
        params = {"pretrain/loss/temperature": point}
        script.trial(number, seed=seed, params=params, error_mm=50 + 10 * point + seed)
    found = by_name(script.records)
    assert list(found) == ["trial 0", "trial 2"]
    assert found["trial 0"].mean == pytest.approx(51.5)


def test_a_lucky_first_seed_decides_nothing(journal_script):
    script = journal_script(seeds={"study": 0, "trials": [0, 1]})
    script.trial(0, arm="peclr", seed=0, error_mm=40.0)
    script.trial(1, arm="peclr", seed=1, error_mm=40.0, state="FAIL")
    script.trial(2, arm="no_pretraining", seed=0, error_mm=50.0)
    script.trial(3, arm="no_pretraining", seed=1, error_mm=51.0)
    told = answer(Ledger(script.records), LOWER)
    assert told.leader.arm == "no_pretraining"
    assert told.sentence.endswith(
        "It was not compared with arm peclr, which failed (diverged) with trial seed 1."
    )


def test_an_arm_that_failed_is_named_and_nothing_is_called_better_than_every_arm(journal_script):
    script = journal_script(space=None, seeds={"study": 0, "trials": [0, 1]})
    for seed in (0, 1):
        script.trial(seed, arm="peclr", seed=seed, error_mm=40.0)
        script.trial(2 + seed, arm="no_pretraining", seed=seed, error_mm=50.0)
    assert answer(Ledger(script.records), LOWER).separated is True
    for seed in (0, 1):
        script.trial(4 + seed, arm="simclr", seed=seed, state="FAIL")
    told = answer(Ledger(script.records), LOWER)
    assert told.sentence.endswith("It was not compared with arm simclr, which failed (diverged).")
    assert told.separated is False


def test_seeds_that_have_not_run_yet_are_waited_for(journal_script):
    script = journal_script(seeds={"study": 0, "trials": [0, 1]})
    script.trial(0, arm="peclr", seed=0)
    script.trial(1, arm="no_pretraining", seed=0)
    script.trial(2, arm="no_pretraining", seed=1)
    told = answer(Ledger(script.records), LOWER)
    assert "Left out for want of seeds that completed: arm peclr." in told.certainty
    assert "peclr" not in told.sentence


def test_without_a_completed_trial_there_is_no_answer(journal_script):
    told = answer(Ledger(journal_script().records), LOWER)
    assert told.leader is None
    assert told.sentence == "No trial has completed, so there is no answer yet."


@pytest.mark.parametrize(
    ("value", "objective", "blind"),
    [(69.9, LOWER, False), (70.0, LOWER, True), (70.1, LOWER, True), (70.1, HIGHER, False)],
)
def test_a_metric_is_blind_when_nothing_beats_the_template(value, objective, blind):
    assert is_blind(value, 70.0, objective) is blind

"""Means, paired differences and the sentence they come to."""

import random

import pytest
from scipy import stats

from sweep.candidates import Candidate, candidates, in_order
from sweep.ledger import Ledger
from sweep.report.answer import answer
from sweep.report.comparison import (
    PairedDifference,
    arm_differences,
    compared,
    is_blind,
    paired_difference,
    seeds_to_separate,
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
    assert "does not separate it from arm peclr (0.00 mm apart, 95 % interval" in told.sentence
    # of the three pairs peclr - none has p 0.0091, simclr - none 0.0351, which becomes 2 x 0.0351
    assert "and arm none (3.00 mm apart, p 0.070)" in told.sentence
    assert told.separated is False
    assert "3 trial seeds, p values corrected for all 3 pairs" in told.certainty
    assert "more than 100 seeds would separate it from arm peclr" in told.certainty


def test_what_stays_apart_among_all_pairs_is_called_better(journal_script):
    script = journal_script(space=None, seeds={"study": 0, "trials": [0, 1, 2]})
    for arm, name in enumerate(("peclr", "simclr", "none")):
        for seed, noise in enumerate((0.0, 0.1, -0.1)):
            error_mm = 50.0 + 10 * arm + seed + noise * arm
            script.trial(3 * arm + seed, arm=name, seed=seed, error_mm=error_mm)
    told = answer(Ledger(script.records), LOWER)
    # differences 10, 10.1, 9.9 (t 173, p 3.3e-5) and 20, 20.2, 19.8 (the same t)
    assert "It is better than arm simclr by 10.0 mm (95 % interval 9.75 to 10.2, p < 0.001)" in (
        told.sentence
    )
    assert told.separated is True
    assert "would separate" not in told.certainty


def test_without_any_difference_an_arm_is_called_better_in_at_most_one_of_twenty_studies():
    rng, announced, studies = random.Random(3), 0, 400
    for _ in range(studies):
        arms = [
            Candidate(f"arm {arm}", str(arm), (), {seed: rng.gauss(0, 1) for seed in range(3)})
            for arm in range(5)
        ]
        announced += any(one.separated for one in compared(in_order(arms, LOWER), LOWER))
    assert announced <= 0.05 * studies, "with intervals of each pair alone it is one of four"


def test_the_seeds_that_it_takes_are_those_of_the_corrected_test():
    pair = PairedDifference("arm a", "arm b", {0: -1.0, 1: -3.0}, (-10.0, 6.0))
    for num_pairs in (1, 6):
        needed = seeds_to_separate(pair, num_pairs)
        statistic = 2.0 / 2**0.5
        p_values = [2 * stats.t.sf(statistic * n**0.5, n - 1) for n in (needed - 1, needed)]
        assert num_pairs * p_values[0] > 0.05 >= num_pairs * p_values[1]


def test_two_seeds_are_said_to_separate_little(journal_script):
    script = journal_script(space=None, seeds={"study": 0, "trials": [0, 1]})
    for seed in (0, 1):
        script.trial(seed, arm="peclr", seed=seed, error_mm=40.0 + seed)
        script.trial(2 + seed, arm="no_pretraining", seed=seed, error_mm=42.0 + 3 * seed)
    told = answer(Ledger(script.records), LOWER)
    assert told.certainty == (
        "Paired t tests over 2 trial seeds. 2 seeds separate only what is very far apart. "
        "With this lead and this spread about 4 seeds would separate it from arm no_pretraining."
    )


def test_a_searched_point_leads_and_is_not_called_better(journal_script):
    script = journal_script(seeds={"study": 0, "trials": [0, 1, 2]})
    for seed in range(3):
        script.trial(seed, arm="peclr", seed=seed, error_mm=60.0 + seed)
        for point in (1, 2):
            params = {"pretrain/loss/temperature": 0.1 * point}
            error_mm = 40.0 + point + seed
            script.trial(3 * point + seed, seed=seed, params=params, error_mm=error_mm)
    told = answer(Ledger(script.records), LOWER)
    assert told.sentence == (
        "Trial 3 leads with the lowest val root EPE: 42.00 mm, mean of 3 seeds. It is ahead of arm "
        "peclr by 19.0 mm, on the same 3 seeds. It was picked as the best of 2 points, which "
        "flatters this lead: only trainings on fresh seeds decide (final)."
    )
    assert told.separated is None
    assert "no interval or test of its lead would hold" in told.certainty


def test_of_many_arms_the_answer_names_the_nearest_and_counts_the_rest(journal_script):
    script = journal_script(seeds={"study": 0, "trials": [0, 1]})
    for arm in range(6):
        for seed in (0, 1):
            error_mm = 50.0 + 10 * arm + 0.01 * arm * seed
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

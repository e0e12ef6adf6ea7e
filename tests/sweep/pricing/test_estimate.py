"""Hours, GPU-hours and bytes of planned stages, with their bounds."""

import math

import numpy as np
import pytest
from scipy.stats import t

from sweep.pricing.costs import StageCost
from sweep.pricing.estimate import Costs, Interval, estimate, makespan, priced_stages
from sweep.pricing.planned import PlannedStage, PlannedTrial, Share


def cost(seconds, *, noise=0.0, epochs=4):
    return StageCost(0.0, seconds, epochs, noise, 100, 0, committed_bytes=10, unfinished_bytes=30)


def trial(*stages, searched=True):
    planned = (PlannedStage(key, label, config, 4) for key, label, config in stages)
    return PlannedTrial(searched, tuple(planned))


def price(trials, costs, shares, *, slots=1, between_trials_s=0.0):
    return estimate(trials, costs, shares, slots=slots, between_trials_s=between_trials_s)


@pytest.mark.parametrize(
    ("chains", "slots", "end"),
    [
        ([[("a", 3.0)], [("b", 2.0)], [("c", 2.0)]], 1, 7.0),
        ([[("a", 3.0)], [("b", 2.0)], [("c", 2.0)]], 2, 4.0),
        ([[("a", 3.0), ("b", 1.0)], [("a", 3.0), ("c", 2.0)]], 1, 6.0),
        ([[("a", 3.0), ("b", 1.0)], [("a", 3.0), ("c", 2.0)]], 2, 5.0),  # c waits for a
        ([], 2, 0.0),
    ],
)
def test_stages_go_to_the_slot_that_is_free_first_and_shared_ones_are_waited_for(
    chains, slots, end
):
    assert makespan(chains, slots) == end


def test_a_stage_that_several_trials_need_is_paid_for_once():
    trials = [
        trial(("p", "pretrain", "x"), ("f1", "finetune", "y")),
        trial(("p", "pretrain", "x"), ("f2", "finetune", "y")),
    ]
    costs = Costs({"x": cost(10.0), "y": cost(1.0)}, {"pretrain": [cost(10.0)], "finetune": []})
    costs.typical["finetune"].append(cost(1.0))
    found = price(trials, costs, {"pretrain": Share(), "finetune": Share()})
    assert [phase.stages for phase in found.phases] == [1, 2]
    assert found.slot_s == Interval(12.0, 12.0, 12.0)
    assert found.wall_s.expected == 12.0


def test_early_stopping_cuts_what_no_arm_needs_and_the_upper_bound_cuts_nothing():
    trials = [
        trial(("a", "finetune", "x"), searched=False),
        trial(("a", "finetune", "x")),
        trial(("b", "finetune", "x")),
    ]
    costs = Costs({"x": cost(8.0)}, {"finetune": [cost(8.0)]})
    found = price(trials, costs, {"finetune": Share(1.0, 0.5, 0.25)})
    assert (found.slot_s.expected, found.slot_s.high) == (12.0, 16.0)
    assert found.disk_bytes.expected == 10 + 0.25 * 10 + 0.75 * 30
    assert (found.disk_bytes.low, found.disk_bytes.high) == (20, 35)


def test_points_that_were_not_tried_cost_the_mean_with_the_interval_of_further_draws():
    tried = [cost(4.0), cost(6.0), cost(8.0)]
    trials = [trial((str(number), "finetune", f"new {number}")) for number in range(12)]
    found = price(trials, Costs({}, {"finetune": tried}), {"finetune": Share()})
    half = t.ppf(0.95, 2) * 12 * 2.0 * math.sqrt(1 / 3 + 1 / 12)
    assert found.slot_s.expected == pytest.approx(72.0)
    assert found.slot_s.low == pytest.approx(72.0 - half)
    assert found.slot_s.high == pytest.approx(72.0 + half)


def test_settings_that_were_tried_are_as_uncertain_as_the_clock():
    costs = Costs({"x": cost(10.0, noise=0.1)}, {"finetune": [cost(10.0, noise=0.1)]})
    found = price([trial(("a", "finetune", "x"))], costs, {"finetune": Share()})
    assert found.slot_s.low == pytest.approx(10 - 1.6449, abs=1e-3)


def test_the_interval_holds_the_true_total_nine_times_out_of_ten():
    rng, inside = np.random.default_rng(0), 0
    trials = [trial((str(number), "finetune", f"new {number}")) for number in range(20)]
    for _ in range(400):
        seconds = rng.normal(100.0, 15.0, size=26)
        costs = Costs({}, {"finetune": [cost(float(s)) for s in seconds[:6]]})
        found = price(trials, costs, {"finetune": Share()}).slot_s
        inside += found.low <= seconds[6:].sum() <= found.high
    assert 0.86 <= inside / 400 <= 0.94


def test_slots_share_the_hours_and_wait_between_trials():
    trials = [trial((str(number), "finetune", "x")) for number in range(4)]
    costs = Costs({"x": cost(10.0)}, {"finetune": [cost(10.0)]})
    found = price(trials, costs, {"finetune": Share()}, slots=2, between_trials_s=1.0)
    assert found.wall_s.expected == 22.0
    assert found.slot_s.expected == 40.0


def test_labels_without_stages_have_no_row():
    costs = Costs({"x": cost(1.0)}, {"finetune": [cost(1.0)]})
    trials = [trial(("a", "finetune", "x"))]
    found = price(trials, costs, {"pretrain": Share(), "finetune": Share()})
    assert [phase.label for phase in found.phases] == ["finetune"]


def test_a_stage_is_cut_only_if_no_arm_needs_it_whatever_came_first():
    costs = Costs({"x": cost(1.0)}, {"finetune": [cost(1.0)]})
    arm, point = (trial(("a", "finetune", "x"), searched=s) for s in (False, True))
    for trials in ([arm, point], [point, arm]):
        assert not priced_stages(trials, costs)["a"].is_searched

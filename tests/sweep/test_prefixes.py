"""Which finished prefixes there are, when one is taken over, and which."""

from collections import Counter
from dataclasses import replace

import pytest

from sweep.early_stop import Rung
from sweep.ledger import Ledger
from sweep.prefixes import (
    WORST,
    Prefix,
    by_belief,
    finished_prefixes,
    is_reuse_due,
    num_shared,
    parts_after,
    reusable_lengths,
    shares_beaten,
)
from tests.sweep.engine_fakes import make_study
from tests.sweep.engine_phases import PHASES
from trainables.plans import parse_plan

LABELS = ["draft", "final"]


class Story:
    """Writes a journal of trials that are told by what their prefix is and how they end."""

    def __init__(self):
        self.ledger = Ledger()
        self.write("session", event="opened", host="lab", pid=1)

    def write(self, kind, **values):
        self.ledger.apply({"kind": kind, "time_s": 0.0, **values})

    def trial(self, x, y=0.0, *, finished=1, objective=None, state=None, error=None, **values):
        """Write a trial whose first stages are done; `prefix_of` is another trial's number."""
        number = len(self.ledger.trials)
        seed = values.get("seed", 0)
        keys = {"draft": f"{x}/{seed}", "final": f"{x}/{y}/{seed}"}
        labels = values.get("labels", LABELS)
        shared = values.get("prefix_of")
        self.write(
            "trial",
            number=number,
            arm=values.get("arm"),
            seed=seed,
            params={"draft/x": x, "final/y": y},
            distributions={},
            settings={},
            stages=[
                {
                    "label": label,
                    "key": keys[label],
                    "phase": label,
                    "epochs": 3,
                    "config": {},
                    "seed": 0,
                }
                for label in labels
            ],
            prefix_of=None if shared is None else {"trial": shared, "steps": 1},
        )
        for epoch, probe in enumerate(values.get("probes", []), start=1):
            self.write("epoch", trial=number, label="draft", epoch=epoch, metrics={"probe": probe})
        for label in labels[:finished]:
            self.write("stage", trial=number, label=label, status="done", resumed_from=0)
        if "stopped_in" in values:
            self.rung(number, values["stopped_in"])
        state = state or ("RUNNING" if objective is None else "COMPLETE")
        if state != "RUNNING":
            self.write(
                "end",
                trial=number,
                state=state,
                objective=objective,
                error_class=error,
                message=None,
            )
        return number

    def rung(self, number, label):
        self.write("rung", trial=number, label=label, rung=0, epoch=1, value=1.0, decision="stop")

    def prefixes(self, rungs=(), **changes):
        study = make_study(**changes)
        return finished_prefixes(study, self.ledger, labels=LABELS, lengths=[1], rungs=rungs)


@pytest.fixture
def story():
    """Start a journal."""
    return Story()


# Which there are


def test_trials_with_equal_stages_are_one_prefix_with_all_their_losses(story):
    story.trial(1.0, 5.0, objective=7.0)
    story.trial(2.0, 5.0, objective=9.0)
    story.trial(1.0, 6.0, objective=4.0)
    story.trial(1.0, 7.0)
    first, second = story.prefixes()
    assert (first.trial, first.keys, first.params) == (0, ("1.0/0",), {"draft/x": 1.0})
    assert (first.losses, first.pending) == (((0.0, 7.0), (0.0, 4.0)), 1)
    assert (second.trial, second.losses, second.pending) == (1, ((0.0, 9.0),), 0)


def test_an_arm_offers_its_prefix_only_if_its_plan_begins_as_the_studys(story):
    story.trial(1.0, objective=7.0, arm="published")
    story.trial(2.0, objective=7.0, arm="no_draft", labels=["final"])
    assert [prefix.trial for prefix in story.prefixes()] == [0]


@pytest.mark.parametrize(
    ("trial", "why"),
    [
        ({}, "nothing on it is complete"),
        ({"finished": 0, "objective": None}, "it is not finished"),
        ({"state": "FAIL", "error": "diverged"}, "all on it diverged"),
        ({"state": "FAIL", "error": "out_of_memory"}, "nothing on it is complete"),
        ({"finished": 0, "state": "PRUNED", "stopped_in": "draft"}, "it was stopped itself"),
    ],
)
def test_a_prefix_for_which_nothing_speaks_is_no_candidate(story, trial, why):
    story.trial(1.0, **trial)
    assert story.prefixes() == [], why


def test_a_prefix_that_was_stopped_for_its_proxy_or_diverged_is_none_whatever_came_of_it(story):
    story.trial(1.0, objective=7.0)
    story.trial(1.0, 2.0, state="PRUNED", stopped_in="draft")
    story.trial(2.0, objective=7.0)
    story.trial(2.0, 2.0, finished=0, state="FAIL", error="diverged")
    story.trial(3.0, objective=7.0)
    assert [prefix.params for prefix in story.prefixes()] == [{"draft/x": 3.0}]


def test_a_prefix_whose_only_point_was_stopped_later_is_one_with_nothing_good_on_it(story):
    story.trial(1.0, state="PRUNED", stopped_in="final")
    (prefix,) = story.prefixes()
    assert prefix.losses == (WORST,)


RUNG = Rung(index=0, label="draft", share=0.5, metric="probe", direction="minimize", is_proxy=True)


@pytest.mark.parametrize(("direction", "proxy"), [("minimize", 0.25), ("maximize", -0.25)])
def test_a_prefix_knows_its_proxy_at_its_end_so_that_less_is_better(story, direction, proxy):
    story.trial(1.0, objective=7.0, probes=[0.5, 0.25])
    rung = replace(RUNG, direction=direction)
    assert [prefix.proxy for prefix in story.prefixes(rungs=[rung])] == [proxy]


@pytest.mark.parametrize("probe", [None, float("nan")])
def test_a_proxy_that_was_not_reported_is_none(story, probe):
    story.trial(1.0, objective=7.0, probes=[] if probe is None else [probe])
    assert [prefix.proxy for prefix in story.prefixes(rungs=[RUNG])] == [None]


def test_what_is_no_proxy_or_was_switched_off_tells_nothing_of_a_prefix(story):
    story.trial(1.0, objective=7.0, probes=[0.25])
    assert story.prefixes(rungs=[replace(RUNG, is_proxy=False)])[0].proxy is None
    story.write("note", message="useless", proxy_off="draft")
    assert story.prefixes(rungs=[RUNG])[0].proxy is None


def test_what_diverges_or_is_stopped_after_a_prefix_counts_against_it(story):
    story.trial(1.0, objective=7.0)
    story.trial(1.0, 2.0, state="FAIL", error="diverged")
    story.trial(1.0, 3.0, state="PRUNED", stopped_in="final")
    story.trial(1.0, 4.0, state="FAIL", error="worker_lost")
    (prefix,) = story.prefixes()
    assert [loss[1] for loss in prefix.losses] == [7.0, float("inf"), float("inf")]


def test_trial_seeds_of_a_point_count_once_with_their_mean(story):
    story.trial(1.0, objective=7.0, seed=5)
    story.trial(1.0, objective=9.0, seed=6)
    (prefix,) = story.prefixes(seeds={"trials": [5, 6]})
    assert prefix.losses == ((0.0, 8.0),)
    assert prefix.keys == ("1.0/5",)


def test_a_larger_objective_may_be_better(story):
    story.trial(1.0, objective=7.0)
    (prefix,) = story.prefixes(
        objective={"metric": "final/val/error", "direction": "maximize"},
    )
    assert prefix.losses == ((0.0, -7.0),)


@pytest.mark.parametrize(
    ("searched", "given", "lengths"),
    [
        (["draft/x", "final_2/y"], {}, [1, 2]),
        (["draft/x", "final/y"], {}, [1]),
        (["final/y", "final_2/y"], {}, [2]),
        (["draft/x"], {}, []),
        (["final_2/x"], {}, []),
        (["draft/x", "final/y", "final_2/y"], {"draft": "weights"}, [1]),
        (["draft/x", "final_2/y"], {"draft": "weights"}, []),
    ],
)
def test_a_prefix_has_something_searched_in_it_and_after_it(searched, given, lengths):
    study = make_study(plan=["draft", "final", "final"], from_weights=given, arms={})
    assert reusable_lengths(study, parse_plan(study.plan, PHASES), searched) == lengths


def test_stages_are_shared_up_to_the_first_that_differs():
    assert num_shared("abc", "abd") == 2
    assert num_shared("abc", "ab") == 2
    assert num_shared("abc", "xbc") == 0


# Whether


@pytest.mark.parametrize("reuse", [0.25, 0.5, 0.75, 1.0])
def test_at_least_a_quarter_of_the_prefixes_are_fresh_whatever_is_asked_for(story, reuse):
    study = make_study(search={"trials": 400, "reuse": reuse}, seeds={"trials": [0, 1]})
    reused = 0
    for point in range(400):
        due = is_reuse_due(study, story.ledger, len(story.ledger.trials))
        reused += due
        assert reused <= 0.75 * (point + 1)
        for seed in (0, 1):
            story.trial(float(point), objective=1.0, seed=seed, prefix_of=0 if due else None)
    assert reused / 400 == pytest.approx(min(reuse, 0.75), abs=0.07)


def test_nothing_is_reused_unless_asked_for(story):
    story.trial(1.0, objective=7.0)
    story.trial(2.0, objective=7.0)
    assert not any(is_reuse_due(make_study(), story.ledger, number) for number in range(50))


# Which


def first_choices(story, times=400, rungs=(), **changes):
    prefixes = story.prefixes(rungs, **changes)
    chosen = [by_belief(prefixes, make_study(**changes), number)[0] for number in range(times)]
    return Counter(prefix.params["draft/x"] for prefix in chosen)


def test_the_prefix_on_which_the_good_points_lie_is_taken_most_often_and_others_still(story):
    for point in range(20):
        story.trial(1.0, float(point), objective=2.0 + point)
        story.trial(2.0, float(point), objective=60.0 + point)
    story.trial(3.0, objective=50.0)
    counts = first_choices(story)
    assert counts[1.0] > counts[3.0] > counts[2.0]
    assert counts[3.0] > 0, "tried once, it keeps a chance"


def test_a_point_that_has_not_ended_counts_as_tried(story):
    story.trial(1.0, objective=2.0)
    story.trial(2.0, objective=2.0)
    for point in range(10):
        story.trial(1.0, float(1 + point))
    counts = first_choices(story)
    assert counts[2.0] > 2 * counts[1.0]


def test_a_better_proxy_makes_a_prefix_likelier_until_points_on_it_tell_more(story):
    for x in (1.0, 2.0, 3.0):
        story.trial(x, state="PRUNED", stopped_in="final", probes=[x])
    counts = first_choices(story, rungs=[RUNG])
    assert counts[1.0] > counts[2.0] > counts[3.0] > 0
    for point in range(10):
        story.trial(1.0, float(1 + point), state="PRUNED", stopped_in="final")
        story.trial(3.0, float(1 + point), objective=7.0)
    counts = first_choices(story, rungs=[RUNG])
    assert counts[3.0] > counts[1.0]


def test_proxies_are_compared_among_prefixes_of_one_length():
    def prefix(steps, proxy):
        return Prefix(0, ("key",) * steps, {}, losses=(), pending=0, proxy=proxy)

    prefixes = [prefix(1, 1.0), prefix(2, 90.0), prefix(1, 2.0), prefix(2, None), prefix(2, 90.0)]
    assert shares_beaten(prefixes) == [0.75, 0.5, 0.25, None, 0.5]


def test_points_that_break_a_constraint_come_after_all_that_do_not(story):
    objective = {
        "metric": "final/val/error",
        "constraints": [{"metric": "final/val/error", "at_least": 5.0}],
    }
    for point in range(5):
        story.trial(1.0, float(point), objective=1.0)
        story.trial(2.0, float(point), objective=9.0)
    counts = first_choices(story, objective=objective)
    assert counts[2.0] > 1.5 * counts[1.0]


def test_the_choice_follows_from_the_studys_seed_and_the_trials_number(story):
    for x in range(6):
        story.trial(float(x), objective=float(x))
    prefixes = story.prefixes()

    def choices(seed):
        study = make_study(seeds={"study": seed})
        return [by_belief(prefixes, study, number)[0].trial for number in range(30)]

    assert choices(0) == choices(0)
    assert choices(0) != choices(1)
    assert len(set(choices(0))) > 1


# In which parts


def test_a_fresh_prefix_is_asked_for_among_the_best_of_each_and_the_rest_among_all(story):
    story.trial(1.0, 1.0, objective=7.0)
    story.trial(1.0, 2.0, objective=5.0)
    story.trial(1.0, 3.0)
    story.trial(2.0, 1.0, state="FAIL", error="diverged")
    story.trial(2.0, 2.0)
    story.trial(3.0)
    first, rest = parts_after(0, make_study(), story.ledger, labels=LABELS, lengths=[1])
    assert (first.labels, first.among) == ({"draft"}, {1, 3, 5})
    assert (rest.labels, rest.among) == ({"final"}, set(range(6)))


def test_after_a_prefix_only_what_follows_it_is_asked_for():
    labels, lengths = ["a", "b", "c", "d"], [1, 3]
    parts = [
        [
            sorted(part.labels)
            for part in parts_after(steps, make_study(), Ledger(), labels=labels, lengths=lengths)
        ]
        for steps in (0, 1, 3)
    ]
    assert parts == [[["a"], ["b", "c"], ["d"]], [["b", "c"], ["d"]], [["d"]]]

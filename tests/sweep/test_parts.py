"""Asking a sampler for a point in parts."""

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from sweep.ledger import Ledger
from sweep.parts import Part
from sweep.placement import distributions_to_json
from sweep.samplers import Reach, reach_of
from sweep.sampling import SamplerView
from tests.sweep.engine_fakes import make_study
from tests.sweep.engine_phases import SPACES

UNIT = FloatDistribution(0.0, 1.0)
NAMES = {"draft": {"draft/x"}, "final": {"final/y", "final/fancy", "final/strength"}}


def frozen(number, **values):
    params = {f"{label}/a": value for label, value in values.items()}
    trial = create_trial(
        params=params, distributions=dict.fromkeys(params, UNIT), value=float(number)
    )
    trial.number = number
    trial.set_constraint("bound", -1.0)
    return trial


def test_a_part_of_trials_has_their_values_and_no_other_parameters():
    part = Part(labels=frozenset({"draft"}), among=frozenset({0, 2, 3}))
    trials = [
        frozen(0, draft=0.1, final=0.2),
        frozen(1, draft=0.3, final=0.4),
        frozen(2, draft=0.5),
        frozen(3, final=0.6),
    ]
    kept = part.of_trials(trials)
    assert [trial.number for trial in kept] == [0, 2]
    assert [trial.params for trial in kept] == [{"draft/a": 0.1}, {"draft/a": 0.5}]
    assert all(trial.distributions.keys() == trial.params.keys() for trial in kept)
    assert [trial.value for trial in kept] == [0.0, 2.0]
    assert kept[0].constraints == {"bound": -1.0}
    assert kept[0].state is TrialState.COMPLETE


def test_a_part_of_a_space_has_only_such_parameters():
    whole = reach_of(SPACES["both"])
    part = Part(labels=frozenset({"final"}), among=frozenset())
    assert part.of_reach(whole) == Reach(
        {name: value for name, value in whole.parameters.items() if name in NAMES["final"]},
        frozenset({"final/y", "final/fancy"}),
    )


def searched(sampler, count):
    """Return the view of a search whose best points have x near 7 and y near 2."""
    study = make_study(search={"trials": 60, "sampler": sampler})
    ledger = Ledger()
    view = SamplerView(study, SPACES["both"], ledger)
    for number in range(count):
        suggestion = view.ask(number)
        params = suggestion.params
        ledger.apply(
            {
                "kind": "trial",
                "time_s": 0.0,
                "number": number,
                "arm": None,
                "seed": 0,
                "params": params,
                "distributions": distributions_to_json(suggestion.distributions),
                "settings": {},
                "stages": [],
            }
        )
        ledger.apply(
            {
                "kind": "end",
                "time_s": 0.0,
                "trial": number,
                "state": "COMPLETE",
                "objective": (params["draft/x"] - 7) ** 2 + (params["final/y"] - 2) ** 2,
                "error_class": None,
                "message": None,
            }
        )
        view.take_in(ledger.trials[number])
    return view


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "nsgaii", "random", "qmc"])
def test_every_sampler_completes_a_point_given_its_beginning(sampler):
    view = searched(sampler, 12)
    parts = [Part(frozenset({"final"}), frozenset(range(12)))]
    first = view.ask(12, fixed={"draft/x": 3.25}, parts=parts)
    assert first.params["draft/x"] == 3.25
    assert first.params.keys() >= {"final/y", "final/fancy"}
    assert first.distributions.keys() == first.params.keys()
    assert view.ask(12, fixed={"draft/x": 3.25}, parts=parts) == first


def test_parts_are_asked_for_one_after_the_other_and_each_where_its_good_points_lie():
    view = searched("tpe", 40)
    everything = frozenset(range(40))
    parts = [Part(frozenset({label}), everything) for label in ("draft", "final")]
    params = view.ask(40, parts=parts).params
    assert params["draft/x"] == pytest.approx(7.0, abs=1.5)
    assert params["final/y"] == pytest.approx(2.0, abs=1.5)


def test_a_sampler_does_not_see_trials_that_a_part_leaves_out():
    view = searched("tpe", 40)
    rest = Part(frozenset({"final"}), frozenset(range(40)))
    firsts = [
        view.ask(40, parts=[Part(frozenset({"draft"}), frozenset(range(shown))), rest])
        for shown in (20, 40, 40)
    ]
    assert firsts[0].params["draft/x"] != firsts[1].params["draft/x"]
    assert firsts[1] == firsts[2]


def test_a_prepared_suggestion_in_parts_is_the_one_asked_for():
    view = searched("tpe", 12)
    parts = [Part(frozenset({"final"}), frozenset(range(12)))]
    expected = view.ask(12, fixed={"draft/x": 3.25}, parts=parts)
    view.prepare(12, fixed={"draft/x": 3.25}, parts=parts)
    assert view.ask(12, fixed={"draft/x": 3.25}, parts=parts) == expected
    view.close()

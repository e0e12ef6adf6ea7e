"""The sampler's view of a study."""

import threading

import pytest
from optuna.samplers import RandomSampler
from optuna.trial import TrialState as OptunaState

from search_spaces.space import Space
from sweep import sampling
from sweep.grid import grid_space
from sweep.ledger import Ledger
from sweep.placement import distributions_to_json
from sweep.samplers import SAMPLERS, SamplerKind
from sweep.sampling import SamplerView
from tests.sweep.engine_fakes import make_study
from tests.sweep.engine_phases import SPACES

GRID = {"draft/x": [float(i) for i in range(6)], "final/y": [1.0, 2.0, 3.0, 4.0, 5.0]}


def space_of(changes):
    grid = changes.get("search", {}).get("grid")
    return grid_space(grid) if grid else SPACES["both"]


def view_of(records, **changes):
    return SamplerView(make_study(**changes), space_of(changes), Ledger(records))


def begun(number, suggestion, **changes):
    return {
        "kind": "trial",
        "time_s": 0.0,
        "number": number,
        "arm": None,
        "seed": 0,
        "params": suggestion.params,
        "distributions": distributions_to_json(suggestion.distributions),
        "settings": {},
        "stages": [],
        **changes,
    }


def rung(number, index, value, decision="continue"):
    return {
        "kind": "rung",
        "time_s": 0.0,
        "trial": number,
        "label": "final",
        "rung": index,
        "epoch": 1,
        "value": value,
        "decision": decision,
    }


def ended(number, state, objective=None, error_class=None):
    return {
        "kind": "end",
        "time_s": 0.0,
        "trial": number,
        "state": state,
        "objective": objective,
        "error_class": error_class,
        "message": None,
    }


def searched(count, objective=lambda params: params["draft/x"], **changes):
    """Return the records of a search that was never interrupted."""
    records = []
    view = view_of([], **changes)
    for number in range(count):
        suggestion = view.ask(number)
        ledger = Ledger()
        for record in (
            begun(number, suggestion),
            ended(number, "COMPLETE", objective(suggestion.params)),
        ):
            ledger.apply(record)
            records.append(record)
        view.take_in(ledger.trials[number])
    return records


def search_by(sampler):
    grid = {"grid": GRID} if sampler == "grid" else {}
    return {"sampler": sampler, "trials": 30, **grid}


def points_of(records):
    return [record["params"] for record in records if record["kind"] == "trial"]


COUNTS = dict.fromkeys(SAMPLERS, 30) | {"gp": 13}
"""Trials that show how a sampler behaves; a question to a Gaussian process takes its time."""


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_restart_neither_repeats_nor_changes_suggestions(sampler):
    count, search = COUNTS[sampler], search_by(sampler)
    whole = searched(count, search=search)
    points = points_of(whole)
    again = [view_of(whole[: 2 * done], search=search).ask(done).params for done in range(count)]
    assert again == points
    if sampler not in ("gp", "nsgaii"):  # the one may see its best in a corner, the other copies
        assert len({str(sorted(point.items())) for point in points}) == count


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_order_in_which_trials_ended_does_not_matter(sampler):
    count, search = COUNTS[sampler], search_by(sampler)
    records = searched(count, search={"sampler": "random"}) if sampler != "grid" else []
    begins, ends = records[::2], records[1::2]
    expected = view_of(records, search=search).ask(len(begins))
    assert view_of([*begins, *reversed(ends)], search=search).ask(len(begins)) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "count"), [("tpe", 60), ("gp", 18), ("cmaes", 60), ("nsgaii", 60)]
)
def test_samplers_that_learn_come_closer_than_they_began(sampler, count):
    def bowl(params):
        return (params["draft/x"] - 3) ** 2 + (params["final/y"] - 7) ** 2

    values = [bowl(p) for p in points_of(searched(count, bowl, search={"sampler": sampler}))]
    third = count // 3
    assert sum(values[-third:]) < 0.6 * sum(values[:third])


@pytest.mark.parametrize("sampler", ["gp", "cmaes", "nsgaii"])
def test_an_arm_that_lacks_a_parameter_does_not_blind_the_sampler(sampler):
    """What these model is what all trials they see have in common."""
    suggestion = view_of([]).ask(0)
    records = [
        {**begun(0, suggestion, arm="no_draft"), "params": {}, "distributions": {}},
        ended(0, "COMPLETE", 5.0),
    ]
    for record in searched(40):
        key = "number" if record["kind"] == "trial" else "trial"
        records.append({**record, key: record[key] + 1})
    views = [
        view_of(records, search={"sampler": sampler}, seeds={"study": seed}) for seed in range(8)
    ]
    assert views[0].trials[0].state is OptunaState.FAIL
    assert sum(view.ask(41).params["draft/x"] for view in views) / 8 < 3  # at random: 5


def test_trial_seeds_of_a_point_share_its_place_on_the_grid():
    changes = {"search": search_by("grid"), "seeds": {"trials": [5, 6]}}
    view = view_of([], **changes)
    first = view.ask(0)
    pair = [begun(0, first, seed=5), begun(1, first, seed=6)]
    assert first.params == {"draft/x": 0.0, "final/y": 1.0}
    assert view_of(pair[:1], **changes).ask(1).params == {"draft/x": 0.0, "final/y": 2.0}
    assert view_of(pair, **changes).ask(2).params == {"draft/x": 0.0, "final/y": 2.0}


def test_trial_seeds_of_a_point_share_its_place_in_the_sequence():
    search = search_by("qmc")
    first, second = points_of(searched(2, search=search))
    pair = [begun(number, view_of([], search=search).ask(0), seed=number) for number in (0, 1)]
    view = view_of(pair, search=search, seeds={"trials": [0, 1]})
    assert pair[0]["params"] == first
    assert view.ask(2).params == second


def test_settled_parameters_are_taken_as_they_are():
    suggestion = view_of(searched(15)).ask(15, fixed={"draft/x": 9.5, "final/fancy": False})
    assert suggestion.params["draft/x"] == 9.5
    assert "final/strength" not in suggestion.params
    assert 0 <= suggestion.params["final/y"] <= 10


def test_another_study_seed_gives_other_suggestions():
    first = view_of([]).ask(0)
    assert view_of([], seeds={"study": 1}).ask(0).params != first.params


def test_trials_keep_their_numbers_states_and_values():
    suggestion = view_of([]).ask(0)
    records = [begun(i, suggestion) for i in range(5)]
    records += [
        ended(0, "COMPLETE", 1.5),
        rung(1, 2, 7.0),
        rung(1, 3, 6.0),
        ended(1, "PRUNED"),
        ended(3, "FAIL", error_class="code"),
    ]
    seen = view_of(records).trials
    assert [trial.number for trial in seen] == [0, 1, 2, 3, 4]
    assert [trial.state for trial in seen] == [
        OptunaState.COMPLETE,
        OptunaState.PRUNED,
        OptunaState.RUNNING,
        OptunaState.FAIL,
        OptunaState.RUNNING,
    ]
    assert seen[0].value == 1.5
    assert seen[1].intermediate_values == {2: 7.0, 3: 6.0}
    assert all(trial.params == suggestion.params for trial in seen)


def test_f8_a_diverged_trial_is_pruned_without_a_value_in_the_samplers_view_alone():
    suggestion = view_of([]).ask(0)
    records = [begun(0, suggestion), rung(0, 2, 0.01), ended(0, "FAIL", error_class="diverged")]
    (seen,) = view_of(records).trials
    assert seen.state is OptunaState.PRUNED
    assert seen.value is None
    assert seen.intermediate_values == {}


def test_a_trial_with_a_value_that_is_not_known_teaches_nothing():
    objective = {"metric": "final/val/error", "also": [{"metric": "cost/epochs"}]}
    suggestion = view_of([]).ask(0)
    (seen,) = view_of([begun(0, suggestion), ended(0, "COMPLETE", 1.0)], objective=objective).trials
    assert seen.state is OptunaState.FAIL


@pytest.mark.parametrize(("sampler", "questions"), [("tpe", 12), ("gp", 2)])
def test_the_sampler_keeps_away_from_where_trials_diverged(sampler, questions):
    """The objective falls towards the upper third of a range, where ten of 30 trials diverge."""

    def journal(error_class):
        records = []
        suggestion = view_of([]).ask(0)
        for number in range(30):
            x, y = (number * 7 % 30) / 3, (number * 11 % 30) / 3
            point = {**suggestion.params, "draft/x": x, "final/y": y}
            records.append(begun(number, suggestion, params=point))
            if x > 6.6:
                records.append(ended(number, "FAIL", error_class=error_class))
            else:
                records.append(ended(number, "COMPLETE", 10 - x))
        assert sum(record.get("error_class") is not None for record in records) == 10
        return records

    def high(error_class):
        records = journal(error_class)
        views = [
            view_of(records, search={"sampler": sampler}, seeds={"study": seed})
            for seed in range(questions)
        ]
        return sum(view.ask(30).params["draft/x"] > 6.6 for view in views)

    assert high("diverged") < high("code")


@pytest.mark.slow
def test_cmaes_keeps_away_from_where_its_trials_diverged():
    """It learns from its own points alone: how many of 40 fall where all trials diverge?"""

    def high(error_class, seed):
        ledger, found = Ledger(), 0
        view = view_of([], search={"sampler": "cmaes"}, seeds={"study": seed})
        for number in range(40):
            suggestion = view.ask(number)
            is_high = suggestion.params["draft/x"] > 5
            found += is_high
            failed = ended(number, "FAIL", error_class=error_class)
            fine = ended(number, "COMPLETE", suggestion.params["final/y"])
            ledger.apply(begun(number, suggestion))
            ledger.apply(failed if is_high else fine)
            view.take_in(ledger.trials[number])
        return found

    seeds = range(8)
    assert sum(high("diverged", s) for s in seeds) < sum(high("code", s) for s in seeds)


@pytest.mark.parametrize(
    ("sampler", "state", "value"),
    [
        ("tpe", OptunaState.PRUNED, None),
        ("gp", OptunaState.COMPLETE, 5.3),
        ("cmaes", OptunaState.COMPLETE, 5.3),
        ("nsgaii", OptunaState.COMPLETE, 5.3),
    ],
)
def test_a_diverged_trial_is_shown_in_the_way_the_sampler_reads(sampler, state, value):
    suggestion = view_of([]).ask(0)
    records = [begun(i, suggestion) for i in range(3)]
    records += [
        ended(0, "FAIL", error_class="diverged"),
        ended(1, "COMPLETE", 2.0),
        ended(2, "COMPLETE", 5.0),
    ]
    seen = view_of(records, search={"sampler": sampler}).trials[0]
    assert seen.state is state
    assert seen.value == pytest.approx(value)


def test_a_paused_trial_is_known_by_its_rungs_until_it_ends():
    suggestion = view_of([]).ask(0)
    ledger = Ledger([begun(0, suggestion), rung(0, 1, 4.0), rung(0, 2, 3.0, decision="pause")])
    live = view_of([])
    live.take_in(Ledger([begun(0, suggestion)]).trials[0])
    live.take_in(ledger.trials[0])
    rebuilt = SamplerView(make_study(), SPACES["both"], ledger)
    for view in (live, rebuilt):
        assert view.trials[0].state is OptunaState.PRUNED
        assert view.trials[0].intermediate_values == {1: 4.0, 2: 3.0}
    ledger.apply(rung(0, 3, 2.5))  # promoted and gone on
    assert SamplerView(make_study(), SPACES["both"], ledger).trials == live.trials
    ledger.apply(ended(0, "COMPLETE", 2.0))
    live.take_in(ledger.trials[0])
    assert live.trials[0].state is OptunaState.COMPLETE
    assert live.trials[0].value == 2.0


TWO = {
    "metric": "final/val/error",
    "also": [{"metric": "cost/epochs", "direction": "maximize"}],
    "constraints": [{"metric": "cost/slot_s", "at_most": 10.0}],
}


def ended_with(number, error, epochs, slot_s):
    others = {"cost/epochs": epochs, "cost/slot_s": slot_s}
    return {**ended(number, "COMPLETE", error), "others": others}


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsgaii", "random", "qmc"])
def test_several_objectives_and_constraints_reach_the_sampler(sampler):
    records = []
    for number in range(14 if sampler == "gp" else 25):
        suggestion = view_of(records, objective=TWO, search={"sampler": sampler}).ask(number)
        records.append(begun(number, suggestion))
        if number == 4:
            records.append(ended(number, "FAIL", error_class="diverged"))
        elif number == 5:
            records += [rung(number, 1, 3.0), ended(number, "PRUNED")]
        else:
            x = suggestion.params["draft/x"]
            records.append(ended_with(number, x, 10.0 - x, 2 * x))
    seen = view_of(records, objective=TWO, search={"sampler": sampler}).trials
    assert len(seen[0].values) == 2
    (excess,) = seen[0].constraints.values()
    assert excess == pytest.approx(2 * seen[0].params["draft/x"] - 10)
    assert seen[5].intermediate_values == {}
    worst = max(sum(t.constraints.values()) for t in seen if t.number not in (4, 5))
    assert sum(seen[4].constraints.values()) > max(worst, 0)


def test_a_broken_constraint_keeps_tpe_away():
    one = {"metric": "final/val/error", "constraints": [{"metric": "cost/epochs", "at_most": 5}]}

    def high(at_most):
        objective = {**one, "constraints": [{"metric": "cost/epochs", "at_most": at_most}]}
        records = []
        suggestion = view_of([]).ask(0)
        for number in range(30):
            x = number / 3
            records.append(begun(number, suggestion, params={**suggestion.params, "draft/x": x}))
            records.append({**ended(number, "COMPLETE", 10 - x), "others": {"cost/epochs": x}})
        views = [view_of(records, objective=objective, seeds={"study": i}) for i in range(8)]
        return sum(view.ask(30).params["draft/x"] > 5 for view in views)

    assert high(5) < high(100)


def test_a_prepared_suggestion_is_what_asking_then_would_have_given():
    records = searched(14)
    view, expected = view_of(records), view_of(records).ask(14)
    view.prepare(14)
    other = Ledger([*records, begun(14, expected), ended(14, "FAIL", error_class="diverged")])
    view.take_in(Ledger([*records[:-1], ended(13, "COMPLETE", -100.0)]).trials[13])
    assert view.ask(14) == expected
    view.take_in(other.trials[14])
    assert view.ask(15) == view.ask(15)
    view.close()


def test_nothing_is_worked_out_twice_and_not_on_the_callers_thread(monkeypatch):
    asked_on = []
    suggest = SPACES["both"].suggest

    def recording(trial):
        asked_on.append(threading.current_thread())
        return suggest(trial)

    view = SamplerView(
        make_study(), Space(suggest=recording, plan=("draft", "final"), about=""), Ledger()
    )
    asked_on.clear()
    view.prepare(0)
    view.prepare(0)
    view.ask(0)
    view.close()
    assert len(asked_on) == 1
    assert asked_on[0] is not threading.current_thread()
    assert not asked_on[0].is_alive()


def test_a_suggestion_prepared_for_another_number_is_put_aside():
    records = searched(3)
    view = view_of(records)
    view.prepare(3)
    view.take_in(Ledger([*records, begun(3, view_of(records).ask(3))]).trials[3])
    answer = view.ask(4)
    view.close()
    assert answer == view.ask(4)


class Broken(RandomSampler):
    """Raises at whatever it is asked."""

    def sample_independent(self, study, trial, param_name, param_distribution):
        raise ArithmeticError("no such point")


@pytest.fixture
def broken(monkeypatch):
    """Have TPE raise at every question."""
    monkeypatch.setitem(SAMPLERS, "tpe", SamplerKind(lambda question: Broken(), "a test"))


@pytest.mark.parametrize("is_prepared", [False, True])
def test_a_sampler_that_raises_is_answered_for_by_a_random_point_the_same_at_a_restart(
    broken, is_prepared
):
    suggestions = []
    for number in (0, 0, 1):
        view = view_of([begun(i, suggestions[0]) for i in range(number)])
        if is_prepared:
            view.prepare(number, {"final/y": 2.5})
        suggestions.append(view.ask(number, {"final/y": 2.5}))
        view.close()
    assert {suggestion.fault for suggestion in suggestions} == {"ArithmeticError: no such point"}
    assert [suggestion.params["final/y"] for suggestion in suggestions] == [2.5, 2.5, 2.5]
    assert suggestions[0] == suggestions[1]
    assert suggestions[2].params["draft/x"] != suggestions[0].params["draft/x"]


def test_a_sampler_that_cannot_even_be_made_is_answered_for_too(monkeypatch):
    def refuse(question):
        raise ValueError("too many parameters")

    monkeypatch.setitem(SAMPLERS, "tpe", SamplerKind(refuse, "a test"))
    assert view_of([]).ask(0).fault == "ValueError: too many parameters"


def test_a_space_that_raises_is_no_samplers_fault(monkeypatch):
    def suggest(*args, **kwargs):
        raise ArithmeticError("no such point")

    monkeypatch.setattr(sampling._Inquiry, "_put", suggest)
    view = view_of([])
    view.prepare(0)
    with pytest.raises(ArithmeticError, match="no such point"):
        view.ask(0)
    view.close()


def test_samplers_never_work_on_two_threads_at_once():
    """One is held in the first of two questions that were prepared; the third is asked for."""
    at_work, gate, entered, overlaps = [], threading.Event(), threading.Event(), []
    suggest = SPACES["both"].suggest

    def slowly(trial):
        overlaps.append(len(at_work))
        at_work.append(trial)
        entered.set()
        assert gate.wait(60)
        at_work.pop()
        return suggest(trial)

    gate.set()
    view = SamplerView(
        make_study(), Space(suggest=slowly, plan=("draft", "final"), about=""), Ledger()
    )
    gate.clear()
    entered.clear()
    view.prepare(0, {"final/y": 1.0})
    assert entered.wait(60)
    view.prepare(0, {"final/y": 2.0})
    threading.Timer(0.2, gate.set).start()
    assert view.ask(0, {"final/y": 3.0}).params["final/y"] == 3.0
    view.prepare(0, {"final/y": 4.0})
    view.ask(0)
    view.close()
    assert set(overlaps) == {0}


def test_closing_without_a_thread_is_fine():
    view_of([]).close()

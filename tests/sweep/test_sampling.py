"""The sampler's view of a study."""

import pytest
from optuna.trial import TrialState as OptunaState

from sweep.ledger import Ledger
from sweep.placement import distributions_to_json
from sweep.sampling import SamplerView
from tests.sweep.engine_fakes import make_study
from tests.sweep.engine_phases import SPACES


def view_of(records, **changes):
    return SamplerView(make_study(**changes), SPACES["both"], Ledger(records))


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


def rung(number, index, value):
    return {
        "kind": "rung",
        "time_s": 0.0,
        "trial": number,
        "label": "final",
        "rung": index,
        "epoch": 1,
        "value": value,
        "decision": "continue",
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
        view.end(ledger.trials[number])
    return records


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_restart_neither_repeats_nor_changes_suggestions(sampler):
    search = {"sampler": sampler, "trials": 30}
    whole = searched(30, search=search)
    params = [record["params"] for record in whole if record["kind"] == "trial"]
    for done in (1, 12, 29):
        view = view_of(whole[: 2 * done], search=search)
        assert view.ask(done).params == params[done]
    assert len({str(sorted(point.items())) for point in params}) == 30


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


def test_the_sampler_keeps_away_from_where_trials_diverged():
    def journal(error_class):
        records = []
        for number in range(30):
            suggestion = view_of([]).ask(0)
            x = number / 3
            point = {**suggestion.params, "draft/x": x}
            records.append(begun(number, suggestion, params=point))
            if x > 5:
                records.append(ended(number, "FAIL", error_class=error_class))
            else:
                records.append(ended(number, "COMPLETE", 1.0))
        return records

    def high(error_class):
        view = view_of(journal(error_class))
        return sum(view.ask(30 + i).params["draft/x"] > 5 for i in range(20))

    assert high("diverged") < high("code")

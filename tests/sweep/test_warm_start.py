"""Beginning a search with another study's trials: what fits, what the sampler sees, what counts."""

import os
from collections import Counter
from dataclasses import replace
from functools import partial

import optuna
import pytest
from optuna.trial import TrialState as OptunaState

from search_spaces.space import Space
from sweep.journal import Journal, read_journal
from sweep.ledger import Ledger
from sweep.report.result import result_of
from sweep.report.words import cost_sentence
from sweep.samplers import SAMPLERS
from sweep.sampling import SamplerView
from sweep.source import Source
from sweep.trials import TrialState
from sweep.warm_start import known_record, known_sentence, record_sentence
from tests.sweep.engine_fakes import (
    FakeStages,
    Killed,
    KillingJournal,
    Play,
    assert_ended_once,
    make_study,
    stages_of,
    summary,
)
from tests.sweep.engine_phases import PHASES, SPACES


def narrow(trial):
    """The space `both` below 5, where `fancy` is settled and `strength` with it."""
    trial.suggest_float("draft/x", 0.0, 10.0)
    trial.suggest_float("final/y", 0.0, 5.0)
    return trial.params


def wide(trial):
    """The space `both` with one more parameter, which the source left at its default."""
    trial.suggest_float("draft/x", -5.0, 15.0)
    trial.suggest_float("final/y", 0.0, 10.0)
    if trial.suggest_categorical("final/fancy", [True, False]):
        trial.suggest_float("final/strength", 0.1, 1.0, log=True)
    trial.suggest_int("draft/epochs", 1, 5)
    return trial.params


def space(suggest):
    return Space(suggest=suggest, plan=("draft", "final"), about="for a test")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Durability is the journal's own test."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def source(tmp_path):
    return finished(tmp_path, search={"trials": 12})


def finished(tmp_path, stages=None, **changes):
    """Return a study that was searched to its end, without arms unless it is given some."""
    folder = tmp_path / "source"
    folder.mkdir(exist_ok=True)
    study = make_study(**{"name": "first", "arms": {}, **changes})
    return Source(study, Play(study, folder, stages=stages).run())


def warm(**changes):
    return make_study(**{"name": "second", "from": "first", "arms": {}, **changes})


def taken(source, study=None, suggest=None, plan=stages_of):
    return known_record(
        source,
        study or warm(),
        space=SPACES["both"] if suggest is None else space(suggest),
        phases=PHASES,
        stages_of=plan,
    )


def ledger_of(record):
    return Ledger([{"time_s": 0.0, **record}])


# What fits


def test_every_trial_of_an_equal_study_is_known_with_its_point_its_end_and_where_it_is_from(source):
    record = taken(source)
    known = ledger_of(record).known
    assert list(known) == list(range(-12, 0)), "older trials have lower numbers"
    for mine, theirs in zip(known.values(), source.ledger.trials.values(), strict=True):
        assert (mine.params, mine.objective) == (theirs.params, theirs.objective)
        assert mine.distributions == theirs.distributions
        assert [stage.key for stage in mine.stages] == [stage.key for stage in theirs.stages]
        assert [stage.status for stage in mine.stages] == ["done", "done"]
    first = next(inner for inner in record["records"] if inner["kind"] == "trial")
    assert first["of"] == {"study": "first", "trial": 0}
    assert record["left_out"] == {}


def test_points_outside_the_narrowed_space_are_left_out_and_counted(source):
    fixed = {"final/fancy": False}
    record = taken(source, warm(settings=fixed), narrow)
    points = [trial.params for trial in source.ledger.trials.values()]
    fitting = [p for p in points if p["final/y"] <= 5 and not p["final/fancy"]]
    known = ledger_of(record).known.values()
    assert [trial.params for trial in known] == [
        {name: point[name] for name in ("draft/x", "final/y")} for point in fitting
    ]
    assert 0 < len(fitting) < 12
    beyond = sum(point["final/y"] > 5 for point in points)
    assert record["left_out"] == {
        "final/y outside the space": beyond,
        "final/fancy is False here": 12 - beyond - len(fitting),
    }


def test_a_parameter_that_the_source_did_not_search_is_what_it_was_trained_with(source):
    for trial in ledger_of(taken(source, suggest=wide)).known.values():
        assert trial.params["draft/epochs"] == 3
        assert '"high": 15.0' in trial.distributions["draft/x"]


@pytest.mark.parametrize(
    ("changes", "plan", "reason"),
    [
        ({}, partial(stages_of, code="v2"), "12 (trained by other code, libraries, weights"),
        ({"settings": {"final/epochs": 9}}, stages_of, "12 (final/epochs is 9 here)"),
        ({"plan": ["final"]}, stages_of, "12 (another plan)"),
    ],
)
def test_a_source_of_which_nothing_fits_is_refused_with_the_reasons(source, changes, plan, reason):
    with pytest.raises(ValueError, match="from: first has no trial that this study") as refusal:
        taken(source, warm(**changes), plan=plan)
    assert reason in str(refusal.value)


def test_settings_that_change_no_result_make_no_difference(source):
    study = warm(seeds={"study": 7, "trials": [5]}, search={"trials": 3})
    assert len(ledger_of(taken(source, study)).known) == 12


def test_arms_are_not_taken_nor_what_has_not_ended(tmp_path):
    study = make_study(name="first")
    play = Play(study, tmp_path).open()
    while len(play.ledger.trials) < 4:
        play.hand_out()
        for number in list(play.training):
            play.step(number)
    record = taken(Source(study, play.ledger))
    assert [trial.number for trial in play.ledger.in_state(TrialState.RUNNING)] == [3]
    assert record["left_out"] == {"not ended": 1}
    assert [inner["of"]["trial"] for inner in record["records"] if inner["kind"] == "trial"] == [2]


def test_diverged_trials_are_told_as_such_and_others_that_failed_are_not(tmp_path):
    settings = {"final/limit": 6.0}
    source = finished(tmp_path, settings=settings, search={"trials": 12})
    diverged = source.ledger.in_state(TrialState.FAIL)
    diverged[0].error_class = "code"
    record = taken(source, warm(settings=settings))
    assert record["left_out"] == {"failed, not by diverging": 1}
    known = ledger_of(record)
    states = Counter(trial.state for trial in known.known.values())
    assert states[TrialState.FAIL] == len(diverged) - 1 > 0
    view = SamplerView(warm(settings=settings), SPACES["both"], known)
    shown = Counter(trial.state for trial in view.trials)
    assert shown[OptunaState.PRUNED] == len(diverged) - 1, "a diverged one is shown as the worst"


def test_stopped_trials_are_known_where_the_same_rungs_stop_and_the_sampler_reads_them(tmp_path):
    rules = {"rule": "asha", "rungs": [0.34, 0.67], "keep": 0.5, "grace": 2}
    source = finished(tmp_path, early_stop=rules, search={"trials": 12})
    num_stopped = len(source.ledger.in_state(TrialState.PRUNED))
    assert num_stopped > 0
    same = ledger_of(taken(source, warm(early_stop=rules))).known.values()
    assert [t.rungs for t in same] == [t.rungs for t in source.ledger.trials.values()]
    other = taken(source, warm(early_stop={**rules, "rungs": [0.5]}))
    assert other["left_out"] == {"stopped early by other rules": num_stopped}
    assert all(trial.rungs == [] for trial in ledger_of(other).known.values())
    deaf = taken(source, warm(search={"sampler": "gp", "trials": 4}))
    assert deaf["left_out"] == {"stopped early, which gp does not read": num_stopped}


def test_what_the_source_began_with_itself_is_handed_on_and_keeps_its_origin(source, tmp_path):
    folder = tmp_path / "second"
    folder.mkdir()
    study = warm(search={"trials": 3})
    second = Source(study, Play(study, folder, known=taken(source)).run())
    record = taken(second, warm(name="third", **{"from": "second"}))
    origins = [inner["of"] for inner in record["records"] if inner["kind"] == "trial"]
    assert origins[:12] == [{"study": "first", "trial": n} for n in range(12)]
    assert origins[12:] == [{"study": "second", "trial": n} for n in range(3)]


def test_a_metric_that_a_trial_has_no_value_of_leaves_it_out(tmp_path):
    constraint = {"metric": "cost/epochs", "at_most": 60}
    objective = {"metric": "final/val/error", "constraints": [constraint]}
    source = finished(tmp_path, objective=objective)
    source.ledger.trials[0].others = {}
    study = warm(objective=objective)
    assert taken(source, study)["left_out"] == {"a metric of the objective is not known": 1}


def test_the_three_most_frequent_reasons_are_told_and_the_rest_is_counted():
    left_out = {"a": 1, "b": 4, "c": 2, "d": 3, "e": 1}
    told = record_sentence({"source": "first", "records": [], "left_out": left_out})
    expected = "0 trials known from first; left out: 4 (b), 3 (d), 2 (c), 2 for other reasons"
    assert told == expected


# What it does to the search


def test_known_trials_guide_and_count_for_nothing(source, tmp_path):
    study = warm(search={"trials": 4}, budget={"target": 0.0})
    ledger = Play(study, tmp_path, known=taken(source)).run()
    assert list(ledger.trials) == [0, 1, 2, 3]
    assert len(ledger.known) == 12
    result = result_of(ledger, study, epochs_of=lambda _: [])
    assert len(result.rows) == 4
    assert known_sentence(ledger) == "12 trials known from first"
    assert "It began with 12 trials known from first" in cost_sentence(result)


def test_a_target_that_only_a_known_trial_reaches_ends_nothing(source, tmp_path):
    best = min(trial.objective for trial in source.ledger.trials.values())
    study = warm(search={"sampler": "random", "trials": 2, "neighbours": 0.1})
    study = study.model_copy(update={"budget": study.budget.model_copy(update={"target": best})})
    ledger = Play(study, tmp_path, known=taken(source)).run()
    assert len(ledger.trials) == 2


LEARNING = [name for name, kind in SAMPLERS.items() if kind.learns]


@pytest.mark.parametrize("sampler", LEARNING)
def test_each_sampler_that_learns_suggests_something_else_knowing_what_is_known(source, sampler):
    study = warm(search={"sampler": sampler, "trials": 4})
    cold = SamplerView(study, SPACES["both"], Ledger()).ask(0)
    told = SamplerView(study, SPACES["both"], ledger_of(taken(source, study))).ask(0)
    assert cold.fault is told.fault is None
    assert cold.params != told.params


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in LEARNING])
def test_samplers_that_learn_nothing_from_others_suggest_the_same(source, sampler):
    grid = {"grid": {"draft/x": [1.0, 2.0]}} if sampler == "grid" else {}
    study = warm(search={"sampler": sampler, "trials": 2, **grid})
    known = ledger_of(taken(source))
    suggest = SPACES["both"]
    cold, told = (SamplerView(study, suggest, ledger).ask(0) for ledger in (Ledger(), known))
    assert cold == told


@pytest.mark.parametrize("written", [True, False])
def test_killed_at_any_record_a_warm_started_study_ends_as_if_it_had_not_been(
    source, tmp_path, written
):
    study, record = warm(search={"trials": 2}), taken(source)
    whole = Play(study, tmp_path, known=record).run()
    other = replace(source, ledger=Ledger())  # deleted, or gone on since: nobody looks at it again
    with pytest.raises(ValueError, match="it has searched none"):
        taken(other)
    kill_at = 0
    while True:
        path, stages = tmp_path / f"killed-{kill_at}.jsonl", FakeStages()
        dying = KillingJournal(path, kill_at=kill_at, written=written)
        try:
            Play(study, tmp_path, stages=stages, journal=dying, known=record).run()
        except Killed:
            dying.close()
        else:
            break
        begun = any(old["kind"] == "known" for old in read_journal(path)) if path.exists() else 0
        again = Play(
            study,
            tmp_path,
            stages=stages,
            journal=Journal(path),
            known=None if begun else record,
        )
        assert summary(again.run()) == summary(whole), kill_at
        records = read_journal(path)
        assert sum(old["kind"] == "known" for old in records) == 1
        assert_ended_once(records)
        kill_at += 1
    assert kill_at > 20


def test_a_second_opening_takes_nothing_more(source, tmp_path):
    record = taken(source)
    Play(warm(search={"trials": 1}), tmp_path, known=record).run()
    more = {**record, "records": record["records"][:4]}
    ledger = Play(warm(search={"trials": 2}), tmp_path, known=more).run()
    assert len(ledger.known) == 12


def test_finished_prefixes_of_the_source_are_taken_over_from_the_first_point_on(tmp_path):
    stages = FakeStages()
    source = finished(tmp_path, stages=stages, search={"trials": 12})
    study = warm(search={"trials": 6, "reuse": 1.0})
    ledger = Play(study, tmp_path, stages=stages, known=taken(source, study)).run()
    on_known = [trial for trial in ledger.trials.values() if trial.prefix_of is not None]
    assert on_known, "three in four points may take one over"
    for trial in on_known:
        assert trial.stage("draft").status == "reused"
    assert any(trial.prefix_of.trial < 0 for trial in on_known)
    cold = Play(study, tmp_path / "source", stages=FakeStages(), journal=Journal(tmp_path / "c"))
    assert cold.run().trials[0].prefix_of is None


def test_prefixes_that_are_not_in_the_store_any_more_are_not_taken_over(source, tmp_path):
    study = warm(search={"trials": 3, "reuse": 1.0})
    ledger = Play(study, tmp_path, known=taken(source, study)).run()
    assert all((t.prefix_of is None or t.prefix_of.trial >= 0) for t in ledger.trials.values())


# What it is worth


def trials_to(regret, ledger):
    """Return how many trials it took to come this close to the best there is."""
    values = [trial.objective - 1 / 3 for trial in ledger.trials.values()]
    return next((n for n, value in enumerate(values, start=1) if value <= regret), len(values) + 1)


@pytest.mark.slow
def test_a_warm_started_search_needs_fewer_trials_to_the_same_regret(tmp_path):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    counts = {"cold": 0, "warm": 0}
    for seed in range(2):
        seeds = {"study": seed}
        folder = tmp_path / str(seed)
        folder.mkdir()
        source = finished(folder, seeds=seeds, search={"trials": 30})
        study = warm(seeds={"study": seed + 100}, search={"trials": 18})
        for name, known in (("cold", None), ("warm", taken(source, study))):
            journal = Journal(folder / f"{name}.jsonl")
            ledger = Play(study, folder, journal=journal, known=known).run()
            counts[name] += trials_to(0.1, ledger)
    assert counts["warm"] <= 0.5 * counts["cold"], counts

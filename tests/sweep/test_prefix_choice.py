"""Prefix-aware search in whole studies, with slots and a stage store in this process."""

import os
from functools import partial

import pytest

from sweep.ledger import Ledger
from sweep.placement import distributions_from_json
from tests.sweep.engine_fakes import (
    FakeStages,
    Killed,
    KillingJournal,
    Play,
    make_study,
    stages_of,
    summary,
)

REUSE = {"trials": 24, "reuse": 1.0}


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Have folders for more than one study; durability is the journal's own test."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()


def reusing(ledger: Ledger):
    return [trial for trial in ledger.trials.values() if trial.prefix_of is not None]


def test_a_reused_prefix_has_equal_keys_and_is_trained_once(tmp_path):
    play = Play(make_study(search=REUSE), tmp_path)
    ledger = play.run()
    assert 12 <= len(reusing(ledger)) <= 18
    for trial in reusing(ledger):
        source = ledger.trials[trial.prefix_of.trial]
        assert trial.prefix_of.steps == 1
        assert trial.stage("draft").key == source.stage("draft").key
        assert trial.params["draft/x"] == source.params["draft/x"]
        assert trial.stage("draft").status == "reused"
        assert trial.stage("final").status == "done"
    drafts = {trial.stages[0].key for trial in ledger.trials.values() if len(trial.stages) == 2}
    assert play.stages.epochs_trained == 3 * len(drafts) + 3 * len(ledger.trials)


def test_at_least_a_quarter_of_the_searched_points_train_a_prefix_of_their_own(tmp_path):
    ledger = Play(make_study(search=REUSE), tmp_path, slots=3).run()
    searched = [trial for trial in ledger.trials.values() if trial.arm is None]
    fresh = {trial.stages[0].key for trial in searched if trial.prefix_of is None}
    assert len(fresh) >= 0.25 * len(searched)


def test_an_arm_that_lies_in_the_space_offers_its_prefix_and_one_outside_does_not(tmp_path):
    arms = {"inside": {"settings": {"draft/x": 4.0, "final/y": 1.0}}}
    play = Play(make_study(arms=arms, search=REUSE), tmp_path / "a")
    assert 0 in {trial.prefix_of.trial for trial in reusing(play.run())}
    arms = {"outside": {"settings": {"draft/x": 4.0, "draft/epochs": 5, "final/y": 1.0}}}
    play = Play(make_study(arms=arms, search=REUSE), tmp_path / "b")
    assert 0 not in {trial.prefix_of.trial for trial in reusing(play.run())}


def test_only_what_follows_is_sampled_from_the_spaces_own_distributions(tmp_path):
    ledger = Play(make_study(search=REUSE, arms={}), tmp_path).run()
    told = {name for trial in ledger.trials.values() for name in trial.distributions}
    assert told == {"draft/x", "final/y", "final/fancy", "final/strength"}
    for name in told:
        texts = {
            trial.distributions[name]
            for trial in ledger.trials.values()
            if name in trial.distributions
        }
        assert len(texts) == 1
    for trial in reusing(ledger):
        assert trial.params.keys() == distributions_from_json(trial.distributions).keys()
    suffixes = {trial.params["final/y"] for trial in reusing(ledger)}
    assert len(suffixes) == len(reusing(ledger))


def test_conditional_parameters_of_a_prefix_are_taken_over(tmp_path):
    study = make_study(
        space="twice",
        plan=["final", "final"],
        arms={},
        search=REUSE,
        objective={"metric": "final_2/val/error"},
    )
    ledger = Play(study, tmp_path).run()
    fancy = [trial for trial in reusing(ledger) if trial.params["final/fancy"]]
    assert fancy
    for trial in fancy:
        source = ledger.trials[trial.prefix_of.trial].params
        assert trial.params["final/strength"] == source["final/strength"]


def test_trial_seeds_of_a_point_share_its_origin_and_find_their_own_prefix(tmp_path):
    study = make_study(search={"trials": 8, "reuse": 1.0}, seeds={"trials": [3, 4]}, arms={})
    ledger = Play(study, tmp_path).run()
    assert {trial.seed for trial in reusing(ledger)} == {3, 4}
    for trial in reusing(ledger):
        assert trial.stage("draft").status == "reused"
    for first, second in zip(*[iter(ledger.trials.values())] * 2, strict=True):
        assert first.params == second.params
        assert first.prefix_of == second.prefix_of


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [30, 75, 110, 140])
def test_a_killed_driver_takes_over_the_same_prefixes(tmp_path, kill_at):
    study = make_study(search={"trials": 12, "reuse": 0.75})
    whole = Play(study, tmp_path / "a").run()
    journal = KillingJournal(tmp_path / "b" / "journal.jsonl", kill_at=kill_at)
    killed = Play(study, tmp_path / "b", journal=journal)
    with pytest.raises(Killed):
        killed.run()
    journal.close()
    again = Play(study, tmp_path / "b", stages=killed.stages).run()
    assert summary(again) == summary(whole)
    assert [t.prefix_of for t in again.trials.values()] == [
        t.prefix_of for t in whole.trials.values()
    ]


def test_prefixes_of_another_version_of_the_code_or_gone_from_the_store_are_not_taken(tmp_path):
    stages = FakeStages()
    Play(make_study(search={"trials": 6, "reuse": 1.0}), tmp_path, stages=stages).run()
    more = make_study(search={"trials": 9, "reuse": 1.0})
    ledger = Play(more, tmp_path, plan=partial(stages_of, code="v2"), stages=stages).run()
    origins = [ledger.trials[number].prefix_of for number in (8, 9, 10)]
    assert all(origin is None or origin.trial >= 8 for origin in origins)
    stages.committed.clear()
    most = make_study(search={"trials": 10, "reuse": 1.0})
    ledger = Play(most, tmp_path, plan=partial(stages_of, code="v2"), stages=stages).run()
    assert ledger.trials[11].prefix_of is None


def test_with_several_slots_the_prepared_suggestion_is_the_one_for_the_prefix(tmp_path):
    ledger = Play(make_study(search=REUSE), tmp_path, slots=3).run()
    assert reusing(ledger)
    for trial in reusing(ledger):
        source = ledger.trials[trial.prefix_of.trial]
        assert trial.stages[0].key == source.stages[0].key

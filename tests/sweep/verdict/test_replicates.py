"""Replicates in a running study: when they run, with which seeds, and what they change."""

import os

import pytest

from sweep.agenda import why_over
from sweep.continuation import changes
from sweep.journal import read_journal
from sweep.ledger import FIRST_REPLICATE, Ledger
from sweep.naming import trial_name
from sweep.study import Constraint, Study
from sweep.study_check import check_study
from sweep.trials import TrialState
from sweep.verdict.replicates import final_seeds, replication_of
from tests.sweep.engine_fakes import (
    FakeStages,
    Killed,
    KillingJournal,
    Play,
    assert_ended_once,
    make_study,
    summary,
)

FINAL = {"top_k": 2, "seeds": 3}


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Have folders for more than one study; durability is the journal's own test."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    for name in ("plain", "grown"):
        (tmp_path / name).mkdir()


def replicates(ledger):
    return [(trial_name(trial), trial.state) for trial in ledger.replicates.values()]


def test_the_best_points_and_the_arms_run_again_on_fresh_seeds_once_the_search_is_over(tmp_path):
    ledger = Play(make_study(final=FINAL), tmp_path, slots=2).run()
    found = sorted((t for t in ledger.searched()), key=lambda t: t.objective)
    best = [found[0].number, found[1].number]
    sources = {trial.replicate_of for trial in ledger.replicates.values()}
    assert sources == {0, 1, *best}
    assert {trial.seed for trial in ledger.replicates.values()} == {1000, 1001, 1002}
    assert len(ledger.replicates) == 4 * 3
    last_search_end = max(trial.ended_s for trial in ledger.trials.values())
    assert all(trial.created_s >= last_search_end for trial in ledger.replicates.values())
    assert_ended_once(read_journal(tmp_path / "journal.jsonl"))


def test_a_replicate_is_the_same_point_with_another_seed(tmp_path):
    ledger = Play(make_study(final=FINAL), tmp_path).run()
    for trial in ledger.replicates.values():
        source = ledger.trials[trial.replicate_of]
        assert (trial.params, trial.settings, trial.arm) == (
            source.params,
            source.settings,
            source.arm,
        )
        ours, theirs = {s.key for s in trial.stages}, {s.key for s in source.stages}
        assert not ours & theirs


def test_the_search_knows_nothing_of_them_and_goes_on_as_if_there_were_none(tmp_path):
    Play(make_study(final=FINAL), tmp_path).run()
    grown = Play(make_study(final=FINAL, search={"sampler": "tpe", "trials": 7}), tmp_path).run()
    plain = Play(make_study(search={"sampler": "tpe", "trials": 7}), tmp_path / "plain").run()
    assert summary_of_search(grown) == summary_of_search(plain)
    assert list(grown.replicates) == list(
        range(FIRST_REPLICATE, FIRST_REPLICATE + len(grown.replicates))
    )


def summary_of_search(ledger):
    return [row for row in summary(ledger) if row[0] < FIRST_REPLICATE]


def test_replicates_may_be_asked_for_when_the_search_is_long_over(tmp_path):
    Play(make_study(), tmp_path).run()
    ledger = Play(make_study(final=FINAL), tmp_path).run()
    assert len(ledger.replicates) == 12
    assert not changes(make_study().model_dump(mode="json"), make_study(final=FINAL))


def test_who_cannot_win_any_more_leaves_and_its_rounds_are_not_run(tmp_path):
    study = make_study(final={"top_k": 3, "seeds": 12})
    ledger = Play(study, tmp_path).run()
    race = replication_of(study, ledger).race
    assert race.ended_by is not None
    assert race.left
    assert len(ledger.replicates) < 5 * 12
    assert why_over(study, ledger, elapsed_s=0).endswith(
        f"({len(ledger.trials)} trials, {len(ledger.replicates)} replicates)"
    )


@pytest.mark.parametrize("kill_at", [45, 60, 75, 90])
def test_a_driver_killed_among_replicates_changes_nothing(tmp_path, kill_at):
    study, stages = make_study(final=FINAL), FakeStages()
    journal = KillingJournal(tmp_path / "journal.jsonl", kill_at=kill_at)
    with pytest.raises(Killed):
        Play(study, tmp_path, journal=journal, stages=stages).run()
    journal.close()
    again = Play(study, tmp_path, stages=stages).run()
    whole = Play(study, tmp_path / "plain").run()
    assert summary(again) == summary(whole)
    assert_ended_once(read_journal(tmp_path / "journal.jsonl"))


def test_a_replicate_is_never_stopped_early(tmp_path):
    rules = {"rule": "asha", "rungs": [0.34, 0.67], "keep": 0.3, "grace": 1}
    ledger = Play(make_study(final=FINAL, early_stop=rules), tmp_path).run()
    assert any(trial.state is TrialState.PRUNED for trial in ledger.searched())
    assert all(trial.state is TrialState.COMPLETE for trial in ledger.replicates.values())
    assert not any(trial.rungs for trial in ledger.replicates.values())


def test_a_target_ends_the_search_and_the_replicates_still_run(tmp_path):
    study = make_study(final=FINAL, budget={"target": 1e6}, search={"trials": 4})
    ledger = Play(study, tmp_path).run()
    assert len(ledger.searched()) < 4
    assert replication_of(study, ledger).race.ended_by is not None


def test_fresh_seeds_are_none_of_the_searchs():
    study = make_study(final={"top_k": 1, "seeds": 3}, seeds={"trials": [1001, 5]})
    assert final_seeds(study) == (1000, 1002, 1003)


ARMS_ALONE = {
    "name": "mine",
    "question": "Which?",
    "data": {"name": "rendered_hands"},
    "plan": ["finetune"],
    "arms": {"only": {}},
    "objective": {"metric": "finetune/val/root_epe_mm"},
}
SEARCHED = {**ARMS_ALONE, "search": {"sampler": "grid", "grid": {"finetune/epochs": [2, 3]}}}


def checked(content, **changes):
    return check_study(Study.model_validate({**content, **changes}))


@pytest.mark.parametrize(
    ("final", "said"),
    [
        ({"top_k": 2, "seeds": 5}, r"final/top_k: .* the study has no space"),
        ({"top_k": 2}, r"final/seeds: the best 2 are to run again, but it is not said on how many"),
        ({"seeds": 24}, r"final/top_k: 24 fresh seeds are given, but not how many"),
    ],
)
def test_what_cannot_be_replicated_is_refused(final, said):
    with pytest.raises(ValueError, match=said):
        checked(ARMS_ALONE, final=final)


def test_replicates_may_be_switched_off_beside_their_seeds():
    assert checked(ARMS_ALONE, final={"top_k": 0, "seeds": 24}).notices == ()


def test_that_few_seeds_tell_little_is_said():
    (notice,) = checked(SEARCHED, final={"top_k": 2, "seeds": 3}).notices
    assert notice.startswith("final/seeds: 3 fresh seeds can tell apart only what differs by")
    (notice,) = checked(SEARCHED, final={"top_k": 2, "seeds": 1}).notices
    assert notice.startswith("final/seeds: 1 fresh seed can tell apart nothing;")
    assert checked(SEARCHED, final={"top_k": 2, "seeds": 5}).notices == ()


def bounded(**bound):
    """Bound the epochs: the arm `no_draft` has 3, whoever trains both phases 6."""
    constraints = [{"metric": "cost/epochs", **bound}]
    return {"metric": "final/val/error", "constraints": constraints}


def test_an_arm_that_breaks_a_constraint_is_no_control(tmp_path):
    study = make_study(final=FINAL, objective=bounded(at_least=4))
    found = replication_of(study, Play(study, tmp_path).run())
    assert found.barred == ("arm no_draft",)
    assert found.missing == {}
    assert [entrant.name for entrant in found.race.entrants if entrant.is_control] == [
        "arm published"
    ]


@pytest.mark.parametrize(
    ("metric", "values", "barred"),
    [
        ("cost/epochs", (6.0, 6.0, 6.0), False),
        ("cost/epochs", (7.0, 6.0, 4.0), False),
        ("cost/epochs", (6.0, 6.0, 7.0), True),
        ("cost/slot_s", (7.0, 7.0, 7.0), False),
    ],
)
def test_who_breaks_a_constraint_by_its_mean_over_fresh_seeds_leaves(
    tmp_path, metric, values, barred
):
    study = make_study(final=FINAL, objective=bounded(at_most=1000))
    ledger = Play(study, tmp_path).run()
    for trial in ledger.everything():
        trial.others = {metric: 6.0}
    for trial in ledger.replicates.values():
        if trial.arm == "published":
            trial.others = {metric: values[trial.seed - 1000]}
    constraint = Constraint(metric=metric, at_most=6.0)
    objective = study.objective.model_copy(update={"constraints": [constraint]})
    found = replication_of(study.model_copy(update={"objective": objective}), ledger)
    left = found.race.left.get("arm published")
    assert (left is not None and left.barred) is barred


def test_replicates_survive_being_read_again(tmp_path):
    ledger = Play(make_study(final=FINAL), tmp_path).run()
    again = Ledger(read_journal(tmp_path / "journal.jsonl"))
    assert replicates(again) == replicates(ledger)

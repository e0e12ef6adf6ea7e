"""An ablation in a running study: what is trained, on which seeds, and after which deaths."""

import os

import pytest

from sweep.ablation.effects import WHOLE
from sweep.ablation.variants import ablation_of, ablation_seeds
from sweep.agenda import is_over, num_left, why_over
from sweep.continuation import changes
from sweep.journal import read_journal
from sweep.ledger import FIRST_REPLICATE, Ledger
from sweep.naming import trial_name
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

BLUR, NOISE = "compose/augment/blur", "compose/augment/noise"
NEAR, FAR, SHARP = "weigh/loss/near_weight", "weigh/loss/far_weight", "weigh/sharp"
EVERYTHING = {
    "compose/augment/blur/enabled": True,
    "compose/augment/noise/enabled": True,
    "weigh/loss/far_weight": 1.5,
    "weigh/sharp": True,
}


def study_of(**changed):
    """Return a study whose best is its arm, of which all but `turn` is on."""
    return make_study(
        **{
            "plan": ["compose", "weigh"],
            "space": "parts",
            "arms": {"all": {"settings": EVERYTHING}, "bare": {}},
            "objective": {"metric": "weigh/val/error"},
            "search": {"sampler": "random", "trials": 2},
            "ablation": {"seeds": 2},
            **changed,
        }
    )


@pytest.fixture(autouse=True)
def quick_journals(tmp_path, monkeypatch):
    """Durability is the journal's own test."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    (tmp_path / "whole").mkdir()


def variants(ledger):
    return [(trial.without, trial.seed) for trial in ledger.replicates.values()]


def test_the_winner_runs_again_as_it_is_and_without_each_part_on_the_same_fresh_seeds(tmp_path):
    study = study_of()
    ledger = Play(study, tmp_path, slots=2).run()
    ablation = ablation_of(study, ledger)
    assert ablation.source.arm == "all"
    singles = [(BLUR,), (NOISE,), (NEAR,), (FAR,), (SHARP,)]
    expected = [(names, seed) for seed in (2000, 2001) for names in ((), *singles)]
    assert variants(ledger) == expected
    assert all(trial.arm == "all" for trial in ledger.replicates.values())
    assert ablation.is_over
    assert_ended_once(read_journal(tmp_path / "journal.jsonl"))


def test_a_variant_differs_from_the_winner_in_what_is_switched_off_alone(tmp_path):
    study = study_of()
    ledger = Play(study, tmp_path).run()
    begun = ablation_of(study, ledger).begun
    whole = {stage.label: stage.config for stage in begun[WHOLE, 2000].stages}
    without = {stage.label: stage.config for stage in begun[(BLUR,), 2000].stages}
    assert without["weigh"] == whole["weigh"]
    assert whole["compose"]["augment"]["blur"]["enabled"]
    whole["compose"]["augment"]["blur"]["enabled"] = False
    assert without["compose"] == whole["compose"]
    assert begun[(FAR,), 2000].changed == {FAR: 0.0}


def test_late_parts_reuse_what_the_winner_trained_before_them(tmp_path):
    study = study_of()
    ledger = Play(study, tmp_path).run()
    begun = ablation_of(study, ledger).begun
    for names in ((NEAR,), (FAR,), (SHARP,)):
        assert begun[names, 2001].stage("compose").status == "reused"
    assert begun[(BLUR,), 2001].stage("compose").status == "done"


def test_pairs_of_the_strongest_follow_once_every_part_is_known(tmp_path):
    study = study_of(ablation={"seeds": 2, "interactions": 3})
    ledger = Play(study, tmp_path, slots=3).run()
    ablation = ablation_of(study, ledger)
    assert ablation.pairs == ((NEAR, SHARP), (FAR, SHARP))  # the two weights cannot both be 0
    last = variants(ledger)[-4:]
    assert last == [(pair, seed) for seed in (2000, 2001) for pair in ablation.pairs]
    assert not ablation.plan.left_out
    assert [effect.names for effect in ablation.interactions] == list(ablation.pairs)


def test_the_only_term_of_a_loss_is_left_out_and_said_to_be(tmp_path):
    settings = {**EVERYTHING, "weigh/loss/near_weight": 5.0, "weigh/loss/far_weight": 0.0}
    study = study_of(arms={"all": {"settings": settings}})
    ledger = Play(study, tmp_path).run()
    plan = ablation_of(study, ledger).plan
    assert "near_weight or far_weight must be positive" in plan.left_out[NEAR]
    assert NEAR not in {factor.name for factor in plan.factors}


def test_with_a_verdict_it_is_of_the_verdicts_winner_and_on_other_seeds(tmp_path):
    study = study_of(final={"top_k": 1, "seeds": 2})
    ledger = Play(study, tmp_path).run()
    ablation = ablation_of(study, ledger)
    verdict = [trial for trial in ledger.replicates.values() if trial.without is None]
    assert {trial.seed for trial in verdict} == {1000, 1001}
    assert {trial.seed for trial in ledger.replicates.values()} == {1000, 1001, 2000, 2001}
    numbers = list(ledger.replicates)
    assert numbers == list(range(FIRST_REPLICATE, FIRST_REPLICATE + len(numbers)))
    assert max(trial.number for trial in verdict) < min(t.number for t in ablation.begun.values())


def test_a_searched_point_is_ablated_by_its_own_settings(tmp_path):
    study = study_of(arms={}, search={"sampler": "random", "trials": 6})
    ledger = Play(study, tmp_path).run()
    ablation = ablation_of(study, ledger)
    assert ablation.source.arm is None
    for (names, _), trial in ablation.begun.items():
        for name in names:
            assert not any(path.startswith(f"{name}/strength") for path in trial.params)
        assert trial.settings == {**ablation.source.settings, **trial.changed}


def test_it_may_be_asked_for_when_the_study_is_long_over(tmp_path):
    without = study_of(ablation={})
    Play(without, tmp_path).run()
    ledger = Ledger(read_journal(tmp_path / "journal.jsonl"))
    assert not is_over(study_of(), ledger, elapsed_s=0)
    assert not changes(without.model_dump(mode="json"), study_of())
    ledger = Play(study_of(), tmp_path).run()
    assert len(ledger.replicates) == 12
    reason = why_over(study_of(), ledger, elapsed_s=0)
    assert reason.endswith("(4 trials, 12 trainings of the ablation)")


def test_more_seeds_and_pairs_may_be_asked_for_later(tmp_path):
    Play(study_of(), tmp_path).run()
    more = study_of(ablation={"seeds": 3, "interactions": 3})
    ledger = Play(more, tmp_path).run()
    ablation = ablation_of(more, ledger)
    assert ablation.is_over
    assert len(ledger.replicates) == 3 * (1 + 5 + 2)
    assert len(ledger.ablations) == 1


def test_another_winner_has_an_ablation_of_its_own(tmp_path):
    Play(study_of(), tmp_path).run()
    better = {"settings": {"weigh/loss/near_weight": 9.0, "compose/augment/turn/enabled": True}}
    study = study_of(arms={"all": {"settings": EVERYTHING}, "bare": {}, "better": better})
    ledger = Play(study, tmp_path).run()
    ablation = ablation_of(study, ledger)
    assert ablation.source.arm == "better"
    assert {names for names, _ in ablation.begun} == {(), ("compose/augment/turn",)}
    assert len(ledger.ablations) == 2


def test_the_search_knows_nothing_of_it(tmp_path):
    longer = {"sampler": "tpe", "trials": 5}
    Play(study_of(), tmp_path).run()
    grown = Play(study_of(search=longer), tmp_path).run()
    plain = Play(study_of(search=longer, ablation={}), tmp_path / "whole").run()
    ours = [row for row in summary(grown) if row[0] < FIRST_REPLICATE]
    assert ours[2:] != []
    assert [row[3] for row in ours[4:]] == [row[3] for row in summary(plain)[4:]]


@pytest.mark.parametrize(("slots", "step"), [(1, 1), (3, 4)])
def test_a_driver_killed_at_any_record_changes_nothing(tmp_path, slots, step):
    arms, ablation = {"all": {"settings": EVERYTHING}}, {"seeds": 1, "interactions": 3}
    study = study_of(arms=arms, ablation=ablation, search={"trials": 1})
    journal = KillingJournal(tmp_path / "whole" / "journal.jsonl")
    play = Play(study, tmp_path / "whole", slots=slots, journal=journal)
    begins: list[int] = []
    play.book.listen(lambda record, _: _note(record, "ablation", journal.appends, begins))
    whole = play.run()
    for kill_at in range(begins[0] - 1, journal.appends, step):
        folder = tmp_path / f"killed-{kill_at}"
        folder.mkdir()
        stages = FakeStages()
        path, is_written = folder / "journal.jsonl", kill_at % 2 > 0
        dying = KillingJournal(path, kill_at=kill_at, written=is_written)
        with pytest.raises(Killed):
            Play(study, folder, journal=dying, stages=stages, slots=slots).run()
        dying.close()
        again = Play(study, folder, stages=stages, slots=slots).run()
        assert sorted(variants(again)) == sorted(variants(whole))
        assert values_of(study, again) == values_of(study, whole)
        assert len(again.ablations) == 1
        assert_ended_once(read_journal(path))


def _note(record, kind, at, noted):
    if record["kind"] == kind:
        noted.append(at)


def values_of(study, ledger):
    ablation = ablation_of(study, ledger)
    assert ablation.is_over
    return ablation.values, ablation.pairs


def test_code_that_changed_in_between_starts_variants_anew_without_the_same_parts(tmp_path):
    study, stages = study_of(), FakeStages()
    play = Play(study, tmp_path, stages=stages).open()
    while not play.ledger.replicates or len(play.ledger.replicates) < 2:
        play.hand_out()
        for number in list(play.training):
            play.step(number)
    play.hand_out()
    play.conductor.interrupt()
    play.conductor.close()
    play.journal.close()
    changed = Play(
        study, tmp_path, stages=stages, plan=lambda point, seed: stages_of(point, seed, code="v2")
    ).run()
    begun = ablation_of(study, changed).begun
    assert begun[(BLUR,), 2000].changed == {f"{BLUR}/enabled": False}
    assert not begun[(BLUR,), 2000].stage("compose").config["augment"]["blur"]["enabled"]
    assert ablation_of(study, changed).is_over


def test_what_is_left_is_known_once_the_winner_is(tmp_path):
    study = study_of(ablation={"seeds": 2, "interactions": 2})
    play = Play(study, tmp_path).open()
    assert num_left(study, play.ledger) == 4 + 2
    while not play.ledger.replicates:
        play.hand_out()
        for number in list(play.training):
            play.step(number)
    assert num_left(study, play.ledger) == 2 * (1 + 5 + 1)


def test_variants_have_names_that_say_what_is_off(tmp_path):
    ledger = Play(study_of(ablation={"seeds": 1, "interactions": 3}), tmp_path).run()
    names = [trial_name(trial) for trial in ledger.replicates.values()]
    assert names[0] == "ablation of arm all, seed 2000"
    assert names[1] == "arm all without blur, seed 2000"
    assert names[-1] == "arm all without far and sharp, seed 2000"


def test_fresh_seeds_are_none_of_the_searchs():
    assert ablation_seeds(study_of(seeds={"trials": [2000]}, ablation={"seeds": 2})) == (2001, 2002)

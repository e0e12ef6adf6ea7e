"""How a report says that its answer was come to."""

import os

import pytest

from hpe.phases.catalog import PHASES
from sweep.ledger import Ledger
from sweep.report.method import AS_THE_STUDY, method_of
from sweep.report.result import result_of
from sweep.report.writing import write_report
from sweep.samplers import SAMPLERS
from sweep.study import Study
from tests.sweep import engine_phases
from tests.sweep.engine_fakes import Play, make_study


def method(ledger: Ledger, study: Study, *, phases=PHASES):
    result = result_of(ledger, study, epochs_of=lambda stage: stage.epochs)
    return method_of(result, ledger, phases)


def recorded(records, **configs):
    """Return ledger and study, with the settings that real phases have in place of the script's."""
    for record in records:
        for stage in record.get("stages", ()):
            changes = configs.get(stage["label"], {})
            config = PHASES[stage["phase"]].config.model_validate(changes)
            stage["config"] = config.model_dump(mode="json")
    ledger = Ledger(records)
    return ledger, Study.model_validate(ledger.study)


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Return what plays a study to its end."""
    monkeypatch.setattr(os, "fsync", lambda file: None)

    def play(**changes):
        study = make_study(**changes)
        return method(Play(study, tmp_path).run(), study, phases=engine_phases.PHASES)

    return play


def test_a_search_is_told_with_its_sampler_its_rungs_and_who_went_on(played):
    told = played(
        search={"sampler": "random", "trials": 4, "reuse": 0.25},
        early_stop={"rule": "asha", "rungs": [0.34, 0.67], "keep": 0.5},
        final={"top_k": 2, "seeds": 3},
    )
    text = " ".join(told.paragraphs)
    assert text.startswith("4 points of the space both were chosen by chance, and ran with trial")
    assert "With probability 0.25 a new point took over a finished first part of an earlier" in text
    assert "At 0.34 and 0.67 of the epochs points went on that were among the better 50 %" in text
    assert "compared by the objective; arms were never stopped." in text
    controls = "the controls (arm published, arm no_draft)"
    assert f"and {controls} were trained again on up to 3 fresh seeds (1000 to 1002)" in text
    assert "(trial 0" not in text, "arms are no finalists"


def test_arms_alone_are_told_as_no_search(played):
    told = played(search={"trials": 0}, space=None, seeds={"trials": [3, 4]})
    assert told.paragraphs[0] == "Nothing is searched: there are the arms, with trial seeds 3, 4."
    assert not told.searched
    assert dict(told.arms) == {
        "published": "draft/x 4, final/y 2",
        "no_draft": "plan final, final/y 3",
    }


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"rule": "none"}, "None was stopped early."),
        (
            {"rule": "median"},
            "stopped that were worse than the median of those before them",
        ),
        ({"rule": "sync", "cohort": 2}, "of each 2 points the better 50 % went on"),
        (
            {"rule": "asha", "promote": True},
            "successive halving, those that wait being paused)",
        ),
        ({"rule": "asha", "proxy": True}, "in phases that do not report it by their proxy"),
    ],
)
def test_every_rule_has_words(played, rule, words):
    assert words in " ".join(played(early_stop=rule).paragraphs)


def test_what_was_searched_comes_with_its_ranges_and_the_best_values(played):
    told = {one.path: one for one in played().searched}
    assert told["draft/x"].range == "0 .. 10"
    assert told["final/fancy"].range == "true | false"
    assert told["final/strength"].range == "0.1 .. 1, log"
    assert float(told["draft/x"].best) >= 0


def test_an_operation_and_its_strengths_are_one_line(journal_script):
    script = journal_script()
    on = {"pretrain/augment/rotate/enabled": True, "pretrain/augment/rotate/max_deg": 45.0}
    script.trial(0, params=on, error_mm=40.0)
    script.trial(1, params={"pretrain/augment/rotate/enabled": False}, error_mm=50.0)
    switch = '{"name": "CategoricalDistribution", "attributes": {"choices": [true, false]}}'
    number = (
        '{"name": "FloatDistribution", "attributes": {"step": null, "low": 10.0, "high": 180.0, '
        '"log": false}}'
    )
    for record in script.records:
        if record["kind"] == "trial":
            path = "pretrain/augment/rotate"
            record["distributions"] = {f"{path}/enabled": switch, f"{path}/max_deg": number}
    (row,) = method(*recorded(script.records)).searched
    assert (row.path, row.range, row.best) == (
        "pretrain/augment/rotate",
        "off, or max_deg 10 .. 180",
        "max_deg 45",
    )


def test_the_steps_say_network_start_size_and_labels(searched_records):
    ledger, study = recorded(
        searched_records,
        pretrain={"image_px": 48, "batch_size": 128},
        finetune={"image_px": 48, "train_encoder": False, "label_fraction": 0.3},
    )
    pretrain, finetune = method(ledger, study).steps
    assert "48 px, encoder small_resnet (random weights)" in pretrain.words
    assert "batches of 128" in pretrain.words
    assert "encoder small_resnet (from pretrain, frozen), 30 % of the labels" in finetune.words
    assert "adamw at 0.001" in finetune.words
    assert "adamw" not in pretrain.words, "the search chose it"


def test_settings_that_were_searched_or_are_off_are_not_among_the_fixed(searched_records):
    ledger, study = recorded(
        searched_records,
        pretrain={"augment": {"blur": {"enabled": True}, "noise": {"enabled": False}}},
    )
    pretrain, _ = method(ledger, study).steps
    fixed = dict(pretrain.settings)
    assert fixed["augment/blur/max_sigma"] == "2"
    assert not [path for path in fixed if path.startswith(("augment/noise/", "relative/"))]
    assert "loss/temperature" not in fixed
    assert "optimizer/name" not in fixed


@pytest.mark.parametrize(
    ("scored", "words"),
    [(False, "test was not looked at"), (True, "test was scored too, and decided nothing")],
)
def test_the_score_is_defined_and_its_split_told(searched_records, scored, words):
    ledger, study = recorded(searched_records, finetune={"score_test": scored})
    text = " ".join(method(ledger, study).paragraphs)
    assert "Val root EPE: wrists at the origin, the wrist's 0 counted;" in text
    assert f"Everything was chosen on the split val; {words}." in text


def test_given_weights_are_where_an_encoder_comes_from(searched_records):
    ledger, study = recorded(searched_records)
    for trial in ledger.trials.values():
        trial.stages[:] = [stage for stage in trial.stages if stage.label == "finetune"]
    study = study.model_copy(update={"from_weights": {"pretrain": "weights.pt"}})
    (finetune,) = method(ledger, study).steps
    assert "encoder small_resnet (from given weights)" in finetune.words


def test_what_differs_between_points_without_being_a_parameter_is_not_fixed(searched_records):
    ledger, study = recorded(searched_records)
    for trial in ledger.searched():
        trial.stages[0].config["batch_size"] = 64 * (trial.number + 1)
    pretrain, _ = method(ledger, study).steps
    assert "batches of" not in pretrain.words
    assert "batch_size" not in dict(pretrain.settings)


def test_an_arm_that_leads_says_what_it_has_instead_of_parameters(journal_script):
    script = journal_script()
    script.trial(0, arm="no_pretraining", plan=("finetune",), error_mm=30.0)
    script.trial(1, params={"pretrain/loss/temperature": 0.5}, error_mm=50.0)
    number = (
        '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.1, "high": 1.0, '
        '"log": true}}'
    )
    for record in script.records:
        if record["kind"] == "trial" and record["params"]:
            record["distributions"] = {"pretrain/loss/temperature": number}
    (row,) = method(*recorded(script.records)).searched
    assert row.best == "not in its plan"


def test_choosing_on_the_test_split_is_said(searched_records):
    ledger, study = recorded(searched_records, finetune={"score_test": True})
    objective = study.objective.model_copy(update={"metric": "finetune/test/root_epe_mm"})
    study = study.model_copy(update={"objective": objective})
    text = " ".join(method(ledger, study).paragraphs)
    assert "Choices were made on the split test itself" in text


def test_an_arm_without_settings_is_as_the_study_sets_it(searched_records):
    told = method(*recorded(searched_records))
    assert dict(told.arms) == {"no_pretraining": "plan finetune", "peclr": AS_THE_STUDY}


def test_every_sampler_has_words():
    assert all(kind.words for kind in SAMPLERS.values())


def test_the_page_tells_it(searched_records, tmp_path):
    ledger, study = recorded(searched_records)
    page = write_report(ledger, study, tmp_path / "report").page.read_text()
    assert '<section id="method">' in page
    assert "8 points of the space composition were chosen by a tree-structured Parzen" in page
    assert "settings of pretrain that were not searched" in page
    assert "<td>no_pretraining</td><td>plan finetune</td>" in page

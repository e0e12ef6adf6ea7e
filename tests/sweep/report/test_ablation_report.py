"""How an ablation is told: in sentences, as figures and as tables."""

import csv
import os
import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sweep.report.ablation import ablation_sentence, ablation_table
from sweep.report.result import result_of
from sweep.report.screen import result_view
from sweep.report.writing import write_report
from sweep.study import Study
from sweep.trials import TrialState
from tests.sweep.engine_fakes import Play, make_study
from tests.sweep.engine_phases import PHASES

STUDY = make_study(
    plan=["compose", "weigh"],
    space="parts",
    arms={
        "all": {
            "settings": {
                "compose/augment/blur/enabled": True,
                "compose/augment/noise/enabled": True,
                "weigh/loss/far_weight": 1.5,
                "weigh/sharp": True,
            }
        }
    },
    objective={"metric": "weigh/val/error_mm"},
    search={"sampler": "random", "trials": 1},
    ablation={"seeds": 3, "interactions": 2},
)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """Play a study whose ablation is done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        fields = STUDY.model_dump(mode="json")
        fields["objective"]["metric"] = "weigh/val/error"
        fields["ablation"]["interactions"] = 5  # all pairs are there, whichever are strongest
        study = Study.model_validate(fields)
        return Play(study, tmp_path_factory.mktemp("play")).run()


def result_with(ledger, worths):
    """Give its trainings objectives that vary and are worse by these without some parts."""
    rng = random.Random(0)
    for trial in ledger.replicates.values():
        lost = sum(worths.get(name.rpartition("/")[2], 0.0) for name in trial.without)
        trial.objective, trial.state = 10.0 + lost + rng.gauss(0, 0.2), TrialState.COMPLETE
    return told_of(ledger)


def test_parts_of_one_short_name_are_told_by_their_whole_paths(ledger):
    found = result_with(ledger, {"blur": 3.0, "noise": 5.0}).ablation
    twin = {"compose/augment/noise": "weigh/augment/blur"}

    def renamed(names):
        return tuple(twin.get(name, name) for name in names)

    found = SimpleNamespace(
        source=found.source,
        singles=[renamed(names) for names in found.singles],
        effects=[replace(effect, names=renamed(effect.names)) for effect in found.effects],
    )
    sentence = ablation_sentence(found, STUDY)
    assert "without compose/augment/blur it is worse by" in sentence
    assert "without weigh/augment/blur it is worse by" in sentence


def told_of(ledger):
    return result_of(ledger, STUDY, epochs_of=lambda stage: stage.epochs)


@pytest.fixture
def told(ledger):
    return result_with(ledger, {"blur": 3.0, "noise": -2.0})


def test_it_says_without_which_parts_the_winner_is_worse_and_better(told):
    sentence = ablation_sentence(told.ablation, STUDY)
    worse, better = (abs(effect.mean) for effect in told.ablation.effects[:2])
    assert sentence == (
        f"Of arm all: without blur it is worse by {worse:.2f} mm; without noise it is better by "
        f"{better:.2f} mm. 3 parts of arm all are not separated from nothing."
    )


def test_where_nothing_is_separated_it_says_that(ledger):
    sentence = ablation_sentence(result_with(ledger, {}).ablation, STUDY)
    assert sentence == (
        "No part of arm all can be said to matter: 5 parts of arm all are not separated from "
        "nothing."
    )


def test_a_row_says_worth_interval_seeds_and_verdict(told):
    rows = {row[0]: row for row in ablation_table(told.ablation, STUDY).rows}
    assert list(rows)[:2] == ["blur", "noise"]
    assert rows["blur"][1].startswith(("+2.", "+3."))
    assert rows["blur"][1].endswith(" mm")
    assert (rows["blur"][3], rows["blur"][4]) == (3, "matters")
    assert rows["noise"][4] == "does harm"
    assert rows["sharp"][4] == "not separated"


def test_what_could_not_be_trained_without_it_says_so(told, ledger):
    for trial in ledger.replicates.values():
        if trial.without == ("weigh/sharp",):
            trial.state, trial.objective = TrialState.FAIL, None
    rows = {row[0]: row for row in ablation_table(told_of(ledger).ablation, STUDY).rows}
    assert rows["sharp"][1:] == ("", "", 0, "failed without it")


def test_page_screen_and_files_show_it(told, ledger, tmp_path):
    report = write_report(ledger, STUDY, tmp_path / "report", phases=PHASES)
    page = report.page.read_text()
    assert "What the parts of arm all are worth" in page
    assert "<td>blur</td>" in page
    assert "Pairs of its strongest parts" in page
    assert "<td>blur and noise</td>" in page
    assert ablation_sentence(told.ablation, STUDY) in str(
        [getattr(part, "plain", "") for part in result_view(report.result).renderables]
    )
    for name in ("ablation", "ablation_pairs"):
        assert (tmp_path / "report" / f"{name}.png").stat().st_size > 5000
    with (tmp_path / "report" / "ablation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["path"] == "compose/augment/blur"
    assert float(rows[0]["low"]) < float(rows[0]["worth"]) < float(rows[0]["high"])
    with (tmp_path / "report" / "replicates.csv").open(newline="") as file:
        runs = list(csv.DictReader(file))
    assert len(runs) == len(ledger.replicates)
    assert "compose/augment/blur, compose/augment/noise" in {row["without"] for row in runs}

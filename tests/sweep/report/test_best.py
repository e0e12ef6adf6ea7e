"""The best configuration as a study that can be run."""

import pytest

from sweep.ledger import Ledger
from sweep.report.best import best_study, write_best
from sweep.study import Study
from sweep.study_file import load_study


@pytest.fixture
def ledger(searched_records):
    return Ledger(searched_records)


def test_the_file_is_a_study_that_trains_one_arm(ledger, tmp_path):
    study = Study.model_validate(ledger.study)
    trial = ledger.trials[6]
    write_best(study, trial, tmp_path / "best.yaml", seeds=[0], command="python sweep/run.py best")
    loaded = load_study(str(tmp_path / "best.yaml"))
    assert loaded == best_study(study, trial, seeds=[0])
    assert loaded.name == "toy-best"
    assert loaded.search.trials == 0
    assert loaded.plan == ["pretrain", "finetune"]
    assert loaded.arms["best"].settings == dict(trial.settings)
    assert loaded.objective == study.objective
    assert loaded.data == study.data


def test_the_file_says_how_to_run_it(ledger, tmp_path):
    study = Study.model_validate(ledger.study)
    path = tmp_path / "best.yaml"
    write_best(study, ledger.trials[6], path, seeds=[0], command="python sweep/run.py best.yaml")
    assert "python sweep/run.py best.yaml" in path.read_text().splitlines()[1]


def test_an_arm_with_a_plan_of_its_own_keeps_it(ledger):
    best = best_study(Study.model_validate(ledger.study), ledger.trials[0], seeds=[0, 1])
    assert best.plan == ["finetune"]
    assert best.seeds.trials == [0, 1]


def test_a_long_name_stays_a_valid_one(ledger):
    study = Study.model_validate({**ledger.study, "name": "x" * 64})
    assert best_study(study, ledger.trials[6], seeds=[0]).name == "x" * 59 + "-best"


def test_a_list_that_comes_twice_is_written_twice(ledger, tmp_path):
    shared = [0.1, 0.2]
    trial = ledger.trials[6]
    trial.settings = {"pretrain/a": shared, "pretrain/b": shared}
    study = Study.model_validate(ledger.study)
    write_best(study, trial, tmp_path / "best.yaml", seeds=[0], command="")
    loaded = load_study(str(tmp_path / "best.yaml"))
    assert loaded.arms["best"].settings == {"pretrain/a": shared, "pretrain/b": shared}

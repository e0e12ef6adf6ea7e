"""Sentences and lines that page and screen share."""

import pytest

from sweep.ledger import Ledger
from sweep.report.words import what_it_has
from sweep.study import Arm
from tests.sweep.engine_fakes import make_study

ARMS = {
    "random": Arm(settings={"draft/augment/control": "rand_augment", "draft/loss/weight": 1.0}),
    "published": Arm(baseline="peclr"),
    "alone": Arm(plan=["final"]),
    "plain": Arm(),
}


@pytest.mark.parametrize(
    ("arm", "params", "told"),
    [
        (None, {"draft/x": 2.0}, "x 2"),
        ("random", {"draft/x": 2.0}, "control rand_augment, weight 1, x 2"),
        ("random", {"draft/loss/weight": 1.0}, "control rand_augment, weight 1"),
        ("published", {"draft/x": 2.0}, "published setting peclr, x 2"),
        ("alone", {}, "plan final"),
        ("plain", {}, ""),
    ],
)
def test_an_arm_is_told_by_what_the_study_says_of_it_and_by_what_is_searched(
    arm, params, told, journal_script
):
    script = journal_script()
    script.trial(0, state="COMPLETE", error_mm=1.0)
    trial = Ledger(script.records).trials[0]
    trial.arm, trial.params = arm, params
    study = make_study().model_copy(update={"arms": ARMS})
    assert what_it_has(trial, study) == told

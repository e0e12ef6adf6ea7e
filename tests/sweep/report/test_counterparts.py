"""Whom the best trial is shown beside, and the figures that come of it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hpe.viz.sheet import Sheet
from sweep.candidates import Candidate
from sweep.report.counterparts import control_of, worst_of
from sweep.report.pictures import augments_alike, compositions, predictions
from sweep.trials import StageEntry, Trial, TrialState
from trainables.manifest import CorruptStage


def trial(number, *, arm=None, seed=0, state=TrialState.COMPLETE, shade=0):
    stage = StageEntry("fit", f"key{number}", "fit", 1, {"shade": shade}, seed)
    return Trial(number, arm, seed, {}, {}, {}, [stage], 0.0, state=state)


def candidate(*trials):
    first = trials[0]
    name = f"trial {first.number}" if first.arm is None else f"arm {first.arm}"
    return Candidate(name, first.arm, trials, {t.seed: 1.0 for t in trials})


def result(best, arms, *, leads=None, rows=()):
    verdict = None if leads is None else SimpleNamespace(leads=leads)
    rows = [SimpleNamespace(trial=each) for each in rows]
    return SimpleNamespace(best=best, arms=arms, verdict=verdict, rows=rows)


STRONG = candidate(trial(1, arm="strong"), trial(2, arm="strong", seed=1))
WEAK = candidate(trial(3, arm="weak"), trial(4, arm="weak", seed=1))


def test_a_searched_point_is_measured_by_the_best_arm_with_its_own_seed():
    assert control_of(result(trial(9, seed=1), [STRONG, WEAK])).number == 2
    assert control_of(result(trial(9, seed=7), [STRONG, WEAK])).number == 1


def test_the_verdict_knows_better_which_control_counts():
    leads = [SimpleNamespace(control="arm weak"), SimpleNamespace(control="arm strong")]
    assert control_of(result(trial(9), [STRONG, WEAK], leads=leads)).number == 3
    assert control_of(result(trial(9), [STRONG, WEAK], leads=[])).number == 1


def test_an_arm_is_shown_beside_the_last_of_the_others():
    assert control_of(result(STRONG.trials[0], [STRONG, WEAK])).number == 3
    assert control_of(result(STRONG.trials[0], [STRONG])) is None
    assert control_of(result(None, [STRONG])) is None


def test_the_worst_is_one_that_completed():
    best, bad, stopped = trial(0), trial(1), trial(2, state=TrialState.PRUNED)
    assert worst_of(result(best, [], rows=[best, bad, stopped]), lambda _: True) is bad
    assert worst_of(result(best, [], rows=[best, stopped]), lambda _: True) is None


def test_the_worst_is_one_that_augments_in_the_same_step():
    best, bad, other = trial(0), trial(1), trial(2)
    other.stages[0] = replace(other.stages[0], label="fit_2")
    drawn = {"fit": SimpleNamespace(show_views=lambda config, data: None)}
    found = worst_of(
        result(best, [], rows=[best, bad, other]), lambda t: augments_alike(best, t, drawn)
    )
    assert found is bad
    plain = {"fit": SimpleNamespace(show_views=None)}
    assert not augments_alike(best, bad, plain)


def sheet(shade):
    return Sheet(np.full((4, 4, 3), shade, np.uint8), "", ("n",), [(shade,)])


PHASES = {
    "fit": SimpleNamespace(
        config=SimpleNamespace(model_validate=lambda config: config),
        show_views=lambda config, _data: sheet(config["shade"]),
        draw=sheet,
    )
}


class Store:
    def __init__(self, **kept):
        self.kept = kept

    def artifacts(self, key):
        found = self.kept[key]
        if isinstance(found, Exception):
            raise found
        return SimpleNamespace(tensors={"predictions": found})


def test_the_worst_composition_stands_beside_the_best_unless_it_is_the_same():
    found = compositions(trial(0), trial(1, shade=5), data=None, phases=PHASES)
    assert [(chart.name, chart.rows) for chart in found.both()] == [
        ("composition", ((0,),)),
        ("composition_worst", ((5,),)),
    ]
    assert compositions(trial(0), trial(1), data=None, phases=PHASES).beside is None
    assert compositions(trial(0), None, data=None, phases=PHASES).beside is None


def test_what_the_control_predicts_stands_beside_what_the_best_predicts():
    store = Store(key0=1, key1=2)
    found = predictions(trial(0), trial(1, arm="peclr"), store=store, phases=PHASES)
    assert found.both()[1].title == "What arm peclr predicts"
    assert [chart.rows for chart in found.both()] == [((1,),), ((2,),)]


@pytest.mark.parametrize("fault", [FileNotFoundError(), CorruptStage("torn")])
def test_a_control_that_left_nothing_is_left_out_and_a_best_trial_that_did_is_said(fault):
    store = Store(key0=1, key1=fault)
    assert predictions(trial(0), trial(1), store=store, phases=PHASES).beside is None
    with pytest.raises(type(fault)):
        predictions(trial(1), trial(0), store=store, phases=PHASES)

"""What is compared at a rung: what was trained, once each, however many trials go on from it."""

import pytest

from sweep.ledger import Ledger
from sweep.promotion import Promotions
from sweep.rungs import RungJudge, values_at
from sweep.trials import CONTINUE, PAUSE, STOP, Epoch, RungEntry, StageEntry, Trial, TrialState
from tests.sweep.engine_fakes import make_study
from tests.sweep.engine_phases import PHASES
from trainables.plans import parse_plan

PLAN = parse_plan(["draft", "final"], PHASES)


def trial(number, key, value, *, decision=CONTINUE, state=TrialState.RUNNING):
    """Return a searched trial whose last stage has this key, and reached this at the first rung."""
    stages = [
        StageEntry("draft", f"{key}-draft", "draft", 4, {}, 0, status="done"),
        StageEntry("final", key, "final", 4, {}, 0, status="running"),
    ]
    found = Trial(number, None, 0, {}, {}, {}, stages, created_s=0.0, state=state)
    found.rungs.append(RungEntry("final", 1, 2, value, decision))
    return found


def ledger_of(*trials):
    ledger = Ledger([])
    for trial in trials:
        ledger.enter(trial)
    return ledger


def decision_on(value, key, *others, **rules):
    """Return what the study's rule says of a trial that comes to the rung after these."""
    early_stop = {"rule": "asha", "rungs": [0.5], "keep": 0.5, "grace": 1, **rules}
    new = trial(len(others), key, value)
    new.rungs.clear()
    new.stage("final").epochs.append(Epoch(2, {"val/error": value}, time_s=0.0))
    (record,) = RungJudge(make_study(early_stop=early_stop), PLAN).due(new, ledger_of(*others, new))
    assert (record["rung"], record["value"]) == (1, value)
    return record["decision"]


def test_trials_that_share_a_stage_count_once():
    trials = [trial(0, "a", 3.0), trial(1, "b", 2.0), trial(2, "a", 3.0)]
    assert values_at(1, trials) == {"a": 3.0, "b": 2.0}


@pytest.mark.parametrize("rule", ["asha", "median"])
def test_a_good_stage_that_many_trials_took_over_stops_no_other(rule):
    once = [trial(0, "best", 1.0), trial(1, "weak", 9.0), trial(2, "weaker", 9.5)]
    copies = [trial(number, "best", 1.0) for number in range(3, 9)]
    assert decision_on(2.0, "second", *once, rule=rule) == CONTINUE
    assert decision_on(2.0, "second", *once, *copies, rule=rule) == CONTINUE
    assert decision_on(9.2, "third", *once, *copies, rule=rule) == STOP


def test_a_stage_is_not_compared_with_itself():
    assert (
        decision_on(5.0, "same", *[trial(number, "same", 5.0) for number in range(3)]) == CONTINUE
    )


def test_of_trials_that_share_a_promoted_stage_every_one_goes_on():
    early_stop = {"rule": "asha", "promote": True, "rungs": [0.5], "keep": 0.5}
    promotions = Promotions(make_study(early_stop=early_stop), PLAN)
    first = trial(0, "best", 1.0, decision=PAUSE)
    first.rungs[-1].promoted = True
    ledger = ledger_of(
        first, trial(1, "weak", 9.0, decision=PAUSE), trial(2, "best", 1.0, decision=PAUSE)
    )
    chosen = promotions.next_one(ledger)
    assert chosen is not None
    assert chosen.number == 2

"""The conductor as Tune's scheduler."""

from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler
from ray.tune.utils import flatten_dict

from sweep.scheduler import InterruptStopper, StudyScheduler

TRIAL = SimpleNamespace(config={"trial": 3, "attempt": 2})
REPORT = {"event": "epoch", "metrics": {"val/x": 1.0}, "seq": 1}


class Conductor:
    """Decides as told."""

    def __init__(self, stop=False, error=None):
        self.stop, self.error = stop, error
        self.reports, self.lost = [], []
        self.interrupted = False

    def on_reports(self, number, attempt, reports):
        if self.error is not None:
            raise self.error
        self.reports.append((number, attempt, reports))
        return self.stop

    def on_lost(self, number, attempt, message):
        self.lost.append((number, attempt, message))


def result(*reports, ended=False):
    """Return a step's result as Tune passes it on."""
    return flatten_dict({"reports": list(reports), "ended": ended, "trial_id": "abc"})


def decide(conductor, given):
    return StudyScheduler(conductor).on_trial_result(None, TRIAL, given)


def test_reports_reach_the_conductor_as_the_slot_made_them():
    conductor = Conductor()
    assert decide(conductor, result(REPORT)) == TrialScheduler.CONTINUE
    assert conductor.reports == [(3, 2, [REPORT])]


def test_the_conductors_stop_is_tunes_stop():
    assert decide(Conductor(stop=True), result(REPORT)) == TrialScheduler.STOP


def test_a_trial_that_ends_without_a_result_is_handed_out_again():
    conductor = Conductor()
    assert decide(conductor, result(ended=True)) == TrialScheduler.STOP
    assert conductor.lost == [(3, 2, "it ended without saying how.")]


def test_an_exception_is_kept_because_tune_turns_it_into_text():
    full = OSError(28, "No space left on device")
    scheduler = StudyScheduler(Conductor(error=full))
    with pytest.raises(OSError, match="No space left"):
        scheduler.on_trial_result(None, TRIAL, result(REPORT))
    assert scheduler.fault is full


class ActorCache:
    """Tune's cache of actors without a trial."""

    def __init__(self):
        self.most = {}

    def increase_max(self, key, by):
        self.most[key] = self.most.get(key, 0) + by


def test_tune_is_asked_once_to_keep_an_actor_for_every_slot():
    cache = ActorCache()
    controller = SimpleNamespace(_tune_controller=SimpleNamespace(_actor_cache=cache))
    scheduler = StudyScheduler(Conductor(), num_actors=3)
    for _ in range(2):
        scheduler.on_trial_add(controller, SimpleNamespace(placement_group_factory="head"))
    assert cache.most == {"head": 3}


def test_tunes_loop_ends_when_the_session_is_interrupted():
    conductor = Conductor()
    stopper = InterruptStopper(conductor)
    assert not stopper.stop_all()
    conductor.interrupted = True
    assert stopper.stop_all()
    assert not stopper("abc", {})

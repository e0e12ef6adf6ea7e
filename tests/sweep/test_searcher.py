"""The conductor as Tune's searcher."""

import pytest
from ray.tune.search import ConcurrencyLimiter, Searcher

from sweep.cluster import ClusterLost
from sweep.conductor import FINISHED
from sweep.journal import JournalNotWritten
from sweep.searcher import POLL_S, StudySearcher


class Conductor:
    """Answers from a list."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.lost = []

    def next_config(self):
        return self.answers.pop(0)

    def on_lost(self, number, attempt, message):
        self.lost.append((number, attempt))


def config(number, attempt=1):
    return {"trial": number, "attempt": attempt, "slot": "slot-0"}


def searcher_of(*answers):
    slept = []
    return StudySearcher(Conductor(answers), sleep=slept.append), slept


def test_with_a_trial_running_it_leaves_the_waiting_to_tune():
    searcher, slept = searcher_of(config(0), None)
    assert searcher.suggest("a") == config(0)
    assert searcher.suggest("b") is None
    assert slept == []


def test_with_nothing_running_it_waits_itself_and_does_not_spin():
    searcher, slept = searcher_of(None, None, config(0))
    assert searcher.suggest("a") == config(0)
    assert slept == [POLL_S, POLL_S]


def test_every_question_is_a_tick():
    ticks = []
    conductor = Conductor([None, config(0), None])
    searcher = StudySearcher(conductor, sleep=lambda _: None, on_tick=lambda: ticks.append(1))
    searcher.suggest("a")
    searcher.suggest("b")
    assert len(ticks) == 3


def test_it_finishes_when_the_conductor_does():
    searcher, _ = searcher_of(FINISHED)
    assert searcher.suggest("a") == Searcher.FINISHED


def test_an_actor_that_died_is_told_with_its_trial_and_attempt():
    searcher, _ = searcher_of(config(7, attempt=2), config(8))
    searcher.suggest("a")
    searcher.suggest("b")
    searcher.on_trial_complete("a", error=True)
    searcher.on_trial_complete("b", result={})
    assert searcher._conductor.lost == [(7, 2)]


def test_f3_an_actor_that_died_with_all_of_the_cluster_is_no_trials_loss():
    lost = ClusterLost("Ray is gone.")

    def require_cluster():
        raise lost

    searcher = StudySearcher(Conductor([config(7)]), require_cluster=require_cluster)
    searcher.suggest("a")
    with pytest.raises(ClusterLost):
        searcher.on_trial_complete("a", error=True)
    assert searcher.fault is lost, "Tune keeps its text alone"
    assert searcher._conductor.lost == []


def test_a_loss_that_the_journal_does_not_take_is_kept_as_it_was_raised():
    full = JournalNotWritten("the disk is full.")

    class Full(Conductor):
        def on_lost(self, number, attempt, message):
            raise full

    searcher = StudySearcher(Full([config(7)]))
    searcher.suggest("a")
    with pytest.raises(JournalNotWritten):
        searcher.on_trial_complete("a", error=True)
    assert searcher.fault is full, "Tune keeps its text alone"


def test_tunes_limiter_stays_out_of_the_way():
    searcher, _ = searcher_of(*(config(i) for i in range(5)))
    limiter = ConcurrencyLimiter(searcher, max_concurrent=1)
    assert [limiter.suggest(name)["trial"] for name in "abcde"] == [0, 1, 2, 3, 4]

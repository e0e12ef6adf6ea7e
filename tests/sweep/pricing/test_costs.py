"""What a stage costs, from the seconds of a tryout's steps."""

from dataclasses import replace

import pytest

from hpe.config import Config
from hpe.phases.keep import KeepConfig
from hpe.phases.phase import Workload
from sweep.pricing.costs import EpochTimes, Shortened, epoch_times, mean_cost, stage_cost
from sweep.pricing.planned import Share

EVENTS = [
    ("begin", 10.0),
    ("step", 14.0),  # the first epoch builds and warms up
    ("step", 15.0),
    ("trained", 18.0),
    ("saved", 18.5),
    ("step", 19.5),
    ("step", 20.5),
    ("trained", 21.5),
    ("saved", 22.0),
    ("step", 23.0),
    ("step", 24.0),
    ("trained", 25.0),
    ("saved", 25.5),
    ("committed", 26.25),
]

MEMORY = {"host_bytes": 5, "cuda_bytes": 7, "committed_bytes": 300, "unfinished_bytes": 1000}


class Plain(Config):
    epochs: int = 3


class Keeping(Config):
    epochs: int = 3
    keep: KeepConfig = KeepConfig()


PLAIN = Plain()


def shortened(config=PLAIN, *, whole, tried, epochs=10, tried_config=PLAIN):
    return Shortened(
        config=config,
        epochs=epochs,
        workload=whole,
        tried_config=tried_config,
        tried_epochs=3,
        tried_workload=tried,
    )


def test_an_epoch_is_its_steps_then_its_scores_then_its_saving():
    epochs, commit_s = epoch_times(EVENTS)
    assert epochs == [
        EpochTimes(5.0, 3.0, 0.5),
        EpochTimes(2.0, 1.0, 0.5),
        EpochTimes(2.0, 1.0, 0.5),
    ]
    assert commit_s == 0.75


def test_the_pace_of_steps_whose_batches_were_not_ready_counts_for_all():
    events = [("begin", 0.0), *(("step", at) for at in (0.1, 0.2, 1.2, 2.2))]
    (epoch,), _ = epoch_times([*events, ("trained", 2.2), ("saved", 2.2)], skipped=2)
    assert epoch.train_s == pytest.approx(4.0)


def test_a_phase_without_optimizer_steps_spends_all_of_an_epoch_on_what_it_reports():
    events = [("begin", 0.0), ("trained", 2.0), ("saved", 2.5), ("committed", 2.5)]
    assert epoch_times(events) == ([EpochTimes(0.0, 2.0, 0.5)], 0.0)


def test_a_stage_costs_its_steps_its_scores_and_once_what_warming_up_takes():
    work = shortened(whole=Workload(50, 5, 400), tried=Workload(2, 3, 100))
    cost = stage_cost(*epoch_times(EVENTS), work, MEMORY)
    # steps: 25 times as many as tried; scores: of 4 times the samples, after every second epoch
    assert cost.epoch_s == pytest.approx(2.0 * 25 + 1.0 * 4 / 2 + 0.5)
    assert cost.start_s == pytest.approx((5.0 - 2.0) + (3.0 - 1.0) * 4 + 0.75)
    assert cost.seconds == pytest.approx(cost.start_s + 10 * cost.epoch_s)
    assert cost.noise == 0.0


def test_a_step_of_more_batches_costs_that_many_times_as_much():
    work = shortened(whole=Workload(50, 5, 400), tried=Workload(2, 3, 100))
    cost = stage_cost(*epoch_times(EVENTS), replace(work, batches=8.0), MEMORY)
    assert cost.epoch_s == pytest.approx(2.0 * 25 * 8 + 1.0 * 4 / 2 + 0.5)


def test_where_the_work_is_not_known_an_epoch_costs_what_it_did():
    cost = stage_cost(*epoch_times(EVENTS), shortened(whole=None, tried=None), MEMORY)
    assert cost.epoch_s == pytest.approx(3.5)


def test_a_phase_that_scores_nothing_has_nothing_to_scale():
    work = shortened(whole=Workload(4, 0, 0), tried=Workload(2, 0, 0))
    assert stage_cost(*epoch_times(EVENTS), work, MEMORY).epoch_s == pytest.approx(4 + 1 + 0.5)


def test_snapshots_that_the_whole_stage_keeps_take_room():
    keep = KeepConfig(best=True, every=4)
    work = shortened(
        Keeping(keep=keep), whole=None, tried=None, tried_config=Keeping(keep=keep), epochs=9
    )
    cost = stage_cost(*epoch_times(EVENTS), work, MEMORY)
    # tried: the last and the best, 150 each; whole: the last, the best, epochs 4 and 8
    assert cost.committed_bytes == 600
    assert cost.unfinished_bytes == 1300


def test_a_stopped_stage_costs_its_start_and_its_share_of_epochs_and_leaves_states():
    cost = stage_cost(*epoch_times(EVENTS), shortened(whole=None, tried=None), MEMORY)
    share = Share(begun=0.8, trained=0.5, ended=0.25)
    assert cost.seconds_under(share) == pytest.approx(0.8 * cost.start_s + 0.5 * 35)
    assert cost.bytes_under(share) == pytest.approx(0.25 * 300 + 0.55 * 1000)
    assert cost.seconds_under(Share()) == pytest.approx(cost.seconds)


def test_the_mean_of_costs_has_the_mean_seconds_and_the_most_memory():
    first = stage_cost(*epoch_times(EVENTS), shortened(whole=None, tried=None), MEMORY)
    second = stage_cost(
        *epoch_times(EVENTS),
        shortened(whole=None, tried=None, epochs=20),
        {**MEMORY, "host_bytes": 9},
    )
    mean = mean_cost([first, second])
    assert mean.seconds == pytest.approx((first.seconds + second.seconds) / 2)
    assert mean.host_bytes == 9

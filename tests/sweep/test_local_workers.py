"""Training a stage again with several workers, and through them replaying a trial."""

import multiprocessing
import os

import pytest
import torch

from sweep.folders import RunsDir
from sweep.local_workers import Names, Worker, WorkerGroup, train_with_workers
from sweep.replaying import Here, replay
from sweep.stage_again import Work
from sweep.trial_record import read_trial
from tests.sweep.meeting_phase import DIGEST, PHASES, metrics_of, open_nothing
from tests.sweep.recorded_trials import (
    STUDY,
    end_record,
    epoch_records,
    lineage,
    stage_records,
    trial_record,
    write_journal,
)
from trainables.assignment import Assignment, Stage
from trainables.stages import StageStore
from trainables.training import Failure

NAMES = Names("tests.sweep.meeting_phase:PHASES", "tests.sweep.meeting_phase:open_nothing")
SLOTS = {"workers": 2, "gpus_per_worker": 0, "threads": 1}


def recorded(runs, **slots):
    """A trial that two workers trained."""
    (stage,) = stage_records({}, plan=["meet"], seed=0, phases=PHASES, workers=2)
    records = [
        trial_record(0, [stage]),
        *epoch_records(0, stage, lambda e: metrics_of(e, workers=2, seed=stage["seed"])),
        end_record(
            0, "COMPLETE", objective=metrics_of(3, workers=2, seed=stage["seed"])["val/error"]
        ),
    ]
    study = {**STUDY, "plan": ["meet"], "arms": {}, "objective": {"metric": "meet/val/error"}}
    journal = runs.study("toy").journal
    write_journal(journal, records, study=study, lineage_of=lineage(slots={**SLOTS, **slots}))
    return read_trial(journal, "0")


def here(runs):
    return Here(runs=runs, data=open_nothing(None), root=runs.data, phases=PHASES, names=NAMES)


@pytest.mark.slow
def test_what_two_workers_trained_is_bit_equal_with_two_again(tmp_path):
    runs, told = RunsDir(tmp_path / "runs"), []
    again = {"folder": tmp_path / "again", "anyway": False, "tolerance": None, "tell": told.append}
    record = recorded(runs)
    outcome = replay(record, here(runs), **again)
    assert outcome.sentence.startswith("Reproduced: all 4 numbers")
    assert told == ["training trial 0, seed 0 of toy again on cpu, 2 workers with 1 thread"]
    assert StageStore(tmp_path / "again").is_committed(record.trial.stages[0].key)
    assert replay(record, here(runs), **again).holds  # from what was kept


@pytest.mark.slow
def test_the_failure_of_one_worker_is_the_stages_and_ends_those_that_wait_for_it(tmp_path):
    (stage,) = stage_records({"meet/second": "diverges"}, plan=["meet"], seed=0, phases=PHASES)
    work = Work(
        assignment=Assignment(0, 1, Stage(**stage, parents={}, data={"digest": DIGEST})),
        store=tmp_path,
        threads=1,
        stop_after=None,
        lineage={},
    )
    trained = train_with_workers(work, group=WorkerGroup(2, "cpu", NAMES))
    assert trained.failure == Failure("diverged", "train/loss is nan in epoch 2.", recycle=False)
    assert multiprocessing.active_children() == []


def test_a_worker_that_is_gone_without_a_word_has_failed():
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=os._exit, args=(3,), name="worker 1")
    process.start()
    theirs.close()
    failure = Worker(process, ours).answer().failure
    ours.close()
    assert failure is not None
    assert failure.error_class == "worker_lost"
    assert failure.message == "worker 1 ended before its stage did, with exit code 3"


@pytest.mark.parametrize(
    ("gpus_then", "gpus_here", "size", "device"),
    [(0, 8, 2, "cpu"), (1, 0, 2, "cpu"), (1, 1, 1, "cuda"), (1, 2, 2, "cuda")],
)
def test_as_many_workers_as_then_train_unless_there_are_fewer_gpus(
    tmp_path, monkeypatch, gpus_then, gpus_here, size, device
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus_here)
    runs = RunsDir(tmp_path)
    group = here(runs).workers(recorded(runs, gpus_per_worker=gpus_then))
    assert (group.size, group.device) == (size, device)

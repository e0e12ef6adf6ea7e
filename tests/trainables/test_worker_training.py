"""One worker, one assignment, no Ray: training, saving, resuming, failing."""

import contextlib
import errno
import itertools
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import slot_phases
import torch

from hpe.phases.phase import Diverged
from trainables.assignment import Assignment, Directive, Stage
from trainables.clean_room import MemoryUse
from trainables.saved_states import History
from trainables.sealed_json import StageFormat
from trainables.stage_remote import link_remote
from trainables.stages import StageStore
from trainables.training import (
    DataUnavailable,
    Failure,
    Seat,
    StageLost,
    StoreFault,
    failure_of,
    train_stage,
)
from trainables.usage import MEMORY, Spending, UsageGauge
from trainables.worker import DataCache, SlotDesk, growth_of, limit_gpu_memory, ray
from trainables.worker_group import News

SEAT = Seat(rank=0, world_size=1, device=torch.device("cpu"))


class Desk:
    """A slot that says stop after an epoch."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.began: int | None = None
        self.epochs: list[int] = []
        self.said: list[int] = []
        self.reports: list[list[int]] = []
        self.finished: History | None = None

    def begin(self, epoch: int, history: History) -> Directive:
        self.began = epoch
        return Directive.CONTINUE

    def working(self, beat: int, on_batches: bool) -> None:
        self.said.append(on_batches)

    def report(self, epochs: News) -> Directive:
        told = [epoch for epoch, _ in epochs]
        self.epochs += told
        self.said += told
        self.reports.append(told)
        return Directive.ABANDON if told[-1] == self.stop_after else Directive.CONTINUE

    def finish(self, history: History) -> None:
        self.finished = history


def stage(phase: str = "count", *, key: str = "a" * 64, **config: Any) -> Stage:
    settings = slot_phases.PHASES[phase].config.model_validate(config)
    return Stage(
        key=key,
        label=phase,
        phase=phase,
        config=settings.model_dump(mode="json"),
        parents={},
        data=slot_phases.stage_data(),
        seed=0,
        epochs=slot_phases.PHASES[phase].epochs(settings),
    )


def train(
    stage: Stage,
    store: Path,
    desk: Desk,
    opener: Any = slot_phases.open_nothing,
    *,
    decision_epochs: tuple[int, ...] = (),
    report_every_s: float = 0.0,
) -> None:
    train_stage(
        Assignment(trial=7, attempt=1, stage=stage, decision_epochs=decision_epochs),
        store=StageStore(store),
        phases=slot_phases.PHASES,
        open_data=opener,
        desk=desk,
        seat=SEAT,
        lineage={"trial": 7},
        report_every_s=report_every_s,
    )


def test_batches_are_told_of_in_the_phase_and_not_while_its_epoch_is_saved(tmp_path):
    desk = Desk()
    train(stage(epochs=2), tmp_path, desk)
    assert desk.said == [True, False, 1, True, False, 2]


def test_short_epochs_are_saved_and_told_of_with_the_next_that_is_due(tmp_path):
    job, first, second = stage(epochs=6), Desk(stop_after=3), Desk()
    train(job, tmp_path, first, decision_epochs=(3,), report_every_s=1000.0)
    assert first.reports == [[1, 2, 3]]
    saved = StageStore(tmp_path).folder(job.key) / "state"
    assert [path.name for path in saved.glob("*.json")] == ["00003.rank0.json"]
    train(job, tmp_path, second, decision_epochs=(3,), report_every_s=1000.0)
    assert (second.began, second.reports) == (3, [[4, 5, 6]])
    assert [entry["epoch"] for entry in second.finished or ()] == [1, 2, 3, 4, 5, 6]


def test_what_was_reached_before_a_failure_is_told_of(tmp_path):
    desk = Desk()
    with pytest.raises(Diverged):
        train(stage(epochs=5, trouble="diverge", at=4), tmp_path, desk, report_every_s=1000.0)
    assert desk.reports == [[1, 2, 3]]


def test_an_epoch_that_changes_what_is_kept_is_saved_and_told_of_at_once(tmp_path):
    desk = Desk()
    keep = {"every": 2, "metric": "val/total", "direction": "maximize"}
    train(stage(epochs=5, keep=keep), tmp_path, desk, report_every_s=1000.0)
    assert desk.reports == [[1, 2], [3, 4], [5]]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "no space left"), []),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), []),
        (KeyError("a bug in a phase"), [[1, 2, 3]]),
    ],
)
def test_what_is_tried_again_tells_of_nothing_that_was_not_saved(
    tmp_path, monkeypatch, error, told
):
    def fail(_kind):
        raise error

    monkeypatch.setattr(slot_phases, "_trouble", lambda kind: fail(kind) if kind != "none" else 0)
    desk = Desk()
    with pytest.raises(type(error)):
        train(stage(epochs=5, trouble="raise", at=4), tmp_path, desk, report_every_s=1000.0)
    assert desk.reports == told


def test_workers_that_train_together_tell_of_every_epoch(tmp_path):
    with pytest.raises(AssertionError, match="ranks would report different epochs"):
        train_stage(
            Assignment(trial=7, attempt=1, stage=stage(epochs=2)),
            store=StageStore(tmp_path),
            phases=slot_phases.PHASES,
            open_data=slot_phases.open_nothing,
            desk=Desk(),
            seat=Seat(rank=0, world_size=2, device=torch.device("cpu")),
            lineage={},
            report_every_s=0.5,
        )


def test_a_stage_is_trained_to_its_end_and_committed(tmp_path):
    desk, job = Desk(), stage(epochs=3)
    train(job, tmp_path, desk)
    store = StageStore(tmp_path)
    assert desk.epochs == [1, 2, 3]
    assert store.is_committed(job.key)
    assert store.artifacts(job.key).facts == {"total": 6}
    assert store.manifest(job.key)["lineage"] == {"trial": 7, "resumed_from": 0}
    assert [entry["epoch"] for entry in desk.finished or ()] == [1, 2, 3]


def test_an_abandoned_stage_goes_on_from_its_last_epoch_later(tmp_path):
    job = stage(epochs=3)
    first, second = Desk(stop_after=2), Desk()
    train(job, tmp_path, first)
    assert first.finished is None
    assert not StageStore(tmp_path).is_committed(job.key)
    train(job, tmp_path, second)
    assert (second.began, second.epochs) == (2, [3])
    assert StageStore(tmp_path).artifacts(job.key).facts == {"total": 6}
    assert StageStore(tmp_path).manifest(job.key)["lineage"]["resumed_from"] == 2


def test_a_stage_whose_last_epoch_was_saved_is_only_committed(tmp_path):
    job, desk = stage(epochs=2), Desk()
    train(job, tmp_path, Desk(stop_after=2))
    train(job, tmp_path, desk)
    assert (desk.began, desk.epochs) == (2, [])
    assert [entry["epoch"] for entry in desk.finished or ()] == [1, 2]


def test_a_committed_stage_is_not_trained_again(tmp_path):
    job, desk = stage(), Desk()
    train(job, tmp_path, Desk())
    train(job, tmp_path, desk)
    assert desk.began is None
    assert [entry["metrics"]["val/total"] for entry in desk.finished or ()] == [1.0, 3.0]


def test_snapshots_follow_the_settings_and_the_newest_is_not_kept_twice(tmp_path):
    job = stage(epochs=5, keep={"every": 2, "top_k": 1, "direction": "maximize"})
    train(job, tmp_path, Desk())
    kept = sorted(folder.name for folder in (tmp_path / job.key / "kept").iterdir())
    assert kept == ["00002", "00004", "00005"]


@pytest.mark.parametrize("call", ["keep_snapshot", "save_state", "drop_snapshot"])
@pytest.mark.parametrize("strike", range(3))
def test_whatever_fails_of_saving_an_epoch_no_snapshot_is_missing_in_the_end(
    tmp_path, monkeypatch, call, strike
):
    """`count` improves with every epoch, so that each outranks the one before."""
    job = stage(epochs=5, keep={"every": 2, "top_k": 1, "direction": "maximize"})
    whole, calls = getattr(StageStore, call), itertools.count()

    def full_once(*args: Any, **kwargs: Any) -> None:
        if next(calls) == strike:
            raise OSError(28, "No space left on device")
        whole(*args, **kwargs)

    monkeypatch.setattr(StageStore, call, full_once)
    with contextlib.suppress(StoreFault):
        train(job, tmp_path, Desk())
    train(job, tmp_path, Desk())
    kept = sorted(folder.name for folder in (tmp_path / job.key / "kept").iterdir())
    assert kept == ["00002", "00004", "00005"]


def test_a_metric_that_is_not_finite_is_divergence_and_is_not_saved(tmp_path):
    job = stage(trouble="nan")
    with pytest.raises(Diverged, match="val/total is nan after epoch 1 of count"):
        train(job, tmp_path, Desk())
    assert StageStore(tmp_path).last_state(job) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("call", ["is_committed", "last_state", "save_state", "commit"])
def test_a_store_that_cannot_be_used_is_told_apart_from_data(tmp_path, monkeypatch, call, number):
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(StageStore, call, refuse)
    with pytest.raises(StoreFault, match=os.strerror(number)) as caught:
        train(stage(), tmp_path, Desk())
    assert failure_of(caught.value).error_class == "storage"


@pytest.mark.slow
def test_an_outage_of_s3_as_a_stage_begins_is_the_storages_fault(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    nobody = "s3://b/stages?scheme=http&endpoint_override=127.0.0.1:1&region=us-east-1"
    link_remote(tmp_path, nobody)
    with pytest.raises(StoreFault, match="AWS Error") as caught:
        train(stage(), tmp_path, Desk())
    assert failure_of(caught.value).error_class == "storage"


def test_data_that_cannot_be_opened_as_a_disk_fails_is_the_disks_fault(tmp_path):
    def opener(data: Mapping[str, Any]) -> Any:
        try:
            raise OSError(errno.EIO, "Input/output error")
        except OSError as error:
            raise ValueError("card.json cannot be read") from error

    with pytest.raises(DataUnavailable) as caught:
        train(stage(), tmp_path, Desk(), opener)
    failure = failure_of(caught.value)
    assert failure.error_class == "storage"
    assert failure.message == "ValueError: card.json cannot be read"


def test_data_that_changed_since_the_study_started_is_refused(tmp_path):
    def opener(data: Mapping[str, Any]) -> Any:
        return slot_phases.HandData(name="nothing", digest="1" * 8, splits={}, card={})

    with pytest.raises(DataUnavailable, match="the data set has changed"):
        train(stage(), tmp_path, Desk(), opener)


@pytest.mark.parametrize(
    ("error", "error_class", "recycle"),
    [
        (Diverged("loss is nan"), "diverged", False),
        (torch.OutOfMemoryError("CUDA out of memory."), "out_of_memory", True),
        (MemoryError(), "out_of_memory", True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out_of_memory", True),
        (torch.AcceleratorError("CUDA error: an illegal access"), "code", True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "code", True),
        (FileNotFoundError("sample"), "data", False),
        (DataUnavailable("no folder"), "data", False),
        (ValueError("shape"), "code", False),
        (SystemExit(1), "code", False),
    ],
    ids=lambda value: getattr(type(value), "__name__", ""),
)
def test_what_an_exception_means(error: BaseException, error_class: str, recycle: bool):
    failure = failure_of(error)
    assert (failure.error_class, failure.recycle) == (error_class, recycle)


def test_what_a_phase_says_about_a_missing_file_is_told_and_not_what_caused_it():
    with pytest.raises(FileNotFoundError) as caught:
        try:
            raise FileNotFoundError("Name or service not known")
        except OSError as error:
            raise FileNotFoundError("no weights; use encoder/init=random") from error
    failure = failure_of(caught.value)
    assert failure.error_class == "data"
    assert failure.message == "FileNotFoundError: no weights; use encoder/init=random"


def test_a_failure_of_the_code_tells_where(tmp_path):
    with pytest.raises(KeyError) as caught:
        train(stage(trouble="raise"), tmp_path, Desk())
    message = failure_of(caught.value).message
    assert message.startswith("KeyError: 'a bug in a phase'\n")
    assert "slot_phases.py" in message


def test_a_data_set_is_opened_once_for_each_digest_and_place():
    opened = []

    def opener(data: Mapping[str, Any]) -> Any:
        opened.append(data["root"])
        return slot_phases.open_nothing(data)

    cache = DataCache(opener)
    for root in ("a", "a", "b", "b", "a"):
        cache.open(slot_phases.stage_data(root))
    assert opened == ["a", "b", "a"]


class Slot:
    """A slot actor that lets a worker wait once before it answers."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.begin = self.report = self

    def remote(self, *said: Any) -> str:
        self.heard.append(said)
        return "wait" if len(self.heard) % 2 else "continue"


def test_what_a_worker_uses_is_read_once_an_epoch_and_not_counted_before_it_begins(monkeypatch):
    monkeypatch.setattr(ray, "get", lambda answer: answer)
    spent, slot = iter(range(1, 100)), Slot()
    gauge = UsageGauge(
        SEAT.device,
        spending=lambda: Spending(cpu_s=0.0, resident_bytes=next(spent) * 1_000_000),
        now=lambda: 0.0,
    )
    desk = SlotDesk(slot, "group", 1, 7, gauge)
    assert desk.begin(0, []) is Directive.CONTINUE
    for epoch in (1, 2):
        assert desk.report([(epoch, {"loss": 0.5})]) is Directive.CONTINUE
    first, second = (
        ("group", 1, 7, [(epoch, {"loss": 0.5})], {MEMORY: float(1 + epoch)}, 1.0)
        for epoch in (1, 2)
    )
    assert slot.heard[2:] == [first, first, second, second]


def test_growth_is_told_beyond_the_stated_margin():
    gib = 1 << 30
    assert growth_of(MemoryUse(gib, 0), MemoryUse(0, 0)) is None
    assert growth_of(MemoryUse(2 * gib, 0), MemoryUse(gib // 2, 0)) == (
        "it held 1536 MiB of memory more than when it was new"
    )
    assert "GPU" in str(growth_of(MemoryUse(0, gib), MemoryUse(0, 0)))


@pytest.mark.parametrize(
    ("device", "gpus", "limits"),
    [
        ("cpu", 0.0, []),
        ("cpu", 0.25, []),
        ("cuda:0", 0.25, [(0.25, torch.device("cuda:0"))]),
        ("cuda:0", 1.0, []),
        ("cuda:0", 2.0, []),
    ],
)
def test_a_worker_on_a_part_of_a_gpu_gets_no_more_than_that_of_its_memory(
    device, gpus, limits, monkeypatch
):
    made = []
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda *arguments: made.append(arguments)
    )
    limit_gpu_memory(torch.device(device), gpus)
    assert made == limits


@pytest.mark.gpu
def test_beyond_its_part_of_a_gpu_a_worker_runs_out_of_memory():
    device = torch.device("cuda:0")
    total = torch.cuda.get_device_properties(device).total_memory
    limit_gpu_memory(device, 0.25)
    try:
        with pytest.raises(torch.OutOfMemoryError) as caught:
            torch.empty(total // 3, dtype=torch.uint8, device=device)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    assert failure_of(caught.value).error_class == "out_of_memory"


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (OSError(errno.EIO, "Input/output error"), "storage"),
        (OSError("Caught OSError in DataLoader worker process 0.\n[Errno 116] Stale"), "storage"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "data"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "worker_lost"),
        (RuntimeError("shapes do not match"), "code"),
    ],
)
def test_trouble_with_what_surrounds_a_trial_is_not_its_own(error, error_class):
    assert failure_of(error).error_class == error_class


def built_on(parent: Stage) -> Stage:
    return replace(stage(key="b" * 64), parents={"count": parent.key})


@pytest.mark.parametrize("file", ["count.safetensors", "facts.json", "manifest.json"])
def test_a_parent_with_a_flipped_bit_is_set_aside_and_lost_not_bad_data(tmp_path, file):
    parent = stage(epochs=3)
    train(parent, tmp_path, Desk())
    path = tmp_path / parent.key / file
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(StageLost, match=r"count has to be trained again: .* is not") as it:
        train(built_on(parent), tmp_path, Desk())
    assert failure_of(it.value) == Failure("stage_lost", str(it.value), recycle=False)
    assert not StageStore(tmp_path).is_committed(parent.key)
    train(parent, tmp_path, Desk())
    desk = Desk()
    train(built_on(parent), tmp_path, desk)
    assert desk.finished is not None


def test_a_parent_that_is_gone_is_lost(tmp_path):
    with pytest.raises(StageLost, match=r"stage a+ is gone"):
        train(built_on(stage()), tmp_path, Desk())


@pytest.mark.parametrize("file", ["history.json", "manifest.json", "facts.json"])
def test_a_finished_stage_that_is_damaged_is_set_aside_and_trained_again(tmp_path, file):
    job, again = stage(epochs=2), Desk()
    train(job, tmp_path, Desk())
    path = tmp_path / job.key / file
    path.write_bytes(path.read_bytes()[:-1] + (b"!" if file == "history.json" else b""))
    train(job, tmp_path, again)
    assert again.epochs == [1, 2]
    assert StageStore(tmp_path).metrics(job.key) == again.finished
    assert len(list(tmp_path.glob("*.corrupt-*"))) == 1


def test_a_stage_of_another_format_is_no_damage(tmp_path):
    job = stage()
    train(job, tmp_path, Desk())
    path = tmp_path / job.key / "manifest.json"
    path.write_text('{"version": 2}')
    with pytest.raises(StageFormat) as it:
        train(job, tmp_path, Desk())
    assert failure_of(it.value) == Failure("code", str(it.value), recycle=False)
    assert path.exists()

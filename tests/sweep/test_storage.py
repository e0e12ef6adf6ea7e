"""Room for stages: refused before a study starts without it, waited for while it runs."""

import shutil
import threading
from types import SimpleNamespace

import pytest

from sweep.conductor import FINISHED
from sweep.storage import CHECK_EVERY_S, StorageWatch, bytes_below, refuse_full_disk
from sweep.study import Storage
from sweep.trials import TrialState
from tests.sweep.engine_fakes import Play, make_study


class Disk:
    """A disk whose room the test sets; counts how often it is asked."""

    def __init__(self, free_gb):
        self.free_gb, self.asked, self.paths = free_gb, 0, []

    def __call__(self, path):
        self.asked += 1
        self.paths.append(path)
        return SimpleNamespace(free=int(self.free_gb * 1e9))


@pytest.fixture
def stages(tmp_path):
    folder = tmp_path / "runs" / "stages"
    (folder / "key").mkdir(parents=True)
    (folder / "key" / "encoder.safetensors").write_bytes(bytes(3000))
    return folder


def watch(stages, disk, clock, **limits):
    return StorageWatch(Storage(**limits), stages, disk_usage=disk, monotonic=lambda: clock[0])


def test_a_study_is_refused_where_less_is_free_than_its_reserve_with_both_numbers(tmp_path):
    limits = Storage(reserve_gb=2.5)
    with pytest.raises(ValueError, match=r"1\.2 GB are free .*reserve_gb keeps 2\.5 GB .*--gc"):
        refuse_full_disk(limits, tmp_path, disk_usage=Disk(1.2))
    refuse_full_disk(limits, tmp_path, disk_usage=Disk(2.5))


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_one_above(tmp_path):
    disk = Disk(5)
    refuse_full_disk(Storage(), tmp_path / "not" / "yet", disk_usage=disk)
    assert disk.paths == [tmp_path]


def test_the_systems_own_answer_will_do(tmp_path):
    refuse_full_disk(Storage(reserve_gb=0), tmp_path)
    too_much = shutil.disk_usage(tmp_path).total / 1e9 + 1
    with pytest.raises(ValueError, match="reserve_gb"):
        refuse_full_disk(Storage(reserve_gb=too_much), tmp_path)


def test_trials_wait_while_the_disk_is_full_and_begin_again_when_there_is_room(stages):
    disk, clock = Disk(5), [0.0]
    room = watch(stages, disk, clock, reserve_gb=1)
    assert room.reason() is None
    disk.free_gb, clock[0] = 0.4, CHECK_EVERY_S
    assert "400 MB are free" in room.reason()
    assert "goes on by itself once there is room" in room.reason()
    disk.free_gb, clock[0] = 2, 2 * CHECK_EVERY_S
    assert room.reason() is None


def test_trials_wait_while_the_disk_does_not_answer(stages):
    disk, clock = Disk(50), [0.0]
    storage = watch(stages, disk, clock)

    def stale(path):
        raise OSError(116, "Stale file handle")

    storage._disk_usage = stale
    assert "does not answer (Stale file handle)" in storage.reason()
    storage._disk_usage, clock[0] = disk, CHECK_EVERY_S
    assert storage.reason() is None


def test_the_reason_keeps_its_words_so_that_it_is_told_once(stages):
    disk, clock = Disk(0.4), [0.0]
    room = watch(stages, disk, clock)
    told = set()
    for _ in range(3):
        told.add(room.reason())
        disk.free_gb -= 0.1
        clock[0] += CHECK_EVERY_S
    assert len(told) == 1


def test_the_disk_is_looked_at_every_few_seconds_only(stages):
    disk, clock = Disk(5), [0.0]
    room = watch(stages, disk, clock)
    for _ in range(100):
        room.reason()
        clock[0] += 0.01
    assert disk.asked == 1


def measured():
    """Wait until the store's size is known that the last look had asked for."""
    for thread in threading.enumerate():
        if thread.name == "store-size":
            thread.join(60)


def test_the_store_keeps_to_its_quota_by_the_size_that_the_look_before_asked_for(stages):
    clock = [0.0]
    room = watch(stages, Disk(5), clock, quota_gb=4e-6)
    seen = []

    def look():
        seen.append(room.reason())
        measured()
        clock[0] += CHECK_EVERY_S

    look()
    (stages / "key" / "facts.json").write_bytes(bytes(1500))
    look()
    look()
    (stages / "key" / "facts.json").unlink()
    look()
    look()
    assert [reason is None for reason in seen] == [True, True, False, False, True]
    assert "takes 4.5 kB, and storage/quota_gb is 4e-06" in seen[2]


def test_a_store_that_is_full_at_the_start_is_found_full_at_once(stages):
    assert "takes 3 kB" in watch(stages, Disk(5), [0.0], quota_gb=2e-6).reason()


def test_the_driver_does_not_wait_while_the_store_is_measured(stages):
    clock, gate, walks = [0.0], threading.Event(), []

    def slowly(folder):
        walks.append(threading.current_thread())
        assert len(walks) == 1 or gate.wait(60)
        return 1000 * len(walks)

    room = StorageWatch(
        Storage(quota_gb=1.5e-6),
        stages,
        disk_usage=Disk(5),
        size_of=slowly,
        monotonic=lambda: clock[0],
    )
    for _ in range(5):
        assert room.reason() is None
        clock[0] += CHECK_EVERY_S
    assert len(walks) == 2, "one walk at a time"
    assert walks[1] is not threading.current_thread()
    gate.set()
    measured()
    assert "takes 2 kB" in room.reason()
    measured()


def test_a_store_that_cannot_be_measured_has_the_size_it_had(stages, caplog):
    clock, sizes = [0.0], iter([3000])

    def gone(folder):
        size = next(sizes, None)
        if size is None:
            raise OSError(116, "Stale file handle")
        return size

    room = StorageWatch(
        Storage(quota_gb=2e-6),
        stages,
        disk_usage=Disk(5),
        size_of=gone,
        monotonic=lambda: clock[0],
    )
    for _ in range(3):
        assert "takes 3 kB" in room.reason()
        measured()
        clock[0] += CHECK_EVERY_S
    assert caplog.text.count("cannot be measured ([Errno 116] Stale file handle)") == 1


def test_counts_every_file_once_and_follows_no_link(stages):
    (stages / "link").symlink_to(stages / "key")
    assert bytes_below(stages) == 3000 + (stages / "link").lstat().st_size
    assert bytes_below(stages / "gone") == 0


def test_f4_a_study_begins_nothing_while_there_is_no_room_and_then_goes_on_by_itself(tmp_path):
    reasons = ["the disk is full"]
    study = make_study(arms={}, search={"trials": 2})
    play = Play(study, tmp_path, shortage=lambda: reasons[0]).open()
    reasons[0] = None
    (first,) = play.hand_out()
    reasons[0] = "the disk is full"
    while play.training:
        play.step(first["trial"])
        assert play.hand_out() == []
    assert play.ledger.trials[0].state is TrialState.COMPLETE, "what runs goes on"
    assert play.conductor.next_config() is None, "there is more to come"
    assert [note["message"] for note in play.ledger.notes] == ["the disk is full"]
    reasons[0] = None
    while play.hand_out() or play.training:
        for number in list(play.training):
            play.step(number)
    assert len(play.ledger.in_state(TrialState.COMPLETE)) == 2
    assert play.conductor.next_config() == FINISHED

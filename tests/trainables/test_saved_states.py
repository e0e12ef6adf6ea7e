"""States to resume from: the newest whole one counts, whatever a crash left of the others."""

import json

import pytest
import torch

from trainables.saved_states import read_last_state, write_state
from trainables.sealed_json import StageFormat

KEY = "k" * 64


def save(folder, epoch, *, rank=0):
    state = {"weight": torch.full((3,), float(epoch)), "step": epoch, "lr": 0.1 * epoch}
    write_state(folder, state, epoch=epoch, history=[{"epoch": epoch}], rank=rank)


def last(folder, **world):
    return read_last_state(folder, key=KEY, **world)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def two(tmp_path):
    """A folder with states after epochs 1 and 2."""
    save(tmp_path, 1)
    save(tmp_path, 2)
    return tmp_path


def test_there_is_no_state_in_a_folder_that_does_not_exist(tmp_path):
    assert last(tmp_path / "none") is None


def test_the_last_two_states_are_kept(two):
    (two / "00001.rank0.json").unlink()  # a writer was killed between the two files
    for epoch in (3, 4):
        save(two, epoch)
    assert files(two) == [
        f"0000{epoch}.rank0.{suffix}" for epoch in (3, 4) for suffix in ("json", "safetensors")
    ]


def offsets(size, file):
    """Return every offset of a small file, and those of a large one that its format knows."""
    return range(size) if file.endswith("json") else [0, 4, 8, 40, size // 2, size - 4, size - 1]


@pytest.mark.slow
@pytest.mark.parametrize("file", ["00002.rank0.json", "00002.rank0.safetensors"])
def test_f5_a_state_torn_at_any_byte_falls_back_to_the_one_before(two, file):
    path = two / file
    whole = path.read_bytes()
    for length in offsets(len(whole), file):
        path.write_bytes(whole[:length])
        saved = last(two)
        assert saved is not None
        assert (saved.epoch, saved.state["step"]) == (1, 1), length
        assert saved.history == [{"epoch": 1}]


@pytest.mark.slow
@pytest.mark.parametrize("file", ["00002.rank0.json", "00002.rank0.safetensors"])
def test_f6_a_flipped_bit_in_a_state_falls_back_to_the_one_before(two, file):
    path = two / file
    whole = path.read_bytes()
    for at in offsets(len(whole), file):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        path.write_bytes(changed)
        saved = last(two)
        assert saved is not None
        intact = (2, 0.2) if saved.epoch == 2 else (1, 0.1)  # its seal's name may have changed
        assert (saved.state["step"], saved.state["lr"]) == intact, at


def test_a_state_whose_tensors_are_gone_is_passed_over(two):
    (two / "00002.rank0.safetensors").unlink()
    assert last(two).epoch == 1


def test_after_a_damaged_state_training_goes_on_and_replaces_it(two):
    (two / "00002.rank0.json").write_text("")
    save(two, 2)
    assert last(two).state["step"] == 2


def test_later_states_that_are_damaged_do_not_outlive_what_is_saved_after_them(tmp_path):
    for epoch in (28, 30):
        save(tmp_path, epoch)
        (tmp_path / f"000{epoch}.rank0.json").write_text("")
    save(tmp_path, 5)
    assert last(tmp_path).state["step"] == 5
    save(tmp_path, 6)
    assert {name.split(".")[0] for name in files(tmp_path)} == {"00005", "00006"}


def test_all_ranks_resume_from_an_epoch_that_all_have(tmp_path):
    for rank in (0, 1):
        save(tmp_path, 1, rank=rank)
    save(tmp_path, 2, rank=0)
    assert {last(tmp_path, rank=rank, world_size=2).epoch for rank in (0, 1)} == {1}


def test_a_state_of_another_version_is_refused_by_name(two):
    path = two / "00002.rank0.json"
    record = {**json.loads(path.read_text()), "version": 2}
    del record["seal"]
    path.write_text(json.dumps(record))
    with pytest.raises(StageFormat, match=r"00002\.rank0\.json has format version 2, this .* 1\. "):
        last(two)

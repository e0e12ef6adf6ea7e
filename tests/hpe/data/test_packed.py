"""Packed folders: interrupted, resumed, cut short, or of another recipe."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from hpe.data.packed import (
    Chunk,
    Field,
    Layout,
    Pack,
    begin_pack,
    finish_pack,
    open_pack,
    write_chunk,
)

LAYOUT = Layout(
    recipe={"settings": {"seed": 0, "image_px": 4}, "renderer": "abc"},
    fields=(Field("picture", "uint8", (4, 4)), Field("joints_m", "float64", (2,))),
    counts={"train": 5, "test": 2},
    chunk_rows=2,
)


def rows(chunk: Chunk) -> dict[str, np.ndarray]:
    """Return made-up samples that say which they are."""
    index = np.arange(chunk.first, chunk.first + chunk.rows)
    offset = 100 if chunk.split == "test" else 0
    return {
        "picture": np.broadcast_to((offset + index)[:, None, None], (chunk.rows, 4, 4)),
        "joints_m": np.stack([index / 3.0, -index / 7.0], axis=1),
    }


def packed(folder: Path, layout: Layout = LAYOUT) -> Pack:
    """Pack a whole folder and open it."""
    for chunk in begin_pack(folder, layout):
        write_chunk(folder, layout.fields, chunk, rows(chunk))
    finish_pack(folder, layout)
    return open_pack(folder, layout.recipe)


def test_gives_back_what_was_written(tmp_path):
    pack = packed(tmp_path)
    assert pack.counts == {"train": 5, "test": 2}
    np.testing.assert_array_equal(pack.splits["train"]["picture"][:, 0, 0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(pack.splits["test"]["picture"][:, 3, 3], [100, 101])
    np.testing.assert_array_equal(pack.splits["train"]["joints_m"][4], [4 / 3.0, -4 / 7.0])


def test_an_interrupted_folder_goes_on_with_the_chunks_that_are_missing(tmp_path):
    whole = packed(tmp_path / "whole")
    folder = tmp_path / "interrupted"
    first, *rest = begin_pack(folder, LAYOUT)
    write_chunk(folder, LAYOUT.fields, first, rows(first))
    with pytest.raises(ValueError, match="no finished data"):
        open_pack(folder, LAYOUT.recipe)
    assert begin_pack(folder, LAYOUT) == rest
    assert packed(folder).digest == whole.digest


def test_a_chunk_cut_before_its_marker_is_written_again(tmp_path):
    first = begin_pack(tmp_path, LAYOUT)[0]
    spoilt = {name: np.zeros_like(value) for name, value in rows(first).items()}
    write_chunk(tmp_path, LAYOUT.fields, first, spoilt)
    (tmp_path / "chunks" / first.marker).unlink()
    assert packed(tmp_path).digest == packed(tmp_path.with_name("other")).digest


def test_the_digest_covers_the_contents(tmp_path):
    first = begin_pack(tmp_path, LAYOUT)[0]
    other = {**rows(first), "picture": np.full((2, 4, 4), 9)}
    write_chunk(tmp_path, LAYOUT.fields, first, other)
    assert packed(tmp_path).digest != packed(tmp_path.with_name("other")).digest


def test_a_finished_folder_holds_nothing_but_data_and_index(tmp_path):
    packed(tmp_path)
    names = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert names == [
        "index.json",
        "test/joints_m.npy",
        "test/picture.npy",
        "train/joints_m.npy",
        "train/picture.npy",
    ]


@pytest.mark.parametrize("change", [-1, 1])
def test_refuses_a_file_of_another_size(tmp_path, change):
    packed(tmp_path)
    path = tmp_path / "train" / "picture.npy"
    data = path.read_bytes()
    path.write_bytes(data[:change] if change < 0 else data + b"x")
    with pytest.raises(ValueError, match=r"picture\.npy has \d+ bytes, its index says \d+"):
        open_pack(tmp_path, LAYOUT.recipe)


def test_refuses_a_missing_file(tmp_path):
    packed(tmp_path)
    (tmp_path / "test" / "joints_m.npy").unlink()
    with pytest.raises(ValueError, match=r"joints_m\.npy has 0 bytes"):
        open_pack(tmp_path, LAYOUT.recipe)


@pytest.mark.parametrize("finished", [True, False])
def test_refuses_another_recipe_and_says_what_differs(tmp_path, finished):
    if finished:
        packed(tmp_path)
    else:
        begin_pack(tmp_path, LAYOUT)
    other = {"settings": {"seed": 1, "image_px": 4}, "renderer": "abc"}
    layout = Layout(other, LAYOUT.fields, LAYOUT.counts, LAYOUT.chunk_rows)
    with pytest.raises(ValueError, match=r"settings/seed: 0, not 1.*delete this one"):
        begin_pack(tmp_path, layout)


def test_refuses_an_index_that_is_not_json(tmp_path):
    packed(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 1, "dig')
    with pytest.raises(ValueError, match="is not JSON"):
        open_pack(tmp_path, LAYOUT.recipe)


def test_refuses_another_format(tmp_path):
    packed(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**index, "format": 99}))
    with pytest.raises(ValueError, match="has format 99"):
        open_pack(tmp_path, LAYOUT.recipe)


def test_a_split_is_pickled_by_its_folder(tmp_path):
    split = packed(tmp_path).splits["train"]
    data = pickle.dumps(split)
    assert len(data) < 1000
    again = pickle.loads(data)  # noqa: S301
    np.testing.assert_array_equal(again["joints_m"], split["joints_m"])

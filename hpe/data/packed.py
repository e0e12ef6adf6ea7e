"""Samples packed on disk: one memory-mapped .npy file per field and split, and a JSON index.

Packing is made of chunks. A chunk's rows are written and synced before its marker appears, so that
packing can be killed at any time and goes on with the chunks that have no marker. The index comes
last; a folder without one is unfinished. Reading needs no decoding.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from hpe.whole_file import write_text

FORMAT_VERSION = 1
INDEX_NAME = "index.json"
_RECIPE_NAME = "recipe.json"
_CHUNK_FOLDER = "chunks"


@dataclass(frozen=True)
class Field:
    """One value of every sample.

    Attributes:
        name: The file's name.
        dtype: numpy's name of the element type.
        shape: Shape of one sample's value.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """What a packed folder holds.

    Attributes:
        recipe: JSON data that decides every byte, such as settings and the renderer's digest.
        fields: Values of every sample.
        counts: Samples per split.
        chunk_rows: Samples written at a time.
    """

    recipe: Mapping[str, Any]
    fields: tuple[Field, ...]
    counts: Mapping[str, int]
    chunk_rows: int


@dataclass(frozen=True, order=True)
class Chunk:
    """Consecutive samples of one split."""

    split: str
    first: int
    rows: int

    @property
    def marker(self) -> str:
        """Return the name of the file that says the chunk is on disk."""
        return f"{self.split}-{self.first:09d}.json"


class PackedSplit(Mapping[str, np.ndarray]):
    """The memory-mapped fields of one split, read-only; pickling carries the folder alone."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        """Map the fields.

        Args:
            folder: Where the split's .npy files lie.
            names: Its fields.
        """
        self._folder = folder
        self._arrays: dict[str, np.ndarray] = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names
        }

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one field of all samples."""
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the fields' names."""
        return iter(self._arrays)

    def __len__(self) -> int:
        """Return the number of fields."""
        return len(self._arrays)

    def __reduce__(self) -> tuple[type["PackedSplit"], tuple[Path, tuple[str, ...]]]:
        """Map the files again where this is unpickled, rather than copy them."""
        return PackedSplit, (self._folder, tuple(self._arrays))


@dataclass(frozen=True)
class Pack:
    """An opened folder.

    Attributes:
        splits: The fields of each split.
        counts: Samples per split.
        digest: SHA-256 over the recipe and the contents.
    """

    splits: Mapping[str, PackedSplit]
    counts: Mapping[str, int]
    digest: str


def begin_pack(folder: Path, layout: Layout) -> list[Chunk]:
    """Allocate the files of a folder, or go on with an unfinished one.

    Returns:
        The chunks still to be written, in order.

    Raises:
        ValueError: If the folder belongs to another recipe.
    """
    check_recipe(folder, layout.recipe)
    (folder / _CHUNK_FOLDER).mkdir(parents=True, exist_ok=True)
    _write_json(folder / _RECIPE_NAME, layout.recipe)
    for split, rows in layout.counts.items():
        (folder / split).mkdir(exist_ok=True)
        for field in layout.fields:
            _allocate(_path(folder, split, field), field, rows)
    markers = {path.name for path in (folder / _CHUNK_FOLDER).iterdir()}
    return [chunk for chunk in chunks(layout) if chunk.marker not in markers]


def check_recipe(folder: Path, recipe: Mapping[str, Any]) -> None:
    """Refuse a folder that was made, or begun, by another recipe; an empty one is fine.

    Raises:
        ValueError: With the settings that differ.
    """
    for name in (INDEX_NAME, _RECIPE_NAME):
        if (folder / name).exists():
            found = _read_json(folder / name)
            found = found.get("recipe", {}) if name == INDEX_NAME else found
            differences = _differences(found, recipe)
            if differences:
                raise ValueError(
                    f"{folder} holds data of another recipe ({'; '.join(differences)}). "
                    "Use another folder, or delete this one to make it anew."
                )


def chunks(layout: Layout) -> list[Chunk]:
    """Return all chunks of a layout."""
    return [
        Chunk(split, first, min(layout.chunk_rows, rows - first))
        for split, rows in layout.counts.items()
        for first in range(0, rows, layout.chunk_rows)
    ]


def write_chunk(
    folder: Path, fields: tuple[Field, ...], chunk: Chunk, values: Mapping[str, np.ndarray]
) -> None:
    """Write a chunk's rows, sync them, then leave its marker. Any process may do this."""
    digest = hashlib.sha256()
    for field in fields:
        rows = np.ascontiguousarray(values[field.name], dtype=field.dtype)
        assert rows.shape == (chunk.rows, *field.shape), (field, rows.shape)
        data = rows.tobytes()
        digest.update(data)
        with _path(folder, chunk.split, field).open("r+b") as file:
            assert npy.read_magic(file) == (1, 0)
            npy.read_array_header_1_0(file)
            file.seek(chunk.first * rows[0].nbytes, os.SEEK_CUR)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    _write_json(folder / _CHUNK_FOLDER / chunk.marker, {"sha256": digest.hexdigest()})


def finish_pack(folder: Path, layout: Layout) -> None:
    """Write the index of a folder whose chunks are all on disk, and drop the markers."""
    contents = [
        _read_json(folder / _CHUNK_FOLDER / chunk.marker)["sha256"] for chunk in chunks(layout)
    ]
    files = {
        f"{split}/{field.name}.npy": _path(folder, split, field).stat().st_size
        for split in layout.counts
        for field in layout.fields
    }
    identity = {"format": FORMAT_VERSION, "recipe": layout.recipe, "contents": contents}
    index = {
        "format": FORMAT_VERSION,
        "digest": hashlib.sha256(_canonical(identity).encode()).hexdigest(),
        "recipe": layout.recipe,
        "counts": dict(layout.counts),
        "fields": [{"name": f.name, "dtype": f.dtype, "shape": f.shape} for f in layout.fields],
        "files": files,
    }
    _write_json(folder / INDEX_NAME, index)
    for marker in (folder / _CHUNK_FOLDER).iterdir():
        marker.unlink()
    (folder / _CHUNK_FOLDER).rmdir()
    (folder / _RECIPE_NAME).unlink()


def is_finished(folder: Path) -> bool:
    """Return whether a folder has its index."""
    return (folder / INDEX_NAME).exists()


def open_pack(folder: Path, recipe: Mapping[str, Any]) -> Pack:
    """Open a finished folder, checking recipe and file sizes but not reading the data.

    Raises:
        ValueError: If it is unfinished, of another recipe or format, or a file is missing or has
            another size than the index says.
    """
    if not is_finished(folder):
        raise ValueError(
            f"{folder} holds no finished data: there is no {INDEX_NAME}. Prepare the data first; "
            "what was made before an interruption is kept."
        )
    check_recipe(folder, recipe)
    index = _read_json(folder / INDEX_NAME)
    if index["format"] != FORMAT_VERSION:
        raise ValueError(
            f"{folder} has format {index['format']}, this code reads {FORMAT_VERSION}. "
            "Delete the folder to make it anew."
        )
    for name, size in index["files"].items():
        path = folder / name
        found = path.stat().st_size if path.exists() else 0
        if found != size:
            raise ValueError(
                f"{path} has {found} bytes, its index says {size}: the data was cut short or "
                f"changed. Delete {folder} to make it anew."
            )
    names = tuple(field["name"] for field in index["fields"])
    return Pack(
        splits={split: PackedSplit(folder / split, names) for split in index["counts"]},
        counts=index["counts"],
        digest=index["digest"],
    )


def _path(folder: Path, split: str, field: Field) -> Path:
    """Return the file of one field of one split."""
    return folder / split / f"{field.name}.npy"


def _allocate(path: Path, field: Field, rows: int) -> None:
    """Make a sparse .npy file of the right size unless it is there."""
    if path.exists():
        return
    unfinished = path.with_suffix(".new")
    npy.open_memmap(unfinished, mode="w+", dtype=field.dtype, shape=(rows, *field.shape))
    unfinished.replace(path)


def _write_json(path: Path, data: Any) -> None:
    """Write JSON such that the file is whole or absent, even after a power cut."""
    write_text(path, json.dumps(data, indent=1, sort_keys=True, allow_nan=False))


def _read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: delete its folder to make it anew.") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path} is not a JSON object: delete its folder to make it anew.")
    return data


def _canonical(data: Any) -> str:
    """Return the one JSON text of this data."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _differences(
    found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = ""
) -> list[str]:
    """Return what differs between two recipes, as `path: found, not wanted`."""
    texts = []
    for key in sorted({*found, *wanted}):
        here, there = found.get(key), wanted.get(key)
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            texts += _differences(here, there, f"{prefix}{key}/")
        elif _canonical(here) != _canonical(there):
            texts.append(f"{prefix}{key}: {here!r}, not {there!r}")
    return texts

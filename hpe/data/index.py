"""The index of a data set that lies in a folder: built once, kept beside the files, digested.

Building one parses the annotations and looks at every picture file; opening one reads arrays. It is
used as long as nothing it was made from has changed: sizes and times of the annotation files, the
times of the folders with pictures, and the settings it was made under. A picture rewritten in place
goes unnoticed; one added, removed or replaced does not.
"""

import hashlib
import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from hpe.data.pictures import picture_fault

MAX_LISTED = 50

Arrays = Mapping[str, np.ndarray]


Look = Callable[[str], tuple[int | None, str | None]]
"""Given a picture's name: its size in bytes, if it is there, and what is wrong with it, if
anything."""


@dataclass(frozen=True)
class Source:
    """What an index is made from.

    Attributes:
        data_set: What to call the data set in messages.
        root: Its folder; pictures are named by their paths below it.
        name: Tells this index from others of the folder.
        annotations: Files whose contents the arrays follow from.
        made_as: What else they follow from, as JSON data: settings, and the version of the code
            that makes them.
        home_page: Where the files can be had.
        stores: Files with many pictures in each, which must be there too; the pictures that the
            arrays name are looked at one by one.
    """

    data_set: str
    root: Path
    name: str
    annotations: Sequence[Path]
    home_page: str
    made_as: Mapping[str, Any] = field(default_factory=dict)
    stores: Sequence[Path] = ()

    @property
    def path(self) -> Path:
        """Return where the index is kept."""
        return self.root / f"{self.name}_index.npz"


@dataclass(frozen=True)
class Index:
    """The samples of a folder, before any are chosen.

    Attributes:
        source: What it was made from.
        arrays: `picture` (paths below the root, as bytes) and `unique_id` have a row per sample;
            what others there are is the data set's business.
        faults: Picture -> what is wrong with it.
        digest: SHA-256 over what the arrays follow from, every picture's name and size, and which
            are faulty. It does not depend on where the folder lies.
    """

    source: Source
    arrays: Arrays
    faults: Mapping[str, str]
    digest: str

    def __len__(self) -> int:
        """Return the number of samples, those with a faulty picture included."""
        return len(self.arrays["picture"])

    def picture_path(self, row: int) -> Path:
        """Return where a sample's picture lies."""
        name: bytes = self.arrays["picture"][row]
        return self.source.root / name.decode()

    @cached_property
    def is_whole(self) -> Bool[np.ndarray, " samples"]:
        """Whether each sample's picture is there and whole."""
        faulty = np.array([name.encode() for name in self.faults], dtype=np.bytes_)
        return ~np.isin(self.arrays["picture"], faulty)


def read_index(
    source: Source,
    parse: Callable[[], Arrays],
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    look: Callable[[Arrays], Look] | None = None,
) -> Index:
    """Return the index that is kept, or a new one where that is not current.

    Args:
        source: What it is made from.
        parse: Makes the arrays from the annotation files.
        progress: Told how many of how many pictures have been looked at.
        look: Given the arrays, how to look at a picture; if None, pictures are files.

    Raises:
        ValueError: If an annotation file is missing: what was looked for, what was found.
    """
    require_files(source)
    kept = _kept(source)
    if kept is not None:
        return kept
    arrays = parse()
    return _made(
        source, arrays, partial(_file, source.root) if look is None else look(arrays), progress
    )


def write_index(index: Index) -> None:
    """Keep an index beside its files; a read-only folder stays as it is."""
    folders = _picture_folders(index.arrays["picture"])
    save_arrays(
        index.source.path,
        stamp=_stamp(index.source),
        arrays={
            **{f"data_{name}": values for name, values in index.arrays.items()},
            "folders": folders,
            "folder_times": _times(index.source.root, folders),
            "faulty": np.array([name.encode() for name in index.faults], dtype=np.bytes_),
            "faults": np.array(list(index.faults.values()), dtype=np.str_),
            "digest": np.array(index.digest),
        },
    )


def whole_rows(
    index: Index, rows: Int[np.ndarray, " rows"], *, max_bad_share: float
) -> Int[np.ndarray, " whole"]:
    """Return the rows whose picture is there and whole.

    Args:
        index: The index.
        rows: Samples that the settings choose.
        max_bad_share: Share of their pictures that may be missing or broken.

    Raises:
        ValueError: If more are: how many, which, and why.
    """
    whole = index.is_whole[rows]
    require_within_budget(
        _faults_of(index, rows[~whole]),
        len(np.unique(index.arrays["picture"][rows])),
        where=index.source.root,
        max_share=max_bad_share,
        setting="data/max_bad_share",
        home_page=index.source.home_page,
    )
    chosen: Int[np.ndarray, " whole"] = rows[whole]
    return chosen


def left_out(
    indices: Mapping[str, tuple[Index, Int[np.ndarray, " rows"]]],
) -> dict[str, Mapping[str, Any]]:
    """Return what a data set's card says about chosen samples whose pictures are faulty.

    Args:
        indices: Part -> its index, and the rows chosen from it.
    """
    found = {
        name: fault
        for index, rows in indices.values()
        for name, fault in _faults_of(index, rows[~index.is_whole[rows]]).items()
    }
    return {
        "left_out_pictures": dict(Counter(found.values())),
        "left_out_first": dict(sorted(found.items())[:MAX_LISTED]),
    }


def require_within_budget(
    faults: Mapping[str, str],
    num_pictures: int,
    *,
    where: Path,
    max_share: float,
    setting: str,
    home_page: str,
) -> None:
    """Refuse a folder with more faulty pictures than the settings allow.

    Raises:
        ValueError: How many there are, which, and what is wrong with them.
    """
    if len(faults) <= max_share * num_pictures:
        return
    shown = [f"{name} ({fault})" for name, fault in sorted(faults.items())[:MAX_LISTED]]
    raise ValueError(
        f"{where}: {len(faults)} of {num_pictures} pictures cannot be read, more than the share of "
        f"{max_share:g} that may be left out: {', '.join(shown)}"
        f"{', ...' if len(faults) > MAX_LISTED else ''}. Unpack the original files ({home_page}) "
        f"once more, or raise {setting}."
    )


def require_files(source: Source) -> None:
    """Refuse a folder without the annotation files.

    Raises:
        ValueError: What was looked for, what is missing, what was found.
    """
    root = source.root
    needed = [*source.annotations, *source.stores]
    missing = [path for path in needed if not path.is_file()]
    if not source.annotations or missing:
        wanted = listed(path.relative_to(root) for path in needed[:12])
        raise ValueError(
            f"{source.data_set} is not complete in {root}: looked for {wanted}; missing "
            f"{listed(path.relative_to(root) for path in missing[:12])}; found "
            f"{found_in(root)}. Unpack the original files ({source.home_page}) and give their "
            f"folder with --data-dir."
        )


def found_in(root: Path) -> str:
    """Return what lies in a folder, for a message about what does not."""
    if not root.is_dir():
        return "no such folder"
    return listed(sorted(path.name for path in root.iterdir())[:12])


def listed(items: Iterable[object]) -> str:
    """Return names as an enumeration."""
    return ", ".join(map(str, items)) or "nothing"


def load_arrays(path: Path, *, stamp: str) -> dict[str, np.ndarray] | None:
    """Return kept arrays; None where there are none, or none with this stamp."""
    try:
        with path.open("rb") as file, np.load(file) as kept:
            if kept["stamp"].item() != stamp:
                return None
            return {name: kept[name] for name in kept.files if name != "stamp"}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None  # none yet, or one that was cut off: the files themselves still tell


def save_arrays(path: Path, *, stamp: str, arrays: Arrays) -> None:
    """Keep arrays, all of them or none; a read-only folder stays as it is.

    Args:
        path: Where.
        stamp: Changes when what they were made from does.
        arrays: What to keep, none of them called `stamp`.
    """
    if not os.access(path.parent, os.W_OK):
        return
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, stamp=np.array(stamp), **arrays)
    unfinished.replace(path)


def file_times(paths: Iterable[Path]) -> dict[str, tuple[int, int]]:
    """Return name -> size in bytes and time of last change in ns."""
    stats = {path.name: path.stat() for path in paths}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def _kept(source: Source) -> Index | None:
    kept = load_arrays(source.path, stamp=_stamp(source))
    if kept is None:
        return None
    if not np.array_equal(_times(source.root, kept["folders"]), kept["folder_times"]):
        return None
    names = (name.decode() for name in kept["faulty"])
    return Index(
        source=source,
        arrays={
            name.removeprefix("data_"): values
            for name, values in kept.items()
            if name.startswith("data_")
        },
        faults=dict(zip(names, kept["faults"].tolist(), strict=True)),
        digest=kept["digest"].item(),
    )


def _made(
    source: Source, arrays: Arrays, look: Look, progress: Callable[[int, int], None]
) -> Index:
    digest = hashlib.sha256(_json({"made_as": dict(source.made_as)}))
    for path in source.annotations:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(_json([path.relative_to(source.root).as_posix(), content]))
    faults = {}
    pictures = np.unique(arrays["picture"])
    for done, name in enumerate(map(bytes.decode, pictures.tolist())):
        if done % 1000 == 0:
            progress(done, len(pictures))
        size_bytes, fault = look(name)
        if fault is not None:
            faults[name] = fault
        digest.update(_json([name, size_bytes, fault]))
    progress(len(pictures), len(pictures))
    return Index(source, arrays, faults, digest.hexdigest())


def _file(root: Path, name: str) -> tuple[int | None, str | None]:
    """Look at a picture that is a file of its own."""
    path = root / name
    fault = picture_fault(path)
    return path.stat().st_size if path.is_file() else None, fault


def _faults_of(index: Index, rows: Int[np.ndarray, " rows"]) -> dict[str, str]:
    names = map(bytes.decode, np.unique(index.arrays["picture"][rows]).tolist())
    return {name: index.faults[name] for name in names}


def _stamp(source: Source) -> str:
    files = {
        path.relative_to(source.root).as_posix(): file_times([path])[path.name]
        for path in [*source.annotations, *source.stores]
    }
    return json.dumps({"files": files, "made_as": dict(source.made_as)}, sort_keys=True)


def _picture_folders(pictures: np.ndarray) -> np.ndarray:
    parents = {name.rpartition(b"/")[0] for name in pictures.tolist()}
    return np.array(sorted(parents), dtype=np.bytes_)


def _times(root: Path, folders: np.ndarray) -> Int[np.ndarray, " folders"]:
    """Return each folder's time of last change in ns; -1 where there is none."""
    paths = [root / name.decode() for name in folders.tolist()]
    times = [path.stat().st_mtime_ns if path.is_dir() else -1 for path in paths]
    return np.array(times, dtype=np.int64)


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True).encode()

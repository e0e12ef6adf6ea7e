"""Files that settings name: neither code nor the data set, and yet what a phase computes with."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from hpe.config import Config


@dataclass(frozen=True)
class OutsideFiles:
    """Files of a folder, and how they are found and tried; equal ones are the same files.

    Attributes:
        folder: Where they lie.
        find: Given the folder, those of its files that are read; raises OSError or ValueError if
            some are missing.
        check: Given the folder, raises OSError or ValueError if its files cannot be used.
    """

    folder: Path
    find: Callable[[Path], Sequence[Path]]
    check: Callable[[Path], object]


@runtime_checkable
class NamesFiles(Protocol):
    """Settings of a section whose `folder` may name files."""

    @property
    def files(self) -> OutsideFiles | None:
        """The files that are read; None where there are none."""


def outside_files(config: Config) -> Iterator[tuple[str, OutsideFiles]]:
    """Yield the files that a phase with these settings reads, by the path of the section.

    Files of a section that nothing reads, such as that of an operation that is off, are left out.
    """
    config = config.canonical()
    for name in type(config).model_fields:
        section = getattr(config, name)
        if not isinstance(section, Config):
            continue
        if isinstance(section, NamesFiles) and section.files is not None:
            yield name, section.files
        yield from ((f"{name}/{path}", files) for path, files in outside_files(section))

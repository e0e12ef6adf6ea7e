"""`--storage`: where the machines of a cluster find each other's stages, and data made here.

A path that every machine sees holds them itself: the runs folder's `stages` and `data` become links
into it. For object storage they become caches, on every machine, of what lies there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hpe.whole_file import write_text
from sweep.folders import RunsDir, StudyDir
from sweep.messages import shown_path
from trainables.remote_folder import SCHEMES, RemoteFolder, is_uri
from trainables.stage_remote import link_remote

STAGES = "stages"
DATA = "data"
STUDIES = "studies"


@dataclass(frozen=True)
class SharedStorage:
    """The storage of a runs folder.

    Attributes:
        place: A URI, or an absolute path.
    """

    place: str

    @property
    def is_remote(self) -> bool:
        """Say whether it is reached by a URI and not as a folder."""
        return is_uri(self.place)

    @property
    def uri(self) -> str:
        """Return it as a URI."""
        return self.place if self.is_remote else Path(self.place).as_uri()

    def below(self, name: str) -> str:
        """Return the URI of a folder in it; options of the URI stay at its end."""
        base, mark, options = self.uri.partition("?")
        return f"{base.rstrip('/')}/{name}{mark}{options}"

    def study(self, study: StudyDir) -> RemoteFolder:
        """Return where the mirror of a study's folder lies."""
        return RemoteFolder.at(self.below(f"{STUDIES}/{study.root.name}"))


@contextmanager
def answering(place: str) -> Iterator[None]:
    """Refuse a storage that cannot be used from here.

    Raises:
        ValueError: Where it raised OSError.
    """
    try:
        yield
    except OSError as error:
        raise ValueError(f"{place}: this storage cannot be used from here: {error}") from error


def storage_of(runs: RunsDir, given: str | None) -> SharedStorage | None:
    """Return the storage of a runs folder: as given, or as it was told once.

    Nothing is written.

    Raises:
        ValueError: If another one is given than the folder has, or none that can be.
    """
    known = runs.storage.read_text(encoding="utf-8").strip() if runs.storage.exists() else None
    if given is None:
        return None if known is None else SharedStorage(known)
    place = _place(given)
    if known not in (None, place):
        raise ValueError(
            f"--storage {given}: {shown_path(runs.root)} uses {known}; leave the option out, or "
            f"use another --runs-dir."
        )
    return SharedStorage(place)


def use_storage(runs: RunsDir, storage: SharedStorage) -> None:
    """Make a runs folder keep stages and data in the storage, now and from now on.

    Raises:
        ValueError: If it keeps some of its own.
    """
    runs.root.mkdir(parents=True, exist_ok=True)
    if storage.is_remote:
        link_remote(runs.stages, storage.below(STAGES))
    else:
        for link, name in ((runs.stages, STAGES), (runs.data, DATA)):
            _link(link, Path(storage.place) / name)
    write_text(runs.storage, f"{storage.place}\n")


def _place(given: str) -> str:
    """Return the storage in the one way it is written down."""
    if not is_uri(given):
        path = Path(given).expanduser().absolute()
        if not path.is_dir():
            raise ValueError(
                f"--storage {given}: there is no such folder; make it on the file system that all "
                f"machines see."
            )
        return str(path)
    scheme = given.partition("://")[0]
    if scheme not in SCHEMES:
        raise ValueError(f"--storage {given}: must be a path, s3://BUCKET/... or gs://BUCKET/...")
    if "@" in given.partition("?")[0] or "secret_key" in given:
        raise ValueError(
            "--storage: a URI with a key in it would be written down; give the machines a role or "
            "an instance profile, or keep keys where the cloud's own tools look for them."
        )
    return given


def _link(link: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    if link.is_symlink() and link.resolve() == target.resolve():
        return
    if link.is_dir() and not link.is_symlink() and not any(link.iterdir()):
        link.rmdir()
    if link.is_symlink() or link.exists():
        raise ValueError(
            f"{shown_path(link)}: this keeps things of its own, which the other machines cannot "
            f"see; move them first (mv {shown_path(link)}/* {target}/ && rm -r "
            f"{shown_path(link)}), or use another --runs-dir."
        )
    link.symlink_to(target)

"""A data set in remote storage: put there once, brought to every machine that has none of it."""

import json
import os
import shutil
from pathlib import Path

from hpe.whole_file import sha256_of
from trainables.file_lock import lock_file
from trainables.remote_folder import RemoteFolder

CONTENTS = "contents.json"


def put_data(root: Path, uri: str, *, digest: str) -> bool:
    """Put a data set's files, their list last; return False if this data set is there already.

    Args:
        root: The data set's folder.
        uri: Where it goes.
        digest: What identifies its content.

    Raises:
        ValueError: If a file of it cannot be read here; what the storage has is left as it is.
        OSError: If the storage does not answer.
    """
    there = RemoteFolder.at(uri)
    if there.has(CONTENTS) and json.loads(there.read(CONTENTS))["digest"] == digest:
        return False
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    files = {path.relative_to(root).as_posix(): _sha256_of(path) for path in paths}
    there.delete(CONTENTS)
    for name in files:
        there.put(root / name, f"files/{name}")
    there.write(CONTENTS, json.dumps({"digest": digest, "files": files}).encode())
    return True


def _sha256_of(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise ValueError(f"{path}: this file of the data set cannot be read: {error}") from error


def bring_data(uri: str, root: Path) -> None:
    """Bring a data set to a folder of this machine, unless it is there: whole or not at all.

    Raises:
        ValueError: If it is not in the storage, or not as it was put.
        OSError: If the storage does not answer.
    """
    if root.exists():
        return
    lock = lock_file(root.with_name(f".{root.name}.lock"))
    assert lock is not None, "it waited"
    try:
        if not root.exists():
            _bring(RemoteFolder.at(uri), uri, root)
    finally:
        os.close(lock)


def _bring(there: RemoteFolder, uri: str, root: Path) -> None:
    try:
        files = json.loads(there.read(CONTENTS))["files"]
    except FileNotFoundError:
        raise ValueError(f"{uri}: there is no complete data set here.") from None
    partial = root.with_name(f".{root.name}.partial")
    for name, sha256 in files.items():
        target = partial / name
        if not target.is_file() or sha256_of(target) != sha256:
            there.get(f"files/{name}", target)
            if sha256_of(target) != sha256:
                shutil.rmtree(partial)
                raise ValueError(f"{uri}: {name} is not what was put there.")
    partial.rename(root)

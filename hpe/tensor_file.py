"""Named tensors as a safetensors file that whoever may read other files may read."""

import stat
import uuid
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors, which are contiguous and share no memory, with texts about them.

    safetensors writes a temporary file that its owner alone may read, and renames it.
    """
    save_file(dict(tensors), path, None if metadata is None else dict(metadata))
    permit_as_new(path)


def permit_as_new(path: Path) -> None:
    """Give a file the permissions of a new one in its folder, however its writer made it.

    They are seen on one that is made for this: to ask the system for the umask is to change it, for
    all threads. Its name is one that `hpe.whole_file.is_temporary` knows.
    """
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.new")
    try:
        new.touch()
        path.chmod(stat.S_IMODE(new.stat().st_mode))
    finally:
        new.unlink(missing_ok=True)

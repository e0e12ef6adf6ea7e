"""Artifacts and states as files: safetensors for tensors, JSON for everything else."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hpe.phases.phase import Artifacts
from hpe.tensor_file import save_tensors
from hpe.whole_file import replacing, sha256_of, write_text

FACTS = "facts.json"
TENSORS = ".safetensors"
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


def write_artifacts(folder: Path, artifacts: Artifacts) -> list[Path]:
    """Write artifacts into a folder and return the files, which are on the disk then."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for group, tensors in artifacts.tensors.items():
        files.append(folder / f"{group}{TENSORS}")
        write_tensors(files[-1], tensors, durable=True)
    files.append(folder / FACTS)
    write_text(files[-1], json.dumps(dict(artifacts.facts), indent=1, allow_nan=False))
    return files


def read_artifacts(files: Sequence[Path]) -> Artifacts:
    """Return what `write_artifacts` wrote to these files."""
    tensors = {path.stem: load_file(path) for path in files if path.suffix == TENSORS}
    (facts,) = (path for path in files if path.name == FACTS)
    return Artifacts(tensors=tensors, facts=json.loads(facts.read_text(encoding="utf-8")))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], *, durable: bool) -> str:
    """Write named tensors and return the file's SHA-256; `durable` as in `hpe.whole_file`.

    Raises:
        OSError: If the disk does not take them; the file is as it was then.
    """
    with replacing(path, durable=durable) as temporary:
        on_cpu = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        with _trouble_of_the_system():
            save_tensors(on_cpu, temporary)
        return sha256_of(temporary)


@contextmanager
def _trouble_of_the_system() -> Iterator[None]:
    """Raise as OSError what safetensors raises as an error of its own, such as a full disk."""
    try:
        yield
    except SafetensorError as error:
        found = _OS_ERROR.search(str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error

"""Artifacts and states as files: safetensors for tensors, JSON for everything else."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from hpe.phases.phase import Artifacts
from hpe.whole_file import replacing, sha256_of, write_text

FACTS = "facts.json"
TENSORS = ".safetensors"


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
    """Write named tensors and return the file's SHA-256; `durable` as in `hpe.whole_file`."""
    with replacing(path, durable=durable) as temporary:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, temporary)
        return sha256_of(temporary)

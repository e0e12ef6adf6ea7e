"""A trial's trained networks as one file."""

import json
from pathlib import Path
from typing import Any

from hpe.phases.phase import Artifacts
from hpe.tensor_file import save_tensors

NOT_WEIGHTS = "predictions"


def write_weights(artifacts: Artifacts, path: Path) -> None:
    """Write a stage's weights, with its facts, as one file that `--from-weights` reads."""
    tensors = {
        f"{group}.{name}": tensor.contiguous()
        for group, members in artifacts.tensors.items()
        if group != NOT_WEIGHTS
        for name, tensor in members.items()
    }
    facts: dict[str, Any] = dict(artifacts.facts)
    save_tensors(tensors, path, metadata={"facts": json.dumps(facts)})

"""A report's weights file, of an untrained pose network."""

import json
from pathlib import Path

from safetensors.torch import save_file

from tests.hpe.evaluation.untrained import pose_artifacts


def write_pose_weights(path: Path, *, scale: float = 1.0) -> Path:
    """Write the file as `sweep.report.writing` does, weights scaled, and return its path."""
    artifacts = pose_artifacts()
    tensors = {
        f"{group}.{name}": scale * tensor.contiguous()
        for group, members in artifacts.tensors.items()
        for name, tensor in members.items()
    }
    facts = {**artifacts.facts, "phase": "finetune"}
    save_file(tensors, path, metadata={"facts": json.dumps(facts)})
    return path

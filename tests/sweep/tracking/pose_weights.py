"""A report's weights file, of an untrained pose network."""

import json
from pathlib import Path

from safetensors.torch import save_file

from tests.hpe.evaluation.untrained import pose_artifacts


def write_pose_weights(path: Path) -> Path:
    """Write the file as `sweep.report.writing` does and return its path."""
    artifacts = pose_artifacts()
    tensors = {
        f"{group}.{name}": tensor.contiguous()
        for group, members in artifacts.tensors.items()
        for name, tensor in members.items()
    }
    facts = {**artifacts.facts, "phase": "finetune"}
    save_file(tensors, path, metadata={"facts": json.dumps(facts)})
    return path

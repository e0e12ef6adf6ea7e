"""Untrained lifting networks, as a stage of lift leaves them."""

import torch

from hpe.models.lifting import LiftingConfig, build_lifter
from hpe.phases.lift_batches import lifted_batch
from hpe.phases.phase import Artifacts
from hpe.phases.recorded_poses import read_poses
from tests.hpe.phases.body_fakes import FakeBodies

NETWORK = LiftingConfig(width=16, blocks=1)


def lifter_artifacts(inputs="camera"):
    """Standardise by a few bodies, so that millimetres come out."""
    lifter = build_lifter(NETWORK, seed=4)
    batch = lifted_batch(read_poses(FakeBodies(first=50, count=6)), inputs)
    with torch.no_grad():
        lifter.standardise(batch.inputs, batch.joints_mm)
    return Artifacts(
        tensors={"lifter": lifter.state_dict()},
        facts={
            "phase": "lift",
            "network": NETWORK.model_dump(mode="json"),
            "inputs": inputs,
        },
    )

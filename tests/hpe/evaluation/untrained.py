"""Untrained pose networks."""

import torch

from hpe.evaluation.pose_model import PoseModel, load_pose_model
from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.pose_heads import PoseHeadConfig, build_pose_head
from hpe.models.root_denoiser import RootDenoiser
from hpe.phases.phase import Artifacts

ENCODER = EncoderConfig(width=4)
IMAGE_PX = 40


def pose_artifacts(**head) -> Artifacts:
    """What finetuning would leave, of a network that says a spread-out hand whatever it sees."""
    config = PoseHeadConfig(**head)
    encoder = build_encoder(ENCODER, seed=1)
    network = build_pose_head(config, encoder, seed=1)
    generator = torch.Generator().manual_seed(2)
    network.start_from(torch.rand(21, 3, generator=generator) - 0.5)
    for parameter in network.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.05, generator=generator)
    tensors = {"encoder": encoder.state_dict(), "head": network.state_dict()}
    if config.denoiser:
        tensors["denoiser"] = RootDenoiser(seed=1).state_dict()
    return Artifacts(
        tensors=tensors,
        facts={
            "encoder": ENCODER.model_dump(mode="json"),
            "head": config.model_dump(mode="json"),
            "image_px": IMAGE_PX,
        },
    )


def pose_model(**head) -> PoseModel:
    return load_pose_model(pose_artifacts(**head), torch.device("cpu"))

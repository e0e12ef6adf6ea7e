"""A trained body network, put together again from what a phase left behind."""

import json
from dataclasses import dataclass

import torch

from hpe.evaluation.given_network import settings_are_known, weights_are_of
from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.volumetric import BodyHeadConfig, build_body_head
from hpe.phases.body_network import BodyNetwork
from hpe.phases.phase import Artifacts
from hpe.phases.precision import Numerics

NEEDED_FACTS = ("encoder", "head", "width_px", "height_px")


@dataclass(frozen=True)
class BodyModel:
    """A body network in evaluation mode.

    Attributes:
        network: From images to joints in S4's coordinates.
        width_px: Width of its images.
        height_px: Height of them.
        head: What the settings of its head were.
    """

    network: BodyNetwork
    width_px: int
    height_px: int
    head: BodyHeadConfig


def load_body_model(artifacts: Artifacts, device: torch.device) -> BodyModel:
    """Return the network that a stage of `body_pose` describes, in float32.

    Raises:
        ValueError: If the artifacts are not those of a body network, or do not fit together.
    """
    tensors, facts = artifacts.tensors, artifacts.facts
    missing = [name for name in ("encoder", "head") if name not in tensors]
    missing += [f"the fact {name}" for name in NEEDED_FACTS if name not in facts]
    if missing:
        raise ValueError(
            "a body network is made of encoder, head and what their settings were; missing: "
            f"{', '.join(missing)}. Give a stage of the phase body_pose."
        )
    with settings_are_known():
        encoder_config = EncoderConfig.model_validate_json(json.dumps(facts["encoder"]))
        head_config = BodyHeadConfig.model_validate_json(json.dumps(facts["head"]))
    encoder = build_encoder(encoder_config.model_copy(update={"init": "random"}), seed=0)
    head = build_body_head(head_config, encoder, seed=0)
    with weights_are_of(encoder_config.name):
        encoder.load_state_dict(dict(tensors["encoder"]))
        head.load_state_dict(dict(tensors["head"]))
    numerics = Numerics(device, "fp32", channels_last=True)
    network = numerics.placed(BodyNetwork(encoder, head, numerics)).eval().requires_grad_(False)
    return BodyModel(network, int(facts["width_px"]), int(facts["height_px"]), head_config)

"""A trained pose network, put together again from what finetuning left behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from hpe.evaluation.given_network import settings_are_known, weights_are_of
from hpe.geometry.palm import Root
from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.pose_heads import PoseHeadConfig, build_pose_head
from hpe.models.root_denoiser import RootDenoiser
from hpe.phases.phase import Artifacts
from hpe.phases.precision import EncodedHead, Numerics

NEEDED_FACTS = ("encoder", "image_px")
FIRST_HEAD: Mapping[str, Any] = {"kind": "linear"}  # of stages from before there were others


@dataclass(frozen=True)
class PoseModel:
    """A pose network in evaluation mode.

    Attributes:
        network: From crops to (u_n, v_n, zr) per joint (`hpe.geometry.decoding`).
        image_px: Side of its crops.
        root: The joint that it predicts in the wrist's place.
        denoiser: Corrects the analytic root depth, where one was trained.
    """

    network: EncodedHead
    image_px: int
    root: Root
    denoiser: RootDenoiser | None

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
        return self.network.numerics.device


def best_device() -> torch.device:
    """Return the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_pose_model(artifacts: Artifacts, device: torch.device) -> PoseModel:
    """Return the network that a finetuning stage's artifacts describe.

    It is computed in float32 whatever it was trained in.

    Raises:
        ValueError: If the artifacts are not those of a pose network, or do not fit together.
    """
    tensors, facts = artifacts.tensors, artifacts.facts
    missing = [name for name in ("encoder", "head") if name not in tensors]
    missing += [f"the fact {name}" for name in NEEDED_FACTS if name not in facts]
    if missing:
        raise ValueError(
            f"a pose network is made of encoder, head and what their settings were; "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there. Give a "
            f"finetuning stage: a pretrained encoder alone says no pose."
        )
    encoder_config, head_config = _settings(facts)
    encoder = build_encoder(encoder_config.model_copy(update={"init": "random"}), seed=0)
    head = build_pose_head(head_config, encoder, seed=0)
    denoiser = RootDenoiser(seed=0) if "denoiser" in tensors else None
    with weights_are_of(encoder_config.name):
        encoder.load_state_dict(tensors["encoder"])
        head.load_state_dict(tensors["head"])
        if denoiser is not None:
            denoiser.load_state_dict(tensors["denoiser"])
    numerics = Numerics(device, "fp32", channels_last=True)
    network = EncodedHead(encoder, head, numerics, on_maps=head_config.on_maps)
    return PoseModel(
        network=numerics.placed(network).eval().requires_grad_(False),
        image_px=int(facts["image_px"]),
        root=head_config.root,
        denoiser=None if denoiser is None else denoiser.to(device).eval().requires_grad_(False),
    )


def _settings(facts: Mapping[str, Any]) -> tuple[EncoderConfig, PoseHeadConfig]:
    with settings_are_known():
        return (
            EncoderConfig.model_validate(facts["encoder"]),
            PoseHeadConfig.model_validate(facts.get("head", FIRST_HEAD)),
        )

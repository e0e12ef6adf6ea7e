"""A trained segmenter of two hands, put together again from what a phase left behind."""

import json
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate

from hpe.evaluation.given_network import settings_are_known, weights_are_of
from hpe.losses.segmentation import by_hand
from hpe.models.segmenters import SegmenterConfig, build_segmenter
from hpe.phases.phase import Artifacts
from hpe.phases.precision import Numerics

SECTIONS = ("segmenter", "network")
"""Where artifacts have G2, and where they have G1."""


@dataclass(frozen=True)
class MaskModel:
    """A segmenter in evaluation mode.

    Attributes:
        network: From images to logits of both hands' classes.
        numerics: How it is computed.
        image_px: Side of its images.
    """

    network: nn.Module
    numerics: Numerics
    image_px: int

    @torch.no_grad()
    def masks(
        self, images: UInt8[Tensor, "batch _side _side 3"], *, side_px: int
    ) -> UInt8[Tensor, "batch 2 {side_px} {side_px}"]:
        """Return the most probable classes of left and right hand.

        Args:
            images: At the network's own size.
            side_px: Side of the masks, to which logits are resampled linearly.
        """
        logits = self.numerics.encode(self.network, images)
        if side_px != self.image_px:
            logits = interpolate(logits, size=(side_px, side_px), mode="bilinear")
        return by_hand(logits).argmax(dim=2).to("cpu", torch.uint8)


def load_mask_model(artifacts: Artifacts, device: torch.device) -> MaskModel:
    """Return the segmenter that artifacts describe, in float32.

    Raises:
        ValueError: If they are not those of a segmenter, or do not fit together.
    """
    tensors, facts = artifacts.tensors, artifacts.facts
    section = next((name for name in SECTIONS if name in tensors and name in facts), None)
    if section is None or "image_px" not in facts:
        raise ValueError(
            "a segmenter is made of its weights, what its settings were and the side of its "
            f"images; got {', '.join(tensors) or 'no weights'} with the facts "
            f"{', '.join(facts) or 'of nothing'}. Give a stage of generator, pseudo_labels or "
            "paired."
        )
    with settings_are_known():
        config = SegmenterConfig.model_validate_json(json.dumps(facts[section]))
    network = build_segmenter(config.model_copy(update={"weights": None}), seed=0)
    with weights_are_of(config.encoder):
        network.load_state_dict(dict(tensors[section]))
    numerics = Numerics(device, "fp32", channels_last=True)
    placed = numerics.placed(network).eval().requires_grad_(False)
    return MaskModel(placed, numerics, int(facts["image_px"]))

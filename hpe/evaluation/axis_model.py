"""A trained encoder-decoder, put together again, and what it says of whole pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from hpe.augment.crop import Frame, normalized_from_source, picture_square
from hpe.augment.geometric import Pose, robust_poses
from hpe.augment.warp import warp
from hpe.evaluation.boxes import HandCrop
from hpe.evaluation.given_network import settings_are_known, weights_are_of
from hpe.geometry.affine import Affine, compose, homogeneous, pixels_from_normalized
from hpe.geometry.target_space import TargetSpace
from hpe.models.axis_decoders import DecoderConfig, build_decoder
from hpe.models.decoded_axes import DecodedAxes
from hpe.models.encoder_decoder import EncoderDecoder
from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.phases.encoder_decoder_config import TargetConfig, target_space
from hpe.phases.phase import Artifacts
from hpe.phases.precision import Numerics

NEEDED_FACTS = ("encoder", "decoder", "target", "image_px")

Picture = UInt8[np.ndarray, "_height _width 3"]


@dataclass(frozen=True)
class AxisModel:
    """An encoder-decoder in evaluation mode.

    Attributes:
        network: From images to distributions along axes.
        numerics: How it is computed.
        space: Where it says joints.
        frame: What it is shown.
    """

    network: EncoderDecoder
    numerics: Numerics
    space: TargetSpace
    frame: Frame

    @torch.no_grad()
    def decoded(self, images: UInt8[Tensor, "batch side side 3"]) -> DecodedAxes:
        """Return where it says joints are, in shares of its box, and the distributions behind."""
        said: DecodedAxes = self.network(self.numerics.network_input(images))
        return said

    def points(self, images: UInt8[Tensor, "batch side side 3"]) -> Float[Tensor, "batch 21 3"]:
        """Return where it says joints are, in the unit of its space."""
        points: Tensor = self.space.box.points(self.decoded(images).shares)
        return points


def load_axis_model(artifacts: Artifacts, device: torch.device) -> AxisModel:
    """Return the network that an encoder-decoder stage's artifacts describe, in float32.

    Raises:
        ValueError: If the artifacts are not those of an encoder-decoder, or do not fit together.
    """
    tensors, facts = artifacts.tensors, artifacts.facts
    missing = [name for name in ("encoder", "decoder") if name not in tensors]
    missing += [f"the fact {name}" for name in NEEDED_FACTS if name not in facts]
    if missing:
        raise ValueError(
            f"an encoder-decoder is made of its weights and what its settings were; missing: "
            f"{', '.join(missing)}. Give a stage of the phase encoder_decoder."
        )
    encoder_config, decoder_config, target = _settings(facts)
    encoder = build_encoder(encoder_config.model_copy(update={"init": "random"}), seed=0)
    decoder = build_decoder(decoder_config, channels=encoder.pyramid_channels, seed=0)
    with weights_are_of(encoder_config.name):
        encoder.load_state_dict(tensors["encoder"])
        decoder.load_state_dict(tensors["decoder"])
    numerics = Numerics(device, "fp32", channels_last=True)
    network = numerics.placed(EncoderDecoder(encoder, decoder)).eval().requires_grad_(False)
    space = target_space(target, image_px=int(facts["image_px"]))
    return AxisModel(network, numerics, space, target.frame)


def predict_pictures(
    model: AxisModel,
    pictures: Sequence[Picture],
    intrinsics: Float[np.ndarray, "pictures 3 3"],
    *,
    rotations: int = 1,
    mirrored: bool = False,
    unit_m: Float[Tensor, " pictures"] | None = None,
) -> Float[Tensor, "pictures 21 3"]:
    """Return hands in camera coordinates, in metres: the mean over views, turned back in space.

    Args:
        model: The network, trained on whole pictures.
        pictures: RGB.
        intrinsics: Their K.
        rotations: Views of each, evenly over a full turn.
        mirrored: Whether as many mirrored ones are averaged with them.
        unit_m: Length of the network's unit for each hand, where that is a bone.

    Raises:
        ValueError: If the network was trained on crops of hands, whose place nobody says here, or
            speaks in lengths of a bone that is not given.
    """
    if model.frame == "hand":
        raise ValueError(
            "predicting whole pictures takes a network that was trained on them: train with "
            "target/frame=principal_point (or picture), got target/frame=hand."
        )
    if unit_m is None and model.space.unit != "mm":
        raise ValueError(
            f"the network says joints in lengths of a {model.space.unit}, whose length is not "
            "given; train with target/unit=mm."
        )
    if unit_m is None:
        unit_m = torch.full((len(pictures),), 1e-3, dtype=torch.float64)
    squares = [
        whole_picture(model, picture, matrix)
        for picture, matrix in zip(pictures, intrinsics, strict=True)
    ]
    poses = robust_poses(rotations=rotations, mirrored=mirrored)
    return hands_in_squares(model, pictures, intrinsics, squares, poses=poses, unit_m=unit_m)


def whole_picture(
    model: AxisModel, picture: Picture, intrinsics: Float[np.ndarray, "3 3"]
) -> HandCrop:
    """Return the square that a network for whole pictures looks at."""
    height_px, width_px = picture.shape[:2]
    (x, y), half_side_px = picture_square(
        height_px=height_px,
        width_px=width_px,
        intrinsics=intrinsics if model.frame == "principal_point" else None,
    )
    return HandCrop((float(x), float(y)), half_side_px)


def hands_in_squares(
    model: AxisModel,
    pictures: Sequence[Picture],
    intrinsics: Float[np.ndarray, "pictures 3 3"],
    squares: Sequence[HandCrop],
    *,
    poses: Sequence[Pose],
    unit_m: Float[Tensor, " pictures"],
) -> Float[Tensor, "pictures 21 3"]:
    """Return the hands in squares of pictures, in camera coordinates, in metres.

    Args:
        model: The network.
        pictures: RGB.
        intrinsics: Their K.
        squares: Where to look in each.
        poses: How the views lie over the squares; the result is the mean over them, turned back.
        unit_m: Length of the network's unit for each hand.
    """
    hands = []
    for pose in poses:
        seen = [
            view_in_pose(model, picture, square, pose)
            for picture, square in zip(pictures, squares, strict=True)
        ]
        points = model.points(torch.from_numpy(np.stack([image for image, _ in seen])))
        matrices = [homogeneous(a) @ k for (_, a), k in zip(seen, intrinsics, strict=True)]
        stacked = torch.from_numpy(np.stack(matrices))
        hands.append(model.space.joints_m(points.double().cpu(), stacked, unit_m=unit_m))
    return torch.stack(hands).mean(dim=0)


def view_in_pose(
    model: AxisModel, picture: Picture, square: HandCrop, pose: Pose
) -> tuple[UInt8[np.ndarray, "side side 3"], Affine]:
    """Return what the network sees, and the map to it from the picture's pixels."""
    crop = normalized_from_source(np.array(square.center_px), square.half_side_px)
    side_px = model.space.side_px
    to_view = compose(pixels_from_normalized(side_px), compose(pose.affine(), crop))
    return warp(picture, source_to_view=to_view, side_px=side_px).image, to_view


def _settings(facts: Mapping[str, Any]) -> tuple[EncoderConfig, DecoderConfig, TargetConfig]:
    with settings_are_known():
        return (
            EncoderConfig.model_validate(facts["encoder"]),
            DecoderConfig.model_validate(facts["decoder"]),
            TargetConfig.model_validate(facts["target"]),
        )

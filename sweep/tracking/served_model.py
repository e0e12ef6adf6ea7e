"""The winner as an MLflow model: `mlflow.pyfunc.load_model` loads it, `predict` takes pictures.

The model is a weights file and the name of this module, no pickled object, so loading it runs no
code that came with it; it needs this project installed, as its metadata says. It looks at pictures
as `sweep/predict.py` does where nothing but the pictures is given.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from hpe.data.hand_masks import HANDS
from hpe.evaluation.axis_model import load_axis_model
from hpe.evaluation.body_model import load_body_model
from hpe.evaluation.boxes import Box, centered_box, crop_of_box
from hpe.evaluation.mask_model import load_mask_model
from hpe.evaluation.pose_model import best_device, load_pose_model
from hpe.evaluation.single_axes import predict_hand_by_axes
from hpe.evaluation.single_body import centered_rectangle, predict_body
from hpe.evaluation.single_hand import assumed_camera, predict_hand
from hpe.evaluation.single_masks import predict_masks
from hpe.geometry.body_skeleton import NUM_BODY_JOINTS
from hpe.geometry.skeleton import NUM_JOINTS
from hpe.phases.encoder_decoder_config import TargetConfig
from hpe.phases.phase import Artifacts
from sweep.trials import Trial
from sweep.weights import read_weights_file

FINETUNE = "finetune"

Picture = UInt8[np.ndarray, "height width 3"]
Said = dict[str, np.ndarray]
"""What is said of one picture by name, or of several along a first axis."""
Look = Callable[[Picture], Said]


@dataclass(frozen=True)
class Output:
    """One of what a model says of a picture.

    Attributes:
        name: Its name.
        shape: Of what it says of one picture; -1 is a side of the picture.
        dtype: Of its numbers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: type[np.generic] = np.float64


@dataclass(frozen=True)
class Serving:
    """How the networks of a phase are served.

    Attributes:
        load: Put a network together that looks at one picture.
        outputs: What it will say, in the order of names.
    """

    load: Callable[[Artifacts, torch.device], Look]
    outputs: Callable[[Artifacts], tuple[Output, ...]]


class ServedModel:
    """What `mlflow.pyfunc.load_model` gives."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def predict(
        self,
        images: UInt8[np.ndarray, "pictures height width 3"],
        _params: Mapping[str, Any] | None = None,
    ) -> Said:
        """Return what is seen in each RGB picture (docs/search.md names the outputs)."""
        said = [self._look(image) for image in np.asarray(images)]
        return {name: np.stack([one[name] for one in said]) for name in said[0]}


def _hands(artifacts: Artifacts, device: torch.device) -> Look:
    """Say the right hand in a picture's middle, for an assumed focal length.

    `joints_bone` are in the camera, in lengths of the middle finger's first bone.
    """
    model = load_pose_model(artifacts, device)

    def look(image: Picture) -> Said:
        size = _size(image)
        hand = predict_hand(model, image, crop_of_box(centered_box(**size)), assumed_camera(**size))
        return {"keypoints_px": hand.keypoints_px, "joints_bone": hand.joints}

    return look


def _hands_by_axes(artifacts: Artifacts, device: torch.device) -> Look:
    """Say the hand in a picture's middle, or in the whole picture, as the network was trained.

    Joints are in the camera, for an assumed focal length: `joints_m`, or `joints_bone` of networks
    that speak in lengths of the index finger's first bone.
    """
    model = load_axis_model(artifacts, device)

    def look(image: Picture) -> Said:
        size = _size(image)
        crop = crop_of_box(centered_box(**size)) if model.frame == "hand" else None
        hand = predict_hand_by_axes(model, image, crop, assumed_camera(**size)).hand
        return {"keypoints_px": hand.keypoints_px, f"joints_{hand.unit}": hand.joints}

    return look


def _bodies(artifacts: Artifacts, device: torch.device) -> Look:
    """Say the body in the largest 3:4 box in a picture's middle, for an assumed focal length.

    `depth_mm` is relative to the pelvis, `joints_mm` are in the camera.
    """
    model = load_body_model(artifacts, device)

    def look(image: Picture) -> Said:
        size = _size(image)
        body = predict_body(model, image, centered_rectangle(**size), assumed_camera(**size))
        return {
            "keypoints_px": body.keypoints_px,
            "depth_mm": body.depth_mm,
            "joints_mm": body.joints_mm,
        }

    return look


def _masks(artifacts: Artifacts, device: torch.device) -> Look:
    """Say the class of each pixel, for the left and for the right hand, in the whole picture."""
    model = load_mask_model(artifacts, device)

    def look(image: Picture) -> Said:
        height_px, width_px = image.shape[:2]
        whole = Box(0.0, 0.0, float(width_px), float(height_px))
        return {"masks": predict_masks(model, image, whole)}

    return look


def _size(image: Picture) -> dict[str, int]:
    return {"height_px": image.shape[0], "width_px": image.shape[1]}


def _said_by_axes(artifacts: Artifacts) -> tuple[Output, ...]:
    unit = TargetConfig.model_validate(artifacts.facts["target"]).unit
    joints = "joints_m" if unit == "mm" else "joints_bone"
    return KEYPOINTS, Output(joints, (NUM_JOINTS, 3))


KEYPOINTS = Output("keypoints_px", (NUM_JOINTS, 2))
SAID_OF_HANDS = (KEYPOINTS, Output("joints_bone", (NUM_JOINTS, 3)))
SAID_OF_BODIES = (
    Output("keypoints_px", (NUM_BODY_JOINTS, 2)),
    Output("depth_mm", (NUM_BODY_JOINTS,)),
    Output("joints_mm", (NUM_BODY_JOINTS, 3)),
)
SAID_OF_MASKS = (Output("masks", (len(HANDS), -1, -1), np.uint8),)
MASKS = Serving(_masks, lambda _: SAID_OF_MASKS)

SERVED: Mapping[str, Serving] = MappingProxyType(
    {
        FINETUNE: Serving(_hands, lambda _: SAID_OF_HANDS),
        "encoder_decoder": Serving(_hands_by_axes, _said_by_axes),
        "body_pose": Serving(_bodies, lambda _: SAID_OF_BODIES),
        "generator": MASKS,
        "pseudo_labels": MASKS,
        "paired": MASKS,
    }
)
"""By the phase that the artifacts' facts name."""


def serving_of(artifacts: Artifacts) -> Serving:
    """Return how a network is served; one whose phase is not known is one of finetuning."""
    return SERVED[artifacts.facts.get("phase", FINETUNE)]


def _load_pyfunc(path: str) -> ServedModel:
    """Return the model; the name and the argument are MLflow's."""
    artifacts = read_weights_file(Path(path))
    return ServedModel(serving_of(artifacts).load(artifacts, best_device()))


def can_be_served(trial: Trial | None) -> bool:
    """Say whether what a trial's last phase leaves is a network that this module can load."""
    return trial is not None and bool(trial.stages) and trial.stages[-1].phase in SERVED

"""`sweep/predict.py` for networks of all phases but finetuning: pictures, and what is seen."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from hpe.data.hand_masks import HANDS, NUM_CLASSES
from hpe.evaluation.axis_model import AxisModel, load_axis_model
from hpe.evaluation.body_model import load_body_model
from hpe.evaluation.boxes import Box, crop_of_box
from hpe.evaluation.mask_model import load_mask_model
from hpe.evaluation.pose_model import best_device
from hpe.evaluation.single_axes import PredictedAxes, predict_hand_by_axes
from hpe.evaluation.single_body import PredictedBody, centered_rectangle, predict_body
from hpe.evaluation.single_hand import REFINEMENTS, camera_for
from hpe.evaluation.single_masks import predict_masks
from hpe.phases.phase import Artifacts
from hpe.viz.axis_sheets import draw_distributions
from hpe.viz.body_sheets import draw_body
from hpe.viz.hands import Image, captioned, enlarged
from hpe.viz.segmentation_sheets import overlaid
from hpe.viz.stick_figures import draw_stick_figure
from hpe.whole_file import write_text
from sweep.drawn_hand import DRAWN_PX, FOCAL_ASSUMED, NOT_RECOGNISED, drawn_hand
from sweep.first_boxes import FirstBoxes
from sweep.messages import shown_path
from sweep.picture_files import read_picture, say, write_picture

WHOLE = "the whole picture (no box was given)"
WHOLE_FRAME = "the whole picture, about its middle"
RECTANGLE = "the largest 3:4 rectangle in the middle (no box was given)"


@dataclass(frozen=True)
class Looking:
    """How an encoder-decoder looks at a hand.

    Attributes:
        bone_mm: Length of the index finger's MCP-PIP bone; None where nobody says.
        rotations: Views, evenly over a full turn, that the result is the mean of.
        mirrored: Whether as many mirrored ones are averaged with them.
        refinements: How often it crops anew around what it sees.
    """

    bone_mm: float | None
    rotations: int
    mirrored: bool
    refinements: int


@dataclass(frozen=True)
class Pictures:
    """Pictures to look at.

    Attributes:
        paths: The files.
        boxes: Where to look in each.
        focal_px: The camera's focal length; None where nobody says.
        folder: Where to write.
        network: Which network looks, in words.
        looking: How it looks, for those that can look in several ways.
    """

    paths: Sequence[Path]
    boxes: FirstBoxes
    focal_px: float | None
    folder: Path
    network: str
    looking: Looking

    def write(self, record: Mapping[str, Any]) -> None:
        """Write what was seen, beside the pictures."""
        target = self.folder / "predictions.json"
        write_text(
            target, json.dumps({"network": self.network, **record}, indent=1, allow_nan=False)
        )
        say(f"written   {shown_path(target)}: {len(self.paths)} pictures")


def show_masks(artifacts: Artifacts, pictures: Pictures) -> None:
    """Write the class ids of both hands in each picture as PNG, and how they lie over it.

    Raises:
        ValueError: If a picture cannot be read, or the artifacts hold no segmenter.
    """
    model = load_mask_model(artifacts, best_device())
    pictures.folder.mkdir(parents=True, exist_ok=True)
    records = []
    for path in pictures.paths:
        image = read_picture(path)
        height_px, width_px = image.shape[:2]
        given = pictures.boxes.given_in(path.name, height_px=height_px, width_px=width_px)
        box, told = given or (Box(0.0, 0.0, float(width_px), float(height_px)), WHOLE)
        masks = predict_masks(model, image, box)
        for hand, mask in zip(HANDS, masks, strict=True):
            write_picture(pictures.folder / f"{path.stem}.{hand}.png", mask)
        target = pictures.folder / f"{path.stem}.masks.png"
        write_picture(target, _drawn_masks(image, masks))
        pixels = {
            hand: np.bincount(mask.ravel(), minlength=NUM_CLASSES).tolist()
            for hand, mask in zip(HANDS, masks, strict=True)
        }
        records.append({"image": str(path), "box_from": told, "pixels_by_class": pixels})
        say(f"{path.name}: looks at {told}; drawn in {shown_path(target)}")
    pictures.write({"pictures": records})


def show_bodies(artifacts: Artifacts, pictures: Pictures) -> None:
    """Write each picture with its body on it, from the front and from the side, and its joints.

    Raises:
        ValueError: If a picture cannot be read, or the artifacts hold no body network.
    """
    model = load_body_model(artifacts, best_device())
    pictures.folder.mkdir(parents=True, exist_ok=True)
    records = []
    for path in pictures.paths:
        image = read_picture(path)
        size = {"height_px": image.shape[0], "width_px": image.shape[1]}
        given = pictures.boxes.given_in(path.name, **size)
        box, told = given or (centered_rectangle(**size), RECTANGLE)
        camera = camera_for(pictures.focal_px, **size)
        body = predict_body(model, image, box, camera)
        target = pictures.folder / f"{path.stem}.body.png"
        write_picture(target, _drawn_body(image, body, told))
        records.append({"image": str(path), "box_from": told, **body.as_json()})
        say(f"{path.name}: looks at {told}; drawn in {shown_path(target)}")
    say("scale     the box, made 3:4, is taken for 1485 x 1980 mm at the pelvis, as in training")
    if pictures.focal_px is None:
        say("focal     1.2 times the longer side is assumed: distances are a guess (--focal PX)")
    pictures.write({"bodies": records})


def show_axes(artifacts: Artifacts, pictures: Pictures) -> None:
    """Write each picture with its hand on it and in space, what axes say of it, and its joints.

    Raises:
        ValueError: If a picture cannot be read, the artifacts hold no encoder-decoder, or it is
            asked to look where or how it cannot.
    """
    model = load_axis_model(artifacts, best_device())
    looking = pictures.looking
    _require_way_of_looking(model, pictures)
    pictures.folder.mkdir(parents=True, exist_ok=True)
    records = []
    for path in pictures.paths:
        image = read_picture(path)
        size = {"height_px": image.shape[0], "width_px": image.shape[1]}
        camera = camera_for(pictures.focal_px, **size)
        crop, told = None, WHOLE_FRAME
        if model.frame == "hand":
            box, told = pictures.boxes.box_in(path.name, **size)
            crop = crop_of_box(box)
        predicted = predict_hand_by_axes(
            model,
            image,
            crop,
            camera,
            bone_m=None if looking.bone_mm is None else looking.bone_mm / 1000,
            rotations=looking.rotations,
            mirrored=looking.mirrored,
            refinements=looking.refinements,
        )
        hand = predicted.hand
        target = pictures.folder / f"{path.stem}.hand.png"
        write_picture(target, _drawn_axes(image, predicted, told))
        records.append({"image": str(path), "first_box": told, **hand.as_json()})
        unsure = f"; {NOT_RECOGNISED}" if hand.limited else ""
        say(f"{path.name}: starts from {told}; drawn in {shown_path(target)}{unsure}")
    if pictures.focal_px is None:
        say(FOCAL_ASSUMED)
    if model.space.unit != "mm" and looking.bone_mm is None:
        say("scale     unknown: 3D is in lengths of the index finger's first bone (--scale-mm MM)")
    ways = {"rotations": looking.rotations, "mirrored": looking.mirrored}
    pictures.write({**ways, "refinements": looking.refinements, "hands": records})


def _require_way_of_looking(model: AxisModel, pictures: Pictures) -> None:
    if model.space.unit == "mm" and pictures.looking.bone_mm is not None:
        raise ValueError("--scale-mm: this network says millimetres by itself; leave it out.")
    boxes = pictures.boxes
    has_box = boxes.for_all is not None or boxes.file is not None
    if model.frame != "hand" and (has_box or pictures.looking.refinements != REFINEMENTS):
        raise ValueError(
            "this network was trained on whole pictures and looks at nothing else; leave --box, "
            "--boxes and --refinements out."
        )


def _drawn_axes(image: Image, predicted: PredictedAxes, told: str) -> Image:
    beside = None
    if predicted.mass.shape[-1] > 0:
        drawn = draw_distributions(predicted.mass, predicted.shares)
        beside = ("what it says along each axis, upright", drawn)
    return drawn_hand(image, predicted.hand, told=f"starts from {told}", beside=beside)


def _drawn_masks(image: Image, masks: np.ndarray) -> Image:
    panels = [captioned(enlarged(image, side_px=DRAWN_PX), "picture")]
    panels += [
        captioned(enlarged(overlaid(image, mask), side_px=DRAWN_PX), f"{hand} hand")
        for hand, mask in zip(HANDS, masks, strict=True)
    ]
    return np.concatenate(panels, axis=1)


def _drawn_body(image: Image, body: PredictedBody, told: str) -> Image:
    flat = draw_body(image, body.keypoints_px, height_px=DRAWN_PX)
    canvas = np.full((DRAWN_PX, DRAWN_PX, 3), 255, dtype=np.uint8)
    canvas[: flat.shape[0], : flat.shape[1]] = flat[:DRAWN_PX, :DRAWN_PX]
    front, side = (
        enlarged(draw_stick_figure(body.joints_mm, facing="front"), side_px=DRAWN_PX),
        enlarged(draw_stick_figure(body.joints_mm, facing="side"), side_px=DRAWN_PX),
    )
    drawn = np.concatenate([canvas, front, side], axis=1)
    return captioned(drawn, f"looks at {told} | from the front | from the side")


SHOWN_PHASES: Mapping[str, Callable[[Artifacts, Pictures], None]] = MappingProxyType(
    {
        "generator": show_masks,
        "pseudo_labels": show_masks,
        "paired": show_masks,
        "body_pose": show_bodies,
        "encoder_decoder": show_axes,
    }
)
"""By the phase that the artifacts' facts name; all others are shown as finetuned hands."""

ASKED_OF: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        **{phase: frozenset({"--onnx"}) for phase in SHOWN_PHASES},
        "encoder_decoder": frozenset(
            {"--onnx", "--scale-mm", "--rotations", "--mirrored", "--refinements"}
        ),
    }
)
"""Options, beside boxes and focal length, that mean something to each of these."""

"""Predictions for FreiHAND's evaluation set in the format of its leaderboard.

A zip file with nothing but `pred.json` in it: [joints, vertices], a 21 x 3 and a 778 x 3 list per
photograph, in metres, camera coordinates, FreiHAND's order. Vertices are zeros, as is usual where
joints alone are predicted. No label is read: K and the length of the middle MCP-PIP bone are given
to everybody.
"""

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hpe.data.freihand_files import parse_matrices, picture_name
from hpe.data.pictures import read_rgb
from hpe.evaluation.boxes import centered_box, crop_of_box
from hpe.evaluation.inference import hands_in_camera, predict_poses
from hpe.evaluation.pose_model import PoseModel
from hpe.whole_file import replacing

NUM_PHOTOGRAPHS = 3960
NUM_VERTICES = 778
MEMBER = "pred.json"
BATCH = 64


@dataclass(frozen=True)
class EvaluationInputs:
    """What FreiHAND gives to everybody about its evaluation photographs.

    Attributes:
        root: The data set's folder.
        intrinsics: K of each photograph.
        scale_m: Length of the middle MCP-PIP bone of each hand.
    """

    root: Path
    intrinsics: Float[np.ndarray, "photographs 3 3"]
    scale_m: Float[np.ndarray, " photographs"]

    def __len__(self) -> int:
        """Return the number of photographs."""
        return len(self.scale_m)

    def image_path(self, number: int) -> Path:
        """Return where a photograph lies."""
        return self.root / "evaluation" / "rgb" / picture_name(number)


@dataclass(frozen=True)
class EvaluationHands:
    """Predictions for evaluation photographs.

    Attributes:
        hands_m: Joints in camera coordinates.
        limited: Whether a photograph's prediction is that of the first look
            (`hpe.evaluation.inference.PredictedPoses`).
    """

    hands_m: Float[Tensor, "photographs 21 3"]
    limited: tuple[bool, ...]


def read_evaluation_inputs(root: Path) -> EvaluationInputs:
    """Read K and scales; joints and vertices are not looked at.

    Raises:
        ValueError: If a file is missing, or the two do not fit together.
    """
    paths = (root / "evaluation_K.json", root / "evaluation_scale.json")
    missing = [path.name for path in (*paths, root / "evaluation" / "rgb") if not path.exists()]
    if missing:
        raise ValueError(
            f"a FreiHAND submission needs evaluation_K.json, evaluation_scale.json and "
            f"evaluation/rgb in {root}; missing: {', '.join(missing)}. Give the folder of the "
            "original files with --data-dir."
        )
    intrinsics = parse_matrices(paths[0].read_bytes(), paths[0], shape=(3, 3))
    try:
        scale_m = np.array(json.loads(paths[1].read_bytes()), dtype=np.float64).reshape(-1)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{paths[1]} must hold one number per photograph: {error}.") from None
    if len(scale_m) != len(intrinsics):
        raise ValueError(
            f"evaluation_K.json and evaluation_scale.json must have one entry per photograph, got "
            f"{len(intrinsics)} and {len(scale_m)} in {root}."
        )
    return EvaluationInputs(root, intrinsics, scale_m)


def predict_evaluation(
    model: PoseModel,
    inputs: EvaluationInputs,
    *,
    turns: tuple[float, ...] = (0.0,),
    on_batch: Callable[[int], None] = lambda _done: None,
) -> EvaluationHands:
    """Return every photograph's hand.

    Looks twice: at the box in the middle, then at the crop around what it saw there, if that is
    near. The root depth
    is the denoised one where the model has a denoiser, and the scale is the given one.
    """
    hands: list[Tensor] = []
    limited: list[bool] = []
    for start in range(0, len(inputs), BATCH):
        chunk = range(start, min(start + BATCH, len(inputs)))
        images = [read_rgb(inputs.image_path(number)) for number in chunk]
        boxes = [centered_box(height_px=im.shape[0], width_px=im.shape[1]) for im in images]
        crops = [crop_of_box(box) for box in boxes]
        poses = predict_poses(model, images, crops, turns=turns, refinements=1)
        rows = slice(chunk.start, chunk.stop)
        hands.append(
            hands_in_camera(
                model,
                poses,
                torch.from_numpy(inputs.intrinsics[rows]),
                scale_m=torch.from_numpy(inputs.scale_m[rows]),
                denoised=model.denoiser is not None,
            )
        )
        limited += poses.limited
        on_batch(chunk.stop)
    return EvaluationHands(torch.cat(hands), tuple(limited))


def write_submission(path: Path, hands_m: Float[Tensor, "photographs 21 3"]) -> None:
    """Write the zip file that the leaderboard takes.

    Raises:
        ValueError: If a coordinate is not finite.
    """
    if not bool(torch.isfinite(hands_m).all()):
        raise ValueError("a submission must be finite, got nan or infinity among its joints.")
    no_vertices = [[[0.0, 0.0, 0.0]] * NUM_VERTICES] * len(hands_m)
    text = json.dumps([hands_m.tolist(), no_vertices], allow_nan=False)
    with (
        replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", compression=zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr(MEMBER, text)

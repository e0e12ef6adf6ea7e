"""The winner as an MLflow model: `mlflow.pyfunc.load_model` loads it, `predict` takes pictures.

The model is a weights file and the name of this module, no pickled object, so loading it runs no
code that came with it; it needs this project installed, as its metadata says.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from hpe.evaluation.boxes import centered_box, crop_of_box
from hpe.evaluation.pose_model import PoseModel, best_device, load_pose_model
from hpe.evaluation.single_hand import assumed_camera, predict_hand
from sweep.trials import Trial
from sweep.weights import read_weights_file

FINETUNE = "finetune"


class HandPoseModel:
    """What `mlflow.pyfunc.load_model` gives: hands in pictures."""

    def __init__(self, model: PoseModel) -> None:
        self._model = model

    def predict(
        self,
        images: UInt8[np.ndarray, "pictures height width 3"],
        _params: Mapping[str, Any] | None = None,
    ) -> dict[str, Float[np.ndarray, "pictures 21 axes"]]:
        """Return the right hand in the middle of each RGB picture.

        Returns:
            `keypoints_px` in the picture, and `joints_bone`: camera coordinates in lengths of the
            middle finger's first bone, for an assumed focal length of 1.2 times the longer side.
        """
        hands = []
        for image in np.asarray(images):
            height_px, width_px = image.shape[:2]
            crop = crop_of_box(centered_box(height_px=height_px, width_px=width_px))
            camera = assumed_camera(height_px=height_px, width_px=width_px)
            hands.append(predict_hand(self._model, image, crop, camera))
        return {
            "keypoints_px": np.stack([hand.keypoints_px for hand in hands]).astype(np.float64),
            "joints_bone": np.stack([hand.joints for hand in hands]).astype(np.float64),
        }


def _load_pyfunc(path: str) -> HandPoseModel:
    """Return the model; the name and the argument are MLflow's."""
    return HandPoseModel(load_pose_model(read_weights_file(Path(path)), best_device()))


def can_be_served(trial: Trial | None) -> bool:
    """Say whether what a trial's last phase leaves is a network that this module can load."""
    return trial is not None and bool(trial.stages) and trial.stages[-1].phase == FINETUNE

"""The masks of two hands in one photograph."""

import math

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from hpe.augment.crop import normalized_from_source
from hpe.augment.warp import warp
from hpe.evaluation.boxes import Box
from hpe.evaluation.mask_model import MaskModel
from hpe.geometry.affine import Affine, compose, pixels_from_normalized

MOST_PX = 1024
"""Side of the square that logits are resampled to, at most; a larger one is scaled up from it."""


def predict_masks(
    model: MaskModel, image: UInt8[np.ndarray, "height width 3"], box: Box
) -> UInt8[np.ndarray, "2 height width"]:
    """Return the class ids of left and right hand in the photograph's pixels, 0 outside the square.

    Args:
        model: The segmenter.
        image: RGB.
        box: What the network is shown: the square about it with its longer side.
    """
    center_px = np.array([box.x + box.width / 2, box.y + box.height / 2])
    half_side_px = max(box.width, box.height) / 2
    square = normalized_from_source(center_px, half_side_px)
    to_view = compose(pixels_from_normalized(model.image_px), square)
    view = warp(image, source_to_view=to_view, side_px=model.image_px).image
    side_px = min(max(math.ceil(2 * half_side_px), model.image_px), MOST_PX)
    masks = model.masks(torch.from_numpy(view)[None], side_px=side_px)[0].numpy()
    to_masks = compose(pixels_from_normalized(side_px), square)
    return np.stack([_in_photograph(mask, to_masks, image.shape[:2]) for mask in masks])


def _in_photograph(
    mask: UInt8[np.ndarray, "side side"], photograph_to_mask: Affine, shape: tuple[int, ...]
) -> UInt8[np.ndarray, "height width"]:
    matrix = photograph_to_mask.copy()
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # OpenCV's first pixel has its centre at 0
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(mask, matrix, (shape[1], shape[0]), flags=flags))

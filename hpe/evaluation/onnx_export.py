"""A pose network as an ONNX file, compared with the original before it counts."""

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hpe.evaluation.pose_model import PoseModel
from hpe.geometry.decoding import decode_pose
from hpe.whole_file import replacing

TOLERANCE = 1e-3
"""Largest difference in pixels of the view, and in bone lengths, that counts as the same."""

CHECKED_BATCHES = (1, 3)


@dataclass(frozen=True)
class Parity:
    """The largest differences between the file and the network on random views."""

    keypoints_px: float
    depth_rel: float


class _Decoded(nn.Module):
    """From views in [0, 1] to keypoints in their pixels and relative depths."""

    def __init__(self, model: PoseModel) -> None:
        super().__init__()
        self.encoder, self.head = model.network.encoder, model.network.head
        self.on_maps, self.image_px = model.network.on_maps, model.image_px

    def forward(
        self, views: Float[Tensor, "batch 3 side side"]
    ) -> tuple[Float[Tensor, "batch 21 2"], Float[Tensor, "batch 21"]]:
        read = self.encoder.maps(views) if self.on_maps else self.encoder(views)  # type: ignore[operator]
        return decode_pose(self.head(read), image_px=self.image_px)


def export_onnx(model: PoseModel, path: Path) -> Parity:
    """Write a network on the CPU as ONNX and check it with onnxruntime.

    Its input `views` is float32, batch x 3 x side x side, RGB in [0, 1]; its outputs are
    `keypoints_px`, in pixels of the view, and `depth_rel`, in lengths of the scale bone. Crops are
    made outside (`hpe.evaluation.boxes`), and hands lifted outside (`hpe.geometry.decoding`).

    Raises:
        ValueError: If the file says something else than the network; nothing is left behind.
    """
    decoded = _Decoded(model).eval()
    side = model.image_px
    example = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with replacing(path) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own, about its parts
            torch.onnx.export(
                decoded,
                (example,),
                str(temporary),
                input_names=["views"],
                output_names=["keypoints_px", "depth_rel"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        parity = compare_with_onnx(model, temporary)
        if max(parity.keypoints_px, parity.depth_rel) > TOLERANCE:
            raise ValueError(
                f"the ONNX file differs from the network by {parity.keypoints_px:.2g} px and "
                f"{parity.depth_rel:.2g} bone lengths, above {TOLERANCE:g}; it was not kept."
            )
    return parity


def compare_with_onnx(model: PoseModel, path: Path) -> Parity:
    """Return how far a file and a network are apart on random views, in batches of two sizes."""
    runtime: Any = importlib.import_module("onnxruntime")  # a second of import for this alone
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    decoded, side = _Decoded(model).eval(), model.image_px
    apart_px, apart_rel = 0.0, 0.0
    for batch in CHECKED_BATCHES:
        views = torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(batch))
        keypoints_px, depth_rel = session.run(None, {"views": views.numpy()})
        with torch.no_grad():
            own_px, own_rel = decoded(views)
        apart_px = max(apart_px, float(np.abs(keypoints_px - own_px.numpy()).max()))
        apart_rel = max(apart_rel, float(np.abs(depth_rel - own_rel.numpy()).max()))
    return Parity(apart_px, apart_rel)

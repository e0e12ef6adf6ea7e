"""What the networks of each phase are as ONNX: from views in [0, 1] to what they say."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hpe.evaluation.axis_model import AxisModel, load_axis_model
from hpe.evaluation.body_model import BodyModel, load_body_model
from hpe.evaluation.mask_model import MaskModel, load_mask_model
from hpe.evaluation.onnx_export import OnnxNetwork, OnnxOutput
from hpe.evaluation.pose_model import PoseModel, load_pose_model
from hpe.geometry.body_skeleton import NUM_BODY_JOINTS
from hpe.geometry.decoding import decode_pose
from hpe.losses.segmentation import by_hand
from hpe.models.volumetric import DirectHead
from hpe.phases.phase import Artifacts

CPU = torch.device("cpu")


class _Pose(nn.Module):
    """From views to keypoints in their pixels and relative depths."""

    def __init__(self, model: PoseModel) -> None:
        super().__init__()
        self.encoder, self.head = model.network.encoder, model.network.head
        self.on_maps, self.image_px = model.network.on_maps, model.image_px

    def forward(
        self, views: Float[Tensor, "batch 3 side side"]
    ) -> tuple[Float[Tensor, "batch 21 2"], Float[Tensor, "batch 21"]]:
        read = self.encoder.maps(views) if self.on_maps else self.encoder(views)  # type: ignore[operator]
        return decode_pose(self.head(read), image_px=self.image_px)


class _Axes(nn.Module):
    """From views to points of the target space."""

    def __init__(self, model: AxisModel) -> None:
        super().__init__()
        self.network, self.box = model.network, model.space.box

    def forward(
        self, views: Float[Tensor, "batch 3 side side"]
    ) -> tuple[Float[Tensor, "batch 21 3"]]:
        return (self.box.points(self.network(views).shares),)


class _Body(nn.Module):
    """From views to keypoints in their pixels and depths in shares of the volume's."""

    def __init__(self, model: BodyModel) -> None:
        super().__init__()
        self.encoder, self.head = model.network.encoder, model.network.head
        self.size_px = (float(model.width_px), float(model.height_px))
        self.volume = model.head

    def forward(
        self, views: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch 17 2"], Float[Tensor, "batch 17"]]:
        if isinstance(self.head, DirectHead):
            return self._split(self.head(self.encoder(views)))
        volumes = self.head.volumes(self.head.upsampling(self.encoder.maps(views)))
        logits = volumes.unflatten(1, (NUM_BODY_JOINTS, self.volume.depth))
        return self._split(self._points((logits - logits.amax(dim=(2, 3, 4), keepdim=True)).exp()))

    def original(self, views: Tensor) -> tuple[Tensor, ...]:
        """Return what the network says in its own way, sample by sample, which no file can hold."""
        direct = isinstance(self.head, DirectHead)
        return self._split(self.head(self.encoder(views) if direct else self.encoder.maps(views)))

    def _points(
        self, mass: Float[Tensor, "batch 17 depth height width"]
    ) -> Float[Tensor, "batch 17 3"]:
        """Return where the mass is, as `points_of_volume` does of logits.

        Sums go over one axis at a time: long ones lose digits in onnxruntime.
        """
        slices = mass.sum(dim=2)
        sums = (slices.sum(dim=2), slices.sum(dim=3), mass.sum(dim=4).sum(dim=3))
        shares = []
        for along, first in zip(sums, (0, 0, self.volume.first_depth_cell), strict=True):
            cells = torch.arange(along.shape[-1], dtype=mass.dtype) + first
            mean = (along * cells).sum(dim=-1) / along.sum(dim=-1)
            shares.append(mean / along.shape[-1] - 0.5)
        return torch.stack(shares, dim=-1)

    def _split(
        self, points: Float[Tensor, "batch 17 3"]
    ) -> tuple[Float[Tensor, "batch 17 2"], Float[Tensor, "batch 17"]]:
        return (points[..., :2] + 0.5) * points.new_tensor(self.size_px), points[..., 2]


class _Masks(nn.Module):
    """From views to logits of the classes of left and right hand."""

    def __init__(self, model: MaskModel) -> None:
        super().__init__()
        self.network = model.network

    def forward(
        self, views: Float[Tensor, "batch 3 side side"]
    ) -> tuple[Float[Tensor, "batch 2 17 side side"]]:
        return (by_hand(self.network(views)),)


def onnx_of_pose(model: PoseModel) -> OnnxNetwork:
    """Return a finetuned network; crops are made and hands lifted outside (`hpe.geometry`)."""
    outputs = (
        OnnxOutput("keypoints_px", "in pixels of the view", "px", 1e-3),
        OnnxOutput("depth_rel", "in lengths of the scale bone", "bone lengths", 1e-3),
    )
    return OnnxNetwork(_Pose(model), model.image_px, model.image_px, outputs)


def onnx_of_axes(model: AxisModel) -> OnnxNetwork:
    """Return an encoder-decoder; `hpe.geometry.target_space` leads its points to the camera."""
    space = model.space
    speaks_mm = space.unit == "mm"
    unit = "mm" if speaks_mm else "bone lengths"
    meaning = f"joints in the coordinates of target/camera={space.camera}, in {unit}"
    output = OnnxOutput("points", meaning, unit, 1e-2 if speaks_mm else 1e-3)
    return OnnxNetwork(_Axes(model), space.side_px, space.side_px, (output,))


def onnx_of_body(model: BodyModel) -> OnnxNetwork:
    """Return a body network; `hpe.evaluation.single_body` says how deep a view's volume is."""
    outputs = (
        OnnxOutput("keypoints_px", "in pixels of the view", "px", 1e-3),
        OnnxOutput(
            "depth_share",
            "relative to the pelvis, in shares of the volume's depth",
            "of the volume's depth",
            1e-5,
        ),
    )
    body = _Body(model)
    return OnnxNetwork(body, model.height_px, model.width_px, outputs, original=body.original)


def onnx_of_masks(model: MaskModel) -> OnnxNetwork:
    """Return a segmenter."""
    meaning = "batch x left and right hand x 17 classes x side x side"
    output = OnnxOutput("logits", meaning, "in logits", 1e-3)
    return OnnxNetwork(_Masks(model), model.image_px, model.image_px, (output,))


def _pose(artifacts: Artifacts) -> OnnxNetwork:
    return onnx_of_pose(load_pose_model(artifacts, CPU))


def _axes(artifacts: Artifacts) -> OnnxNetwork:
    return onnx_of_axes(load_axis_model(artifacts, CPU))


def _body(artifacts: Artifacts) -> OnnxNetwork:
    return onnx_of_body(load_body_model(artifacts, CPU))


def _masks(artifacts: Artifacts) -> OnnxNetwork:
    return onnx_of_masks(load_mask_model(artifacts, CPU))


ONNX_NETWORKS: Mapping[str, Callable[[Artifacts], OnnxNetwork]] = MappingProxyType(
    {
        "finetune": _pose,
        "encoder_decoder": _axes,
        "body_pose": _body,
        "generator": _masks,
        "pseudo_labels": _masks,
        "paired": _masks,
    }
)
"""Phase -> what its artifacts are as ONNX. The others leave no network that sees pictures and says
something of them."""

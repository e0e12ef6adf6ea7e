"""S4's best model, a torchvision backbone and a deconvolution head, as our body network.

The head's layers (three times transposed convolution, batch norm and ReLU, then a 1 x 1
convolution to 17 volumes) are matched by their order, whatever they are called.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from hpe.geometry.body_skeleton import NUM_BODY_JOINTS
from hpe.models.s3_checkpoint import in_order
from hpe.models.torchvision_format import (
    encoder_from_torchvision,
    is_torchvision,
    resnet_name,
    torchvision_prefix,
)
from hpe.models.volumetric import BodyHeadConfig

DECONVOLUTION = (4, 4)
PER_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class S4Network:
    """S4's network under our names.

    Attributes:
        encoder: Its backbone.
        encoder_name: Which one.
        head: Its head.
        head_config: The head's settings.
    """

    encoder: State
    encoder_name: str
    head: State
    head_config: BodyHeadConfig


def is_s4_network(tensors: State) -> bool:
    """Return whether there is a ResNet with transposed convolutions of 4 x 4 beside it."""
    return is_torchvision(tensors) and bool(_deconvolutions(_beside(tensors)))


def network_of_s4(tensors: State) -> S4Network:
    """Return S4's network.

    Raises:
        ValueError: If the head is not S4's volumetric one.
    """
    beside = _beside(tensors)
    deconvolutions = _deconvolutions(beside)
    last = [n for n, t in beside.items() if t.ndim == 4 and t.shape[2:] == (1, 1)]
    norms = [n.removesuffix(".running_mean") for n in beside if n.endswith(".running_mean")]
    norms = [n.removesuffix(".weight") for n in in_order([f"{norm}.weight" for norm in norms])]
    volumes = beside[last[0]] if len(last) == 1 else None
    expected = 2 + len(deconvolutions) + len(PER_NORM) * len(norms)
    if volumes is None or len(norms) != len(deconvolutions) or len(beside) != expected:
        raise ValueError(
            "beside the ResNet there must be transposed convolutions, a batch norm after each and "
            f"one 1 x 1 convolution, got {', '.join(list(beside)[:4])}, ...; S4's other heads are "
            "not mapped."
        )
    depth, rest = divmod(len(volumes), NUM_BODY_JOINTS)
    if rest:
        raise ValueError(f"the volumes of 17 joints must be alike, got {len(volumes)} channels.")
    head = {}
    for number, (deconvolution, norm) in enumerate(zip(deconvolutions, norms, strict=True)):
        head[f"upsampling.{3 * number}.weight"] = beside[deconvolution]
        head |= {f"upsampling.{3 * number + 1}.{own}": beside[f"{norm}.{own}"] for own in PER_NORM}
    head["volumes.weight"] = volumes
    head["volumes.bias"] = beside[f"{last[0].removesuffix('.weight')}.bias"]
    encoder = encoder_from_torchvision(_backbone(tensors))
    config = BodyHeadConfig(
        depth=depth,
        upsamplings=len(deconvolutions),
        channels=beside[deconvolutions[-1]].shape[1],
        compat="s4" if depth in (64, 72) else "none",
    ).canonical()
    return S4Network(encoder, resnet_name(encoder), head, config)


def _deconvolutions(beside: State) -> list[str]:
    return in_order(
        [n for n, t in beside.items() if t.ndim == 4 and tuple(t.shape[2:]) == DECONVOLUTION]
    )


def _backbone(tensors: State) -> dict[str, Tensor]:
    prefix = torchvision_prefix(tensors)
    kept = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.")
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix) and name.removeprefix(prefix).startswith(kept)
    }


def _beside(tensors: State) -> dict[str, Tensor]:
    """Return what is not the backbone's; a classifier of it, which S4's has not, would be."""
    prefix = torchvision_prefix(tensors)
    own = {f"{prefix}{name}" for name in _backbone(tensors)}
    return {name: tensor for name, tensor in tensors.items() if name not in own}

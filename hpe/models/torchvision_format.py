"""ResNet weights under torchvision's names, as PeCLR releases them, and under this project's.

timm, which builds our ResNets, took over torchvision's names, shapes and order. What differs from
file to file is what stands before and beside the network:

- `conv1.weight`, `fc.weight`: torchvision's files, and PeCLR's released pretrained networks, which
  lie one level down, under `state_dict`;
- `backend_model.conv1.weight`: PeCLR's finetuned network, with its refinement beside it;
- `encoder.features.0.weight`: checkpoints of PeCLR's training, whose encoder is a Sequential of the
  network's parts (conv1, bn1, relu, maxpool, layer1 to layer4); S0's are `encoder.0.weight`.

A classifier or head in place of `fc` is left out.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

TRUNK = "trunk."

_PLACES_IN_SEQUENTIAL: Mapping[str, str] = {
    "0": "conv1",
    "1": "bn1",
    "4": "layer1",
    "5": "layer2",
    "6": "layer3",
    "7": "layer4",
}
_HEADS = ("fc", "final_layer")

_NAMES: Mapping[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}
"""By whether blocks are bottlenecks, and the number of blocks in each layer (He et al., 2016)."""

_WIDER: Mapping[tuple[str, tuple[int, ...]], str] = {
    ("resnet50", (128, 4)): "resnext50_32x4d",
    ("resnet101", (256, 8)): "resnext101_32x8d",
    ("resnet50", (128, 128)): "wide_resnet50_2",
    ("resnet101", (128, 128)): "wide_resnet101_2",
}
"""By the ResNet with as many blocks, and the shape of the first block's middle convolution (Xie et
al., 2017; Zagoruyko and Komodakis, 2016)."""


def is_torchvision(tensors: Mapping[str, Any]) -> bool:
    """Return whether there is a ResNet under torchvision's names, not yet under this project's."""
    tensors = _unnested(tensors)
    ours = any(name.startswith(TRUNK) for name in tensors)
    found = _prefix(tensors), _sequential_prefix(tensors)
    return not ours and found != (None, None)


def encoder_from_torchvision(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the state of an `Encoder` whose ResNet has a checkpoint's weights.

    Counts of batches that batch norms have seen, which the oldest files lack, start at 0.

    Raises:
        ValueError: If the checkpoint holds no ResNet under torchvision's names.
    """
    tensors = _unnested(checkpoint)
    prefix, sequential = _prefix(tensors), _sequential_prefix(tensors)
    if prefix is not None:
        named = _below(tensors, prefix)
    elif sequential is not None:
        named = {_in_sequential(name): t for name, t in _below(tensors, sequential).items()}
    else:
        raise ValueError(
            "weights in torchvision's format must have a conv1.weight and a "
            "layer1.0.conv1.weight, or PeCLR's encoder.features.0.weight and "
            f"encoder.features.4.0.conv1.weight; got {', '.join(list(tensors)[:3])}."
        )
    kept = {name: t for name, t in named.items() if name.partition(".")[0] not in _HEADS}
    for name in [name for name in kept if name.endswith(".running_mean")]:
        counter = f"{name.removesuffix('running_mean')}num_batches_tracked"
        kept.setdefault(counter, torch.tensor(0))
    return {TRUNK + name: tensor for name, tensor in kept.items()}


def torchvision_from_encoder(
    encoder: Mapping[str, Tensor], *, num_classes: int = 0
) -> dict[str, Tensor]:
    """Return the weights of an encoder's ResNet under torchvision's names.

    timm's networks without a classifier take them as they are. torchvision's always have one, `fc`:
    ask for as many classes as the network has, and all their weights are 0.

    Args:
        encoder: The state of an `Encoder` with a ResNet.
        num_classes: Rows of `fc`; 0 leaves it out.

    Raises:
        ValueError: If the encoder is no ResNet.
    """
    resnet_name(encoder)
    named = {name.removeprefix(TRUNK): tensor for name, tensor in encoder.items()}
    if num_classes == 0:
        return named
    last = max((t for t in named.values() if t.ndim == 4), key=len)
    return {
        **named,
        "fc.weight": last.new_zeros(num_classes, len(last)),
        "fc.bias": last.new_zeros(num_classes),
    }


def resnet_name(encoder: Mapping[str, Tensor]) -> str:
    """Return which ResNet's weights the state of an `Encoder` holds.

    Raises:
        ValueError: If it is none that torchvision has.
    """
    parts = [name.removeprefix(TRUNK).split(".") for name in encoder if name.startswith(TRUNK)]
    blocks = tuple(
        len({part[1] for part in parts if part[0] == layer and len(part) > 1})
        for layer in ("layer1", "layer2", "layer3", "layer4")
    )
    has_bottlenecks = f"{TRUNK}layer1.0.conv3.weight" in encoder
    name = _NAMES.get((has_bottlenecks, blocks))
    if name is None:
        raise ValueError(
            f"torchvision's format is for {', '.join(_NAMES.values())}; these weights have "
            f"{blocks} blocks in layers 1 to 4."
        )
    middle = tuple(encoder[f"{TRUNK}layer1.0.conv2.weight"].shape[:2])
    return _WIDER.get((name, middle), name)


def torchvision_prefix(tensors: Mapping[str, Tensor]) -> str:
    """Return what stands before torchvision's names.

    Raises:
        ValueError: If there is no ResNet under these names.
    """
    prefix = _prefix(tensors)
    if prefix is None:
        raise ValueError("there is no ResNet under torchvision's names.")
    return prefix


def _unnested(checkpoint: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """Return the tensors of a checkpoint, which lie in it or under its `state_dict`."""
    inner = checkpoint.get("state_dict", checkpoint)
    return {name: value for name, value in inner.items() if isinstance(value, Tensor)}


def _prefix(tensors: Mapping[str, Tensor]) -> str | None:
    return _before(tensors, "conv1.weight", beside="layer1.0.conv1.weight")


def _sequential_prefix(tensors: Mapping[str, Tensor]) -> str | None:
    return _before(tensors, "0.weight", beside="4.0.conv1.weight")


def _before(tensors: Mapping[str, Tensor], ending: str, *, beside: str) -> str | None:
    """Return what stands before both of these in two tensors' names."""
    prefixes = (name.removesuffix(ending) for name in tensors if name.endswith(ending))
    return next((prefix for prefix in prefixes if prefix + beside in tensors), None)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): tensor for n, tensor in tensors.items() if n.startswith(prefix)}


def _in_sequential(name: str) -> str:
    place, dot, rest = name.partition(".")
    return _PLACES_IN_SEQUENTIAL.get(place, place) + dot + rest

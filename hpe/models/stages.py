"""The stages that a residual network is built of, so that the first can stay as they are."""

from torch import nn

from hpe.models.architectures import EncoderName
from hpe.models.encoders import Encoder

NUM_STAGES = 5
"""The stem and four stages of blocks."""

_RESIDUAL = ("small_resnet", "resnet", "resnext", "wide_resnet")
_TIMM_STEM = ("conv1", "bn1")  # activation and pooling have no weights
_TIMM_STAGES = ("layer1", "layer2", "layer3", "layer4")


def has_stages(name: EncoderName) -> bool:
    """Return whether an encoder is a residual network, whose stages are known."""
    return name.startswith(_RESIDUAL)


def first_stages(encoder: Encoder, count: int, *, name: EncoderName) -> list[nn.Module]:
    """Return the modules that make up an encoder's first stages.

    Args:
        encoder: A residual network.
        count: Stages, the stem included; 4 of them are the first 7 children of torchvision's
            networks, which S4 freezes.
        name: The encoder's architecture.

    Raises:
        ValueError: If stages are asked for of an encoder that is no residual network.
    """
    if count == 0:
        return []
    if not has_stages(name):
        raise ValueError(
            f"stages are known of residual networks ({', '.join(_RESIDUAL)}...), got {name}."
        )
    trunk = encoder.trunk
    if name == "small_resnet":
        blocks = trunk.get_submodule("stages").children()
        stages = [[trunk.get_submodule("stem")], *([block] for block in blocks)]
    else:
        stages = [
            [trunk.get_submodule(part) for part in parts]
            for parts in (_TIMM_STEM, *((stage,) for stage in _TIMM_STAGES))
        ]
    return [module for stage in stages[:count] for module in stage]

"""S3's checkpoint, the state of its whole wrapper, as the networks that our phases train.

`latest.pt` holds G1, G2 and the discriminator under the names of the wrapper's attributes, whatever
those are: networks are told apart by what stands in them. G1 and G2 are segmentation-models-pytorch
networks, whose names ours share; S3's release of that package kept timm's RegNets directly under
`encoder.`, ours keeps them under `encoder.model.`. The discriminator's layers are matched by
their order. S3 decodes pictures with OpenCV and leaves them BGR, so the kernels that read them are
turned round here: the same picture in RGB gives the same masks.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hpe.models.mask_discriminators import DiscriminatorConfig, build_discriminator
from hpe.models.segmenters import SegmenterConfig, outline

G1 = SegmenterConfig(architecture="unet", encoder="xception")
G2 = SegmenterConfig(architecture="unetplusplus", encoder="timm-regnety_032")
D = DiscriminatorConfig(kind="s3", compat="s3")

ENCODER, HEAD = "encoder.", "segmentation_head."
TIMM = "encoder.model."
RGB = 3

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class S3Networks:
    """S3's networks under our names.

    Attributes:
        generator: G1.
        discriminator: D; None where the checkpoint has none.
        segmenter: G2; None likewise.
    """

    generator: State
    discriminator: State | None
    segmenter: State | None


def is_s3_wrapper(tensors: State) -> bool:
    """Return whether there is a segmentation-models-pytorch network below some attribute's name."""
    return bool(_segmenters(tensors))


def networks_of_s3(tensors: State) -> S3Networks:
    """Return S3's networks.

    Raises:
        ValueError: If G1 is not among them, or one is of another architecture than S3 published.
    """
    generator = segmenter = None
    for prefix in _segmenters(tensors):
        state = _below(tensors, prefix)
        if any(name.startswith("decoder.blocks.x_") for name in state):
            segmenter = _segmenter(state, G2, place=prefix)
        else:
            generator = _segmenter(state, G1, place=prefix)
    if generator is None:
        raise ValueError(
            "S3's first generator, a Unet on Xception, is not in it: below the names that have "
            f"segmentation networks, {', '.join(_segmenters(tensors))}, are none of that kind. "
            "The other networks that S3 could choose are not mapped."
        )
    return S3Networks(generator, _discriminator(tensors), segmenter)


def _segmenters(tensors: State) -> list[str]:
    """Return what stands before the names of each segmentation network."""
    found = (name.partition(HEAD) for name in tensors if HEAD in name)
    return sorted({before for before, _, _ in found if any(_starts(tensors, before + ENCODER))})


def _segmenter(state: State, config: SegmenterConfig, *, place: str) -> dict[str, Tensor]:
    own = outline(config)
    is_nested = any(name.startswith(TIMM) for name in own)
    was_nested = any(name.startswith(TIMM) for name in state)
    named = dict(state)
    if is_nested and not was_nested:
        named = {
            f"{TIMM}{name.removeprefix(ENCODER)}" if name.startswith(ENCODER) else name: tensor
            for name, tensor in state.items()
        }
    _require(named, own, what=f"{place.rstrip('.')}: {config.architecture} on {config.encoder}")
    return {name: _reading_rgb(name, named[name]) for name in own}


def _reading_rgb(name: str, tensor: Tensor) -> Tensor:
    reads_picture = name.startswith(ENCODER) and tensor.ndim == 4 and tensor.shape[1] == RGB
    return tensor.flip(1) if reads_picture else tensor


def _discriminator(tensors: State) -> dict[str, Tensor] | None:
    """Return S3's discriminator; its layers are in the same order as ours."""
    rest = [name for name in tensors if not any(name.startswith(p) for p in _segmenters(tensors))]
    if not rest:
        return None
    own = build_discriminator(D, seed=0).state_dict()
    theirs = in_order(rest)
    fits = len(theirs) == len(own) and all(
        tensors[name].shape == mine.shape for name, mine in zip(theirs, own.values(), strict=True)
    )
    if not fits:
        raise ValueError(
            f"what is beside the segmentation networks ({', '.join(theirs[:3])}, ...) is not the "
            f"discriminator of S3's code: {len(own)} tensors of its shapes are expected, got "
            f"{len(theirs)}."
        )
    return {mine: tensors[name] for mine, name in zip(own, theirs, strict=True)}


OF_A_LAYER = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
"""A layer's tensors in the order of PyTorch's states."""


def in_order(names: Sequence[str]) -> list[str]:
    """Return names of a Sequential's tensors in the order of its layers; numbers by their value."""

    def rank(name: str) -> tuple[list[tuple[int, str]], int]:
        layer, _, last = name.rpartition(".")
        parts = [
            (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"\.", layer)
        ]
        return parts, OF_A_LAYER.index(last) if last in OF_A_LAYER else len(OF_A_LAYER)

    return sorted(names, key=rank)


def _require(state: State, own: Mapping[str, torch.Size], *, what: str) -> None:
    missing = [name for name in own if name not in state]
    surplus = [name for name in state if name not in own]
    shaped = [name for name in own if name in state and state[name].shape != own[name]]
    wrong = [*missing, *surplus, *shaped]
    if wrong:
        raise ValueError(
            f"the weights of {what} do not fit: {len(missing)} are missing, {len(surplus)} too "
            f"many, {len(shaped)} of another shape, such as {', '.join(wrong[:3])}. Networks of "
            "another choice than S3's published ones are not mapped."
        )


def _starts(tensors: State, prefix: str) -> list[str]:
    return [name for name in tensors if name.startswith(prefix)]


def _below(tensors: State, prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): tensor for n, tensor in tensors.items() if n.startswith(prefix)}

"""S2's EffPose, an EfficientNet of efficientnet_pytorch and its F1 decoder, as our network.

A checkpoint of Lightning holds the state of a whole module, under the names of its attributes.
Those of the encoder are efficientnet_pytorch's. Those of the decoder are not known: its two towers
and three axes are recognised where they are called by their axes, and else named by the user
(`PLACES`). Inside of a tower layers are matched by their order and shapes, as S2's description
gives them. Whatever does not fit is refused with its name; nothing is left out silently.

S2 says joints in its own order, so the rows of its axes are put into ours, and counts bins from
their edge (`compat=s2`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from hpe.geometry.skeleton import FREIHAND_FROM_AIT
from hpe.models.architectures import EncoderName
from hpe.models.axis_decoders import DecoderConfig, build_decoder
from hpe.models.encoders import Encoder, EncoderConfig, build_encoder
from hpe.models.s3_checkpoint import in_order
from hpe.models.torchvision_format import TRUNK

PLACES = ("towers.xy", "towers.z", "axes.x", "axes.y", "axes.z")
"""Where our decoder has its parts; a table says for each what stands before its tensors there. For
a tower whose layers have names that do not tell their order, it says so for each layer instead, as
`towers.xy.blocks.0.widen`, `.mix` and `.norm`."""

LEFT_OUT = "left_out"
"""In a table: beginnings of names that say nothing of the network, such as those of a loss."""

STEM = "_conv_stem.weight"
ENCODERS: Mapping[int, EncoderName] = {
    16: "s2_efficientnet_b0",
    26: "s2_efficientnet_b3",
    32: "s2_efficientnet_b4",
    39: "s2_efficientnet_b5",
    45: "s2_efficientnet_b6",
}
"""By the number of blocks (Tan and Le, 2019)."""

_OUTSIDE_OF_BLOCKS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
}
_IN_BLOCKS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_se_reduce": "se.conv_reduce",
    "_se_expand": "se.conv_expand",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_IN_FIRST_BLOCKS = {**_IN_BLOCKS, "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
"""Blocks that do not widen their channels first have one convolution and one norm fewer."""
_UNREAD = ("conv_head.", "bn2.")  # before pooling, which a decoder does without
_CLASSIFIER = "_fc."
_COUNTER = "num_batches_tracked"
_WIDEN = (4, 4)

State = Mapping[str, Tensor]
Table = Mapping[str, str]


@dataclass(frozen=True)
class S2Network:
    """S2's network under our names.

    Attributes:
        encoder: Its EfficientNet.
        encoder_name: Which one.
        decoder: Its decoder.
        decoder_config: The decoder's settings.
        places: Our name of each part -> what stands before it there.
    """

    encoder: State
    encoder_name: EncoderName
    decoder: State
    decoder_config: DecoderConfig
    places: Table


def is_s2_network(tensors: State) -> bool:
    """Return whether there is an EfficientNet under efficientnet_pytorch's names."""
    return any(name.endswith(STEM) for name in tensors)


def network_of_s2(
    tensors: State, table: Table | None = None, *, left_out: Sequence[str] = ()
) -> S2Network:
    """Return S2's network.

    Args:
        tensors: The state of its module.
        table: Where the parts of its decoder are, as `PLACES` says; None to go by their names.
        left_out: Beginnings of names that say nothing of the network.

    Raises:
        ValueError: If something is missing, left over, or not of the shape of S2's.
    """
    prefix = next(name.removesuffix(STEM) for name in tensors if name.endswith(STEM))
    beside = {
        name: tensor
        for name, tensor in tensors.items()
        if not name.startswith((*left_out, f"{prefix}_"))
    }
    encoder, encoder_name = _encoder(_below(tensors, prefix))
    coarse = _encoder_outline(encoder_name).pyramid_channels[1]
    places = dict(table) if table else _recognised(beside, coarse=coarse)
    layers = _layers(beside, places, coarse=coarse)
    config = _config(beside, layers)
    decoder = _decoder(beside, layers, config, coarse=coarse)
    return S2Network(encoder, encoder_name, decoder, config, places)


def _encoder(state: State) -> tuple[dict[str, Tensor], EncoderName]:
    numbers = {name.split(".")[1] for name in state if name.startswith("_blocks.")}
    encoder_name = ENCODERS.get(len(numbers))
    if encoder_name is None:
        known = ", ".join(f"{blocks} ({name[-2:]})" for blocks, name in ENCODERS.items())
        raise ValueError(f"S2's EfficientNets have {known} blocks, this one has {len(numbers)}.")
    own = _encoder_outline(encoder_name).state_dict()
    inside = (name.removeprefix(f"{TRUNK}blocks.").split(".") for name in own if "blocks." in name)
    blocks = sorted({(int(stage), int(block)) for stage, block, *_ in inside})
    named = {
        TRUNK + _as_timm(name, state, blocks): tensor
        for name, tensor in state.items()
        if not name.startswith(_CLASSIFIER)
    }
    unread = tuple(TRUNK + part for part in _UNREAD)
    if not any(name.startswith(unread) for name in named):
        named |= {n: torch.zeros(t.shape) for n, t in own.items() if n.startswith(unread)}
    return _fitting(named, own, what=encoder_name), encoder_name


def _as_timm(name: str, state: State, blocks: Sequence[tuple[int, int]]) -> str:
    """Return timm's name of a tensor of efficientnet_pytorch; another name as it is."""
    first, _, rest = name.partition(".")
    if first != "_blocks":
        return f"{_OUTSIDE_OF_BLOCKS.get(first, first)}.{rest}"
    number, layer, own = rest.split(".", 2)
    widens = f"_blocks.{number}._expand_conv.weight" in state
    layers = _IN_BLOCKS if widens else _IN_FIRST_BLOCKS
    stage, block = blocks[int(number)] if int(number) < len(blocks) else (number, "")
    return f"blocks.{stage}.{block}.{layers.get(layer, layer)}.{own}"


def _recognised(beside: State, *, coarse: int) -> dict[str, str]:
    """Return where the decoder's parts are, by names that say an axis.

    Raises:
        ValueError: If names do not say which is which.
    """
    towers = _roots([n for n, t in beside.items() if _widens(t) and len(t) == coarse])
    axes = [n.removesuffix(".weight") for n, t in beside.items() if t.ndim == len("ojk")]
    found: dict[str, str] = {}
    for place in PLACES:
        kind, axis = place.split(".")
        named = [n for n in (towers if kind == "towers" else axes) if axis in _words(n)]
        if len(named) == 1:
            found[place] = named[0]
    if len(found) == len(PLACES) == len(set(found.values())):
        return found
    table = ", ".join(f'"{place}": "..."' for place in PLACES)
    raise ValueError(
        "the names of this decoder do not say which of its two towers and three axes is which. "
        f"Say it in a table, --names FILE.json: {{{table}}}, with what stands before the tensors "
        f"of each. Towers begin with {_listed(towers)}; axes are {_listed(axes)}. All layers: "
        f"{_listed(sorted({n.rpartition('.')[0] for n in beside}), at_most=60)}."
    )


def _roots(names: Sequence[str]) -> list[str]:
    """Return the shortest beginnings, whole words each, by which names differ."""
    split = [name.split(".") for name in names]
    for length in range(1, min(map(len, split), default=0)):
        roots = {".".join(parts[:length]) for parts in split}
        if len(roots) == len(names) > 1:
            return sorted(roots)
    return list(names)


def _words(name: str) -> set[str]:
    return set(re.split(r"[._]", name.lower()))


def _layers(beside: State, places: Table, *, coarse: int) -> dict[str, str]:
    """Return each layer of our decoder with what it is called there.

    Raises:
        ValueError: If the order of a tower's layers is not to be told, or a table names nothing.
    """
    layers: dict[str, str] = {}
    for place, beginning in places.items():
        below = {n: t for n, t in beside.items() if n.startswith(f"{beginning}.")}
        if not place.startswith(("towers.", "axes.")) or not below:
            raise ValueError(
                f"a table of names says for each of {', '.join(PLACES)} what stands before its "
                f"tensors, got {place}: {beginning!r}, before {len(below)} of them."
            )
        is_tower = place in PLACES and place.startswith("towers.")
        layers |= _of_tower(place, below, coarse=coarse) if is_tower else {place: beginning}
    return layers


def _of_tower(place: str, below: State, *, coarse: int) -> dict[str, str]:
    """Return the layers of a tower: in each block `widen`, `mix` unless it is dense, and `norm`."""
    norms = {n.rpartition(".")[0] for n in below if n.endswith(".running_mean")}
    weights = {n.rpartition(".")[0]: t for n, t in below.items() if n.endswith(".weight")}
    kinds = {
        "widen": [n for n, t in weights.items() if _widens(t)],
        "mix": [n for n, t in weights.items() if t.ndim == len("oihw") and not _widens(t)],
        "norm": list(norms),
    }
    count = len(kinds["widen"])
    is_lite = len(kinds["mix"]) == count
    if len(norms) != count or len(kinds["mix"]) not in (count, count - 1):
        raise ValueError(
            f"a tower of S2 has a transposed convolution and a batch norm in each block, and a "
            f"1 x 1 convolution in all but perhaps the first; {place} has "
            f"{_listed(sorted(weights))}."
        )
    layers: dict[str, str] = {}
    for kind, names in kinds.items():
        ordered = _ordered(names, weights, first=coarse)
        start = 1 if kind == "mix" and not is_lite else 0
        for number, name in enumerate(ordered, start=start):
            layers[f"{place}.blocks.{number}.{kind}"] = name
    return layers


def _ordered(names: Sequence[str], weights: State, *, first: int) -> list[str]:
    """Return layers of one kind: the one that reads the encoder's maps, then by their numbers.

    Raises:
        ValueError: If those after it are not told apart by numbers alone.
    """
    leading = [n for n in names if first in weights[n].shape[:2]]
    rest = in_order([f"{n}.weight" for n in names if n not in leading])
    following = [n.removesuffix(".weight") for n in rest]
    if len(leading) > 1 or len({re.sub(r"\d+", "#", n) for n in following}) > 1:
        raise ValueError(
            f"the order of {_listed(sorted(names))} cannot be told from their names; name each of "
            "these layers in the table, as towers.xy.blocks.0.widen, .mix and .norm."
        )
    return [*leading, *following]


def _config(beside: State, layers: Table) -> DecoderConfig:
    widens = [n for n in layers if n.startswith("towers.xy.") and n.endswith(".widen")]
    has_mix = "towers.xy.blocks.0.mix" in layers
    axis = beside.get(f"{layers.get('axes.x')}.weight")
    if axis is None or axis.ndim != len("ojk") or not widens:
        raise ValueError(
            f"the table must name {', '.join(PLACES)}, each axis a convolution over bins; got "
            f"{', '.join(layers)}."
        )
    return DecoderConfig(lite=has_mix, blocks=len(widens), width=axis.shape[1], compat="s2")


def _decoder(
    beside: State, layers: Table, config: DecoderConfig, *, coarse: int
) -> dict[str, Tensor]:
    with torch.device("meta"):
        # the fine maps are not read by this kind of decoder
        own = build_decoder(config, channels=(1, coarse), seed=0).state_dict()
    named: dict[str, Tensor] = {}
    taken: set[str] = set()
    for name, mine in own.items():
        layer, _, leaf = name.rpartition(".")
        theirs = f"{layers.get(layer, layer)}.{leaf}"
        if theirs in beside:
            named[name] = beside[theirs]
            taken.add(theirs)
        elif leaf == "bias" and layers.get(layer, "") + ".weight" in beside:
            named[name] = torch.zeros(mine.shape)  # a convolution without one
    surplus = [name for name in beside if name not in taken]
    if surplus:
        raise ValueError(
            f"of the decoder {len(surplus)} tensors have no place in ours: {_listed(surplus)}. "
            f'If they say nothing of the network, name their beginnings under "{LEFT_OUT}" in the '
            "table (--names)."
        )
    fitting = _fitting(named, own, what="S2's F1 decoder")
    return {
        name: tensor[list(FREIHAND_FROM_AIT)] if name.startswith("axes.") else tensor
        for name, tensor in fitting.items()
    }


def _fitting(named: State, own: State, *, what: str) -> dict[str, Tensor]:
    """Return tensors in our order; counts of batches that are not there start at 0.

    Raises:
        ValueError: If some are missing, too many or of another shape.
    """
    whole = {n: torch.tensor(0) for n in own if n.endswith(_COUNTER)} | dict(named)
    missing = [n for n in own if n not in whole]
    surplus = [n for n in whole if n not in own]
    shaped = [n for n in own if n in whole and whole[n].shape != own[n].shape]
    if missing or surplus or shaped:
        raise ValueError(
            f"the weights are not those of {what}: missing {_listed(missing)}; too many "
            f"{_listed(surplus)}; of another shape {_listed(shaped)}."
        )
    return {n: whole[n] for n in own}


@cache
def _encoder_outline(name: EncoderName) -> Encoder:
    """Return one of ours, without weights."""
    with torch.device("meta"):
        return build_encoder(EncoderConfig(name=name), seed=0)


def _widens(tensor: Tensor) -> bool:
    return tensor.ndim == len("iohw") and tuple(tensor.shape[2:]) == _WIDEN


def _below(tensors: State, prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(f"{prefix}_")}


def _listed(names: Sequence[str], *, at_most: int = 8) -> str:
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return (", ".join(names[:at_most]) or "nothing") + more

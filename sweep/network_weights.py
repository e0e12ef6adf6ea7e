"""Whether given weights are those of the networks that a phase's settings describe."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hpe.config import Config
from hpe.models.mask_discriminators import DiscriminatorConfig, build_discriminator
from hpe.models.segmenters import SegmenterConfig, outline
from hpe.phases.phase import Artifacts

MAIN = ("encoder", "network", "segmenter")
"""Sections of a phase's settings that say which network it trains; artifacts hold its weights under
the same name."""

MASK_NETWORKS = ("network", "segmenter", "discriminator")


def main_network(config: Config) -> str:
    """Return the section of the network that a phase trains.

    Raises:
        ValueError: If it has none, so that no weights can stand for it.
    """
    for section in MAIN:
        if section in type(config).model_fields:
            return section
    raise ValueError("no weights can stand for this phase; take it out of from_weights.")


def networks_of(config: Config) -> dict[str, Config]:
    """Return the sections of a phase's settings that say which networks its weights are of."""
    sections = dict.fromkeys((*MAIN, *MASK_NETWORKS))
    found = {section: getattr(config, section, None) for section in sections}
    return {section: network for section, network in found.items() if isinstance(network, Config)}


def check_networks(artifacts: Artifacts, config: Config) -> None:
    """Refuse weights of segmenters and discriminators that are not the ones the settings describe.

    A discriminator may be missing, where no later phase hears it.

    Raises:
        ValueError: If they are not.
    """
    main = main_network(config)
    for section in MASK_NETWORKS:
        wanted = getattr(config, section, None)
        if wanted is None or (section != main and section not in artifacts.tensors):
            continue
        for name, value in wanted.model_dump(mode="json").items():
            stated = artifacts.facts.get(section, {}).get(name, value)
            if name != "weights" and stated != value:
                raise ValueError(
                    f"its {section}/{name} is {stated!r}, the study's is {value!r}; set the "
                    f"study's to {stated!r}."
                )
        shapes = _shapes(wanted)
        require_shapes(artifacts.tensors.get(section, {}), shapes, network=f"the {section}")


def network_facts(artifacts: Artifacts, config: Config) -> dict[str, Any]:
    """Return the settings of the networks whose weights these are."""
    return {
        section: getattr(config, section).model_dump(mode="json")
        for section in MASK_NETWORKS
        if section in artifacts.tensors and section in type(config).model_fields
    }


def require_shapes(
    given: Mapping[str, Tensor], own: Mapping[str, torch.Size], *, network: str
) -> None:
    """Refuse weights whose names or shapes are not a network's own.

    Raises:
        ValueError: If they are not; it says what is missing, too much, or of another shape.
    """
    missing = [name for name in own if name not in given]
    surplus = [name for name in given if name not in own]
    shaped = [n for n in own if n in given and own[n] != given[n].shape]
    if not (missing or surplus or shaped):
        return
    parts = (("it lacks", missing), ("it has besides", surplus), ("of another shape are", shaped))
    told = "; ".join(f"{said} {_some(names)}" for said, names in parts if names)
    raise ValueError(f"these are not the weights of {network}: {told}.")


def _shapes(config: SegmenterConfig | DiscriminatorConfig) -> dict[str, torch.Size]:
    if isinstance(config, SegmenterConfig):
        return outline(config)
    weights = build_discriminator(config, seed=0).state_dict()
    return {name: tensor.shape for name, tensor in weights.items()}


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{rest}"

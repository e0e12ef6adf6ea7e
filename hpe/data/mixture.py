"""Several data sets as one: pretrained on together, labels and scores from those that are named."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Literal, Protocol, runtime_checkable

import numpy as np
from pydantic import Field, model_validator

from hpe.config import Config
from hpe.data.coco_hands import CocoHandsConfig
from hpe.data.folder import Sample
from hpe.data.freihand import FreiHandConfig
from hpe.data.freihand_course import FreiHandCourseConfig
from hpe.data.interhand import InterHandConfig
from hpe.data.joined import JoinedSplit
from hpe.data.mpii_hands import MpiiHandsConfig
from hpe.data.onehand10k import OneHand10KConfig
from hpe.data.opened import SPLITS, OpenedData, Split
from hpe.data.rendered_hands import RenderedHandsConfig
from hpe.data.rhd import RhdConfig
from hpe.data.splits import unique_ids
from hpe.data.youtube_hands import YoutubeHandsConfig

SourceData = Annotated[
    CocoHandsConfig
    | FreiHandConfig
    | FreiHandCourseConfig
    | InterHandConfig
    | MpiiHandsConfig
    | OneHand10KConfig
    | RenderedHandsConfig
    | RhdConfig
    | YoutubeHandsConfig,
    Field(discriminator="name"),
]


TRAINED_ON = ("unlabelled", "train")


class SourceConfig(Config):
    """A data set in a mixture.

    Attributes:
        data: Its settings.
        weight: Its share of what is drawn in training, whatever its size, relative to the other
            sources' weights.
    """

    data: SourceData
    weight: float = Field(1.0, gt=0)


class MixtureConfig(Config):
    """Which data sets to mix; the default is what PeCLR was pretrained on.

    Attributes:
        sources: Name -> data set; all are pretrained on.
        train_on: Sources whose labels are trained on.
        score_on: Sources to validate and test on, each sample once whatever the weights.
    """

    name: Literal["mixture"] = "mixture"
    sources: dict[str, SourceConfig] = Field(
        default_factory=lambda: {
            "freihand": SourceConfig(data=FreiHandConfig()),
            "youtube_hands": SourceConfig(data=YoutubeHandsConfig()),
        },
        min_length=1,
    )
    train_on: tuple[str, ...] = Field(("freihand",), min_length=1)
    score_on: tuple[str, ...] = Field(("freihand",), min_length=1)

    @model_validator(mode="after")
    def _names_sources(self) -> "MixtureConfig":
        require_sources(self)
        return self


@runtime_checkable
class Mixed(Protocol):
    """A data set in a mixture of any task: its settings and its share of training."""

    @property
    def data(self) -> Config:
        """The settings of the data set."""

    @property
    def weight(self) -> float:
        """Its share of what is drawn in training."""


@runtime_checkable
class Mixing(Protocol):
    """Settings of a mixture of any task; `MixtureConfig` says what they mean."""

    @property
    def name(self) -> str:
        """The mixture's name in the catalog."""

    @property
    def sources(self) -> Mapping[str, Mixed]:
        """What is mixed."""

    @property
    def train_on(self) -> tuple[str, ...]:
        """Sources whose labels are trained on."""

    @property
    def score_on(self) -> tuple[str, ...]:
        """Sources to validate and test on."""


def require_sources(config: Mixing) -> None:
    """Refuse names that are not of sources, or are there twice.

    Raises:
        ValueError: With the names.
    """
    for key, names in (("train_on", config.train_on), ("score_on", config.score_on)):
        if len(set(names)) < len(names) or not set(names) <= set(config.sources):
            raise ValueError(
                f"{key} must name sources, each once; these are "
                f"{', '.join(sorted(config.sources))}, and {key} has {', '.join(names)}"
            )


def sources_of(config: Mixing, split: str) -> tuple[str, ...]:
    """Return the sources of a split's samples, in the order in which they lie in it."""
    roles = {"unlabelled": tuple(config.sources), "train": config.train_on}
    return tuple(sorted(roles.get(split, config.score_on)))  # whatever order they were written in


def mix(config: Mixing, opened: Mapping[str, OpenedData[Sample]]) -> OpenedData[Sample]:
    """Return opened data sets as one.

    Args:
        config: How to mix them.
        opened: Source -> its data.
    """
    names = sources_of(config, "unlabelled")
    counts = [_num_ids(opened[name]) for name in names]
    first_ids = dict(zip(names, np.cumsum([0, *counts[:-1]]).tolist(), strict=True))

    def mixed(split: str) -> JoinedSplit[Sample]:
        chosen = sources_of(config, split)
        is_weighted = len(chosen) > 1 and split in TRAINED_ON
        return JoinedSplit(
            parts=[opened[name].splits[split] for name in chosen],
            first_ids=[first_ids[name] for name in chosen],
            shares=[config.sources[name].weight for name in chosen] if is_weighted else None,
        )

    splits: dict[str, Split[Sample]] = {split: mixed(split) for split in SPLITS}
    identity = {
        "sources": {name: [opened[name].digest, config.sources[name].weight] for name in names},
        "train_on": sorted(config.train_on),
        "score_on": sorted(config.score_on),
    }
    return OpenedData(
        name=config.name,
        digest=hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(),
        splits=splits,
        card={
            "counts": {name: len(split) for name, split in splits.items()},
            "weights": {name: config.sources[name].weight for name in names},
            "train_on": identity["train_on"],
            "score_on": identity["score_on"],
            "sources": {name: dict(opened[name].card) for name in names},
            "protocol": _protocol(config, opened),
        },
    )


def _protocol(config: Mixing, opened: Mapping[str, OpenedData[Sample]]) -> dict[str, str]:
    """Return what the sources say of the scores of each split, for those that say it."""
    told = {
        split: [
            f"{name}: {opened[name].card['protocol'][split]}"
            for name in config.score_on
            if "protocol" in opened[name].card
        ]
        for split in ("val", "test")
    }
    return {split: " ".join(words) for split, words in told.items() if words}


def _num_ids(data: OpenedData[Sample]) -> int:
    """Return a number that is above all unique ids of a data set."""
    return 1 + max(int(unique_ids(split).max(initial=-1)) for split in data.splits.values())

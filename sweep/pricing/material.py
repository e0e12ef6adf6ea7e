"""The data that configurations are tried on: the study's own, or a few samples made for it."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpe.config import Config
from hpe.data.body_mixture import BodyMixtureConfig
from hpe.data.catalog import open_data, prepare_data
from hpe.data.mixture import MixtureConfig
from sweep.data_fit import split_sizes
from sweep.pricing.samples import Sample, cut_short
from sweep.pricing.tryout import folder_bytes
from sweep.slot_fit import SlotFit

FEWEST_SAMPLES = 96  # of a split; where a step takes more, twice as many until it is filled


@dataclass(frozen=True)
class Material:
    """Data to try configurations on.

    Attributes:
        data: `{"config", "root", "digest"}`, as for `make_stages`.
        sizes: Split -> samples of the study's data.
        tried_sizes: Split -> samples here.
        is_the_studys: Whether it is the study's own data.
        prepare_s: Seconds that making the study's data will take; 0 if it is there.
        prepare_bytes: What it will take on disk then.
    """

    data: Mapping[str, Any]
    sizes: Mapping[str, int]
    tried_sizes: Mapping[str, int]
    is_the_studys: bool
    prepare_s: float = 0.0
    prepare_bytes: float = 0.0


def open_material(config: Config, root: Path) -> Material | None:
    """Return the study's own data, or None if it is not there yet but can be made here.

    Args:
        config: The data set's settings.
        root: Where it lies, or will lie.

    Raises:
        ValueError: If it is not there and cannot be made.
    """
    try:
        opened = open_data(config, root)
    except ValueError:
        if split_sizes(config):
            return None
        raise
    sizes = {name: len(split) for name, split in opened.splits.items()}
    return Material(_described(config, root, opened.digest), sizes, sizes, is_the_studys=True)


def make_material(
    config: Config,
    tried: Mapping[str, int],
    *,
    folder: Path,
    processes: int,
    advance: Callable[[int, int], None],
) -> Material:
    """Make a few samples of a data set, and tell from them what making all will take.

    Args:
        config: The data set's settings.
        tried: Split -> samples to make, at least.
        folder: For what is made.
        processes: That make them.
        advance: Told how far that is.
    """
    sizes = split_sizes(config)
    small = shrunk(config, tried)
    made = split_sizes(small)
    began = time.perf_counter()
    prepare_data(small, folder, processes=processes, progress=advance)
    seconds = time.perf_counter() - began
    ratio = sum(sizes.values()) / sum(made.values())
    return Material(
        _described(small, folder, open_data(small, folder).digest),
        sizes,
        made,
        is_the_studys=False,
        prepare_s=seconds * ratio,
        prepare_bytes=folder_bytes(folder) * ratio,
    )


def shrunk(config: Config, counts: Mapping[str, int]) -> Config:
    """Return a data set's settings with so few samples, of each source its share in a mixture.

    Args:
        config: Settings that say how many samples each split has.
        counts: Split -> samples.
    """
    if not isinstance(config, MixtureConfig | BodyMixtureConfig):
        return config.model_copy(update=dict(counts))
    whole = split_sizes(config)
    sources = {}
    for name, source in config.sources.items():
        share = {
            split: math.ceil(size * counts[split] / whole[split])
            for split, size in split_sizes(source.data).items()
        }
        sources[name] = source.model_copy(update={"data": shrunk(source.data, share)})
    return config.model_copy(update={"sources": sources})


def sizes_to_try(
    samples: Sequence[Sample], sizes: Mapping[str, int], fit: SlotFit
) -> dict[str, int]:
    """Return how few samples each split may have for every tryout to have as many steps."""
    works = [
        (step.spec.workload, configs[step.label])
        for sample in samples
        for configs in [cut_short(sample.point, fit)]
        for step in sample.point.plan
        if step.spec.workload is not None
    ]

    def steps(sizes: Mapping[str, int]) -> list[int]:
        return [workload(config, sizes).steps_per_epoch for workload, config in works]

    def is_enough(split: str, count: int) -> bool:
        try:
            return steps({**sizes, split: count}) == steps(sizes)
        except ValueError:
            return False

    tried = {}
    for split, available in sizes.items():
        doublings = range(math.ceil(math.log2(max(2, available / FEWEST_SAMPLES))) + 1)
        counts = (min(available, FEWEST_SAMPLES * 2**n) for n in doublings)
        tried[split] = next((n for n in counts if is_enough(split, n)), available)
    return tried


def _described(config: Config, root: Path, digest: str) -> dict[str, Any]:
    return {
        "config": config.model_dump(mode="json"),
        "root": str(root.absolute()),
        "digest": digest,
    }

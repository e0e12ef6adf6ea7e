"""How much a supervised phase trains on its labels, and how often it is scored."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from hpe.phases.labelled import EVALUATION_BATCH
from hpe.phases.phase import Workload

STATISTICS_SAMPLES = 2000
"""Labelled hands that a head's start and the template are averaged over, at most."""


@runtime_checkable
class LabelBudget(Protocol):
    """The settings of a supervised phase that say so; `FinetuneConfig` says what they mean."""

    @property
    def epochs(self) -> int: ...
    @property
    def steps_per_epoch(self) -> int | None: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def accumulate(self) -> int: ...
    @property
    def label_fraction(self) -> float: ...
    @property
    def limit_batches(self) -> int | None: ...
    @property
    def score_test(self) -> bool: ...


def label_workload(config: LabelBudget, sizes: Mapping[str, int]) -> Workload:
    """Return what there is to do on splits of these sizes, each sample with an id of its own."""
    labels = max(1, round(config.label_fraction * sizes["train"]))
    scored = sum(scored_samples(config, sizes[split]) for split in scored_splits(config))
    return Workload(steps_per_epoch(config, labels), evaluations=config.epochs, scored=scored)


def steps_per_epoch(config: LabelBudget, num_labels: int) -> int:
    """Return the optimizer steps of an epoch on this many labels."""
    one_pass = math.ceil(num_labels / (config.batch_size * config.accumulate))
    steps = config.steps_per_epoch or one_pass
    return min(steps, config.limit_batches or steps)


def spread_over(labels: Sequence[int], *, at_most: int) -> Sequence[int]:
    """Return at most so many of the labels, evenly spread over them."""
    return labels[:: math.ceil(len(labels) / at_most)]


def scored_samples(config: LabelBudget, available: int) -> int:
    """Return how many samples of a split of this size are scored."""
    cap = config.limit_batches
    return available if cap is None else min(available, cap * EVALUATION_BATCH)


def scored_splits(config: LabelBudget) -> tuple[str, ...]:
    """Return the splits that every epoch is scored on."""
    return ("val", "test") if config.score_test else ("val",)

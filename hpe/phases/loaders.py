"""Batches whose content follows from seeds and positions alone, made here or by child processes."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TypeVar

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hpe.phases.phase import tell_nobody
from hpe.phases.randomness import Draw, draws_of_pass

Row = Mapping[str, np.ndarray]
Batch = dict[str, Tensor]

_Item = TypeVar("_Item")


def epoch_draws(
    num_samples: int,
    *,
    seed: int,
    epoch: int,
    batch_size: int,
    weights: Float[np.ndarray, " samples"] | None = None,
) -> list[list[Draw]]:
    """Return the batches of one pass without its last incomplete one.

    No sample comes twice, unless weights ask for it.

    Args:
        num_samples: Samples in the split.
        seed: Seed of all orders.
        epoch: Number of the pass.
        batch_size: Rows per batch.
        weights: The samples' shares of the draws; None where they are equal.

    Raises:
        ValueError: If the split does not fill one batch.
    """
    if num_samples < batch_size:
        raise ValueError(
            f"batch_size must be at most the number of samples, got {batch_size} for "
            f"{num_samples} samples."
        )
    draws = draws_of_pass(num_samples, seed=seed, pass_number=epoch, weights=weights)
    whole = num_samples // batch_size * batch_size
    return _chunks(draws[:whole], batch_size)


def endless_draws(
    num_samples: int,
    *,
    seed: int,
    first: int,
    batches: int,
    batch_size: int,
    weights: Float[np.ndarray, " samples"] | None = None,
) -> list[list[Draw]]:
    """Return full batches from a stream of passes, each in its own order, without gaps.

    Every sample is used equally often whatever the split's size, unless weights say otherwise, and
    a batch may span passes, so that a few labels and a large batch go together.

    Args:
        num_samples: Samples in the split.
        seed: Seed of all orders.
        first: Batches of the stream to skip.
        batches: Batches to return.
        batch_size: Rows per batch.
        weights: The samples' shares of the draws; None where they are equal.

    Raises:
        ValueError: If there are no samples.
    """
    if num_samples < 1:
        raise ValueError("Training needs at least one sample, got none.")
    start, stop = first * batch_size, (first + batches) * batch_size
    passes = range(start // num_samples, -(-stop // num_samples))
    draws = [
        draw
        for number in passes
        for draw in draws_of_pass(num_samples, seed=seed, pass_number=number, weights=weights)
    ]
    offset = passes.start * num_samples
    return _chunks(draws[start - offset : stop - offset], batch_size)


def one_pass(num_samples: int, *, batch_size: int) -> list[list[Draw]]:
    """Return all samples in order, for evaluation; the last batch may be smaller."""
    return _chunks([(0, index) for index in range(num_samples)], batch_size)


def load(
    make: Callable[[Draw], Row],
    draws: Iterable[Sequence[Draw]],
    *,
    workers: int,
    on_batch: Callable[[], None] = tell_nobody,
) -> Generator[Batch, None, None]:
    """Yield a batch for each group of draws.

    Args:
        make: Makes one row: named arrays that have the same shapes in every row. It must depend on
            the draw alone, so that any process makes the same row.
        draws: Groups of draws; consumed lazily, a few groups ahead with child processes.
        workers: Child processes, or 0 to work here. They end when the returned generator is closed
            or exhausted, or no longer referenced.
        on_batch: See `PhaseInputs`.
    """
    for batch in _made(make, draws, workers=workers):
        on_batch()
        yield batch


def _made(
    make: Callable[[Draw], Row], draws: Iterable[Sequence[Draw]], *, workers: int
) -> Iterable[Batch]:
    if workers == 0:
        return (collate([make(draw) for draw in group]) for group in draws)
    return DataLoader(
        _Rows(make),
        batch_sampler=draws,  # type: ignore[arg-type]  # any iterable will do, and it may be lazy
        collate_fn=collate,
        num_workers=workers,
        worker_init_fn=_work_on_one_core,
        generator=torch.Generator(),  # or else it draws from, and moves, the global one
    )


def collate(rows: Sequence[Row]) -> Batch:
    """Stack rows into one tensor per name."""
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}


class _Rows(Dataset[Row]):
    def __init__(self, make: Callable[[Draw], Row]) -> None:
        self._make = make

    def __getitem__(self, draw: Draw) -> Row:
        return self._make(draw)


def _work_on_one_core(_worker: int) -> None:
    cv2.setNumThreads(0)  # its thread pool does not survive a fork


def _chunks(items: list[_Item], size: int) -> list[list[_Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]

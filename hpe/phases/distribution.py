"""What a phase does differently when several processes train it together.

Every function is the identity in a single process. A batch is the batch of all processes: ranks
take its rows in turn, so that settings mean the same on any number of workers. The exceptions
are batch norm, which sees one rank's rows while it trains, and losses that are no mean over rows,
such as Dice and a cross-entropy with class weights: each rank's are of its own rows.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

Row = TypeVar("Row")


def world_size() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return this process's place among them."""
    return dist.get_rank() if dist.is_initialized() else 0


def own_rows(rows: Sequence[Row]) -> Sequence[Row]:
    """Return this rank's share of a batch: every world-size-th row."""
    return rows[rank() :: world_size()]


def require_divisible(batch_size: int) -> None:
    """Refuse a batch that the processes cannot share equally."""
    if batch_size % world_size():
        raise ValueError(
            f"batch_size must be a multiple of the number of workers, got {batch_size} for "
            f"{world_size()}: choose another batch_size or slots/workers."
        )


def data_parallel(module: nn.Module) -> nn.Module:
    """Wrap a module so that its gradients are averaged over the processes."""
    if world_size() == 1:
        return module
    return DistributedDataParallel(module)


def gradients_stay_local(module: nn.Module) -> AbstractContextManager[None]:
    """Return a context whose backward passes only accumulate, for all but a step's last batch."""
    if isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return nullcontext()


@torch.no_grad()
def take_first_ranks_buffers(module: nn.Module) -> None:
    """Give every process the first one's batch norm statistics, which are the ones it saves.

    Training batches are normalised by each rank's own rows, so that running statistics part. The
    next training step would begin with this; do it before scores are taken as well.
    """
    if world_size() > 1:
        for buffer in module.buffers():
            dist.broadcast(buffer, src=0)


def total_over_ranks(value: Tensor) -> Tensor:
    """Return the sum of a tensor over the processes; no gradient flows."""
    total = value.detach().clone()
    if world_size() > 1:
        dist.all_reduce(total)
    return total


def shares_of_step(valid: Sequence[Bool[Tensor, "*dims"]]) -> Float[Tensor, " parts"]:
    """Return what each part of an optimizer step counts in a mean over all of it.

    Losses are means over what is annotated, so a part counts by its share of that; averaging over
    ranks is made up for.

    Args:
        valid: For each of this rank's parts, what is annotated.
    """
    counts = torch.stack([mask.sum() for mask in valid])
    shares: Tensor = counts * world_size() / total_over_ranks(counts.sum()).clamp(min=1)
    return shares


def mean_over_ranks(values: Mapping[str, float]) -> dict[str, float]:
    """Return the mean of each value over the processes."""
    if world_size() == 1:
        return dict(values)
    means = torch.tensor(list(values.values()), dtype=torch.float64, device=_collective_device())
    dist.all_reduce(means)
    return dict(zip(values, (means / world_size()).tolist(), strict=True))


def batch_of_all_ranks(
    own: Shaped[Tensor, "rows *dims"],
) -> Shaped[Tensor, "all_rows *dims"]:
    """Return the rows of every process, in rank order; gradients reach this rank's rows alone.

    A loss of all rows has the same value on every rank. Its gradient here is this rank's part of
    the whole one: multiply the loss by `world_size()` to undo the averaging of `data_parallel`.
    """
    if world_size() == 1:
        return own
    rows = [torch.empty_like(own) for _ in range(world_size())]
    dist.all_gather(rows, own.detach().contiguous())
    rows[rank()] = own
    return torch.cat(rows)


def in_original_order(
    own: Shaped[Tensor, "rows *dims"], *, total: int
) -> Shaped[Tensor, "total *dims"]:
    """Undo `own_rows`: collect the rows of every process and interleave them.

    Args:
        own: What this rank made of its share; shares differ by at most one row.
        total: Rows before sharing.
    """
    if world_size() == 1:
        return own
    longest = -(-total // world_size())
    padded = torch.zeros(longest, *own.shape[1:], dtype=own.dtype, device=_collective_device())
    padded[: len(own)] = own
    shares = [torch.empty_like(padded) for _ in range(world_size())]
    dist.all_gather(shares, padded)
    return torch.stack(shares, dim=1).flatten(0, 1)[:total].to(own.device)


def _collective_device() -> torch.device:
    """Return where tensors must be for the backend to move them."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")

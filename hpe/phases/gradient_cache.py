"""The gradient of a loss over several batches at once, in the memory of one (GradCache).

A contrastive loss compares all rows of a step, so that it cannot be summed over batches. It reaches
the weights through the outputs alone: computing those first, then the loss's gradient by each of
them, and then, batch by batch, the weights' gradient from that, gives the gradient of the whole
step (Gao et al., 2021, section 3.2). Batch norm normalises each batch by its own rows: the step
equals one large batch only for networks that treat rows one by one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.autograd import backward

from hpe.phases.distribution import gradients_stay_local, world_size

Outputs = Mapping[str, Tensor]
Terms = dict[str, Tensor]


def accumulate_as_one_batch(
    forwards: Sequence[Callable[[nn.Module], Outputs]],
    loss_of: Callable[[Outputs], Terms],
    *,
    network: nn.Module,
    parallel: nn.Module,
) -> Terms:
    """Add to the weights' gradients that of `train/loss` over all batches' outputs together.

    Every batch passes through the network twice; buffers and random streams are as if it had once.

    Args:
        forwards: For each batch, calls the network given with it and returns outputs by name.
        loss_of: From outputs, those of all batches one after another, to the loss's terms.
        network: What is trained.
        parallel: The network, or its data-parallel wrapper.

    Returns:
        The terms, of which `train/loss` was minimised.
    """
    with torch.no_grad(), _to_be_repeated(network):
        seen = [forward(network) for forward in forwards]
    sizes = {name: [len(outputs[name]) for outputs in seen] for name in seen[0]}
    together = {
        name: torch.cat([outputs[name].detach() for outputs in seen]).requires_grad_()
        for name in sizes
    }
    terms = loss_of(together)
    # Every rank has the loss of all rows: see `batch_of_all_ranks`.
    backward(terms["train/loss"] * world_size())
    gradients = {n: torch.split(_gradient(rows), sizes[n]) for n, rows in together.items()}
    for part, forward in enumerate(forwards):
        is_last = part == len(forwards) - 1
        with nullcontext() if is_last else gradients_stay_local(parallel):
            outputs = forward(parallel)
            backward([outputs[n] for n in sizes], [gradients[n][part] for n in sizes])
    return {name: term.detach() for name, term in terms.items()}


def _gradient(rows: Tensor) -> Tensor:
    assert rows.grad is not None, "every output of the network takes part in the loss"
    return rows.grad


@contextmanager
def _to_be_repeated(network: nn.Module) -> Iterator[None]:
    """Put buffers (batch norm's statistics) and random streams (dropout's) back afterwards."""
    kept = [(buffer, buffer.clone()) for buffer in network.buffers()]
    devices = {p.device for p in network.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        yield
    for buffer, value in kept:
        buffer.copy_(value)

"""The gradients of one optimizer step of pretraining, from one batch or several."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from functools import partial

from torch import nn
from torch.autograd import backward

from hpe.phases.distribution import gradients_stay_local, world_size
from hpe.phases.gradient_cache import Outputs, Terms, accumulate_as_one_batch
from hpe.phases.labelled import joined
from hpe.phases.loaders import Batch
from hpe.phases.pretrain_config import PretrainConfig
from hpe.phases.pretrain_objective import pretraining_terms
from hpe.phases.pretraining_network import PretrainingNetwork
from hpe.phases.view_pairs import RELATIVE


def step_by_batches(
    batches: Iterable[Batch],
    config: PretrainConfig,
    *,
    network: PretrainingNetwork,  # noqa: ARG001  # both ways to make a step take the same
    parallel: nn.Module,
) -> Iterator[Terms]:
    """Accumulate the mean gradient of a step's batches, each with its own negatives.

    Args:
        batches: As many as `accumulate` says; one is held at a time.
        config: The phase's settings.
        network: What is trained.
        parallel: The network, or its data-parallel wrapper.

    Yields:
        The terms of each batch.
    """
    for part, batch in enumerate(batches):
        is_last = part == config.accumulate - 1
        with nullcontext() if is_last else gradients_stay_local(parallel):
            terms = pretraining_terms(_forward(batch, parallel), batch, config)
            # Every rank has the loss of all rows: see `batch_of_all_ranks`.
            backward(terms["train/loss"] * (world_size() / config.accumulate))
        yield terms


def step_as_one_batch(
    batches: Iterable[Batch],
    config: PretrainConfig,
    *,
    network: PretrainingNetwork,
    parallel: nn.Module,
) -> Iterator[Terms]:
    """Accumulate the gradient of a step's batches as of one, whose rows are all negatives.

    Arguments are those of `step_by_batches`; the images of all batches are held.

    Yields:
        The terms of the step.
    """
    held = list(batches)
    drawn = joined([{n: v for n, v in b.items() if not n.endswith("image")} for b in held])
    yield accumulate_as_one_batch(
        [partial(_forward, batch) for batch in held],
        lambda outputs: pretraining_terms(outputs, drawn, config),
        network=network,
        parallel=parallel,
    )


def _forward(batch: Batch, network: nn.Module) -> Outputs:
    outputs: Outputs = network(batch["image"], batch.get(f"{RELATIVE}image"))
    return outputs

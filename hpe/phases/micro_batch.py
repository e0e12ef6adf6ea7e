"""Less memory for the same optimizer step: smaller batches, more of them accumulated."""

from typing import Protocol, runtime_checkable

LEAST_BATCH = 2  # batch norm and contrastive losses need two samples


@runtime_checkable
class Batched(Protocol):
    """Settings that say how an optimizer step is cut into batches."""

    @property
    def batch_size(self) -> int: ...
    @property
    def accumulate(self) -> int: ...


def halved_micro_batch(config: Batched) -> dict[str, int] | None:
    """Return the settings that halve the batch and double how many make a step, or None.

    The samples per optimizer step stay the same. What is computed over one batch does not: batch
    norm's statistics, and the negatives of contrastive losses, come from half as many.
    """
    if config.batch_size % 2 or config.batch_size < 2 * LEAST_BATCH:
        return None
    return {"batch_size": config.batch_size // 2, "accumulate": 2 * config.accumulate}

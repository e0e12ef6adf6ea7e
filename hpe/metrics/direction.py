"""Which way a metric is better, read off its name."""

import re
from typing import Literal

Direction = Literal["minimize", "maximize"]

LARGER_IS_BETTER = frozenset({"auc", "pck", "pckh", "top1", "iou", "miou", "dice", "accuracy"})
SMALLER_IS_BETTER = frozenset({"epe", "mpjpe", "loss", "error"})


def direction_of(metric: str) -> Direction | None:
    """Return which values of a metric are better, or None where its name does not say.

    Args:
        metric: `split/name_unit`, such as `val/pa_epe_mm`; a plan label may stand in front.
    """
    words = set(re.split(r"[_\W]+", metric.rpartition("/")[2]))
    larger, smaller = bool(words & LARGER_IS_BETTER), bool(words & SMALLER_IS_BETTER)
    if larger == smaller:
        return None
    return "maximize" if larger else "minimize"

"""Correcting p values for their number (Holm, 1979)."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values that hold together, in the order given.

    Who takes those up to 5 % for differences takes chance for even one with at most 5 %
    probability, however the tests depend on each other (Holm, "A simple sequentially rejective
    multiple test procedure", 1979): the smallest is multiplied by their number, the next by one
    less, and none falls below one before it.
    """
    corrected, highest = [0.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, place in enumerate(order):
        highest = max(highest, (len(p_values) - rank) * p_values[place])
        corrected[place] = min(1.0, highest)
    return corrected

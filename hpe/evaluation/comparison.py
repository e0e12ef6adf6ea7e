"""Two networks on the same hands: their scores side by side, and where one beats the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from hpe.evaluation.hand_pose_scores import JointErrors, Score
from hpe.evaluation.scored_hands import ScoredHands
from hpe.metrics.direction import direction_of

Better = Literal["first", "second", "neither"]


@dataclass(frozen=True)
class ScorePair:
    """One score of both networks.

    Attributes:
        name: The score's.
        first: Its value for the first network.
        second: Its value for the second one.
        better: Whose value is better.
        protocol: How it is computed.
    """

    name: str
    first: float
    second: float
    better: Better
    protocol: str


def require_same_hands(first: ScoredHands, second: ScoredHands) -> None:
    """Refuse networks that were scored on different hands.

    Raises:
        ValueError: If these are different ones.
    """
    same = len(first) == len(second) and bool((first.unique_id == second.unique_id).all())
    if not same or not torch.equal(first.true_px, second.true_px):
        raise ValueError(
            f"two networks are compared on the same hands, got {len(first)} and {len(second)} that "
            "are not the same; score both on one split of one data set."
        )


def score_pairs(first: Sequence[Score], second: Sequence[Score]) -> list[ScorePair]:
    """Return the scores that both networks have, in the first one's order."""
    of_second = {score.name: score for score in second}
    return [
        ScorePair(
            name=score.name,
            first=score.value,
            second=of_second[score.name].value,
            better=_better(score.name, score.value, of_second[score.name].value),
            protocol=score.protocol,
        )
        for score in first
        if score.name in of_second
    ]


def hand_errors(kind: JointErrors) -> Float[Tensor, " hands"]:
    """Return each hand's mean error over the joints that count; NaN where none does."""
    counted = kind.valid.to(kind.errors)
    return (kind.errors.nan_to_num() * counted).sum(dim=1) / counted.sum(dim=1)


def where_first_is_better(first: JointErrors, second: JointErrors, *, count: int) -> list[int]:
    """Return the hands where the first network's error is lower, by how much, most first.

    Args:
        first: Errors of the first network.
        second: Errors of the second one, of the same kind and hands.
        count: Return at most so many.
    """
    gain = (hand_errors(second) - hand_errors(first)).nan_to_num(nan=0.0)
    order = gain.argsort(descending=True, stable=True)[:count]
    return [int(row) for row in order if gain[row] > 0]


def _better(name: str, first: float, second: float) -> Better:
    direction = direction_of(name)
    if direction is None or first == second:
        return "neither"
    return "first" if (first < second) == (direction == "minimize") else "second"

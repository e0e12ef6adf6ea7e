"""What a network scores on a split: whole, in parts, each number with its protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hpe.data.opened import Split
from hpe.evaluation.hand_pose_scores import Score
from hpe.phases.phase import Artifacts

Means = Mapping[str, Mapping[str, float]]
"""Part -> score -> value, NaN where there is nothing to score; every part has the same scores."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a network.

    Attributes:
        num_samples: The first samples of the split, so many.
        device: Where it runs.
        rotations: Views of each sample, evenly over a full turn; predictions are their mean.
        mirrored: Whether as many mirrored views are averaged with them.
        workers: Child processes that make views; 0 makes them here.
    """

    num_samples: int
    device: torch.device
    rotations: int = 1
    mirrored: bool = False
    workers: int = 0

    @property
    def has_one_view(self) -> bool:
        """Whether each sample is seen once, as it is."""
        return self.rotations == 1 and not self.mirrored


@dataclass(frozen=True)
class SplitScores:
    """What a network scores on a split.

    Attributes:
        looked: How it looked at samples, in words.
        scores: Whole-split scores.
        tables: Name of a kind of parts, such as `joints` -> scores by part; the first is shown.
    """

    looked: str
    scores: Sequence[Score]
    tables: Mapping[str, Means]


def body_tables(by_joint: Means, by_action: Means) -> dict[str, Means]:
    """Return the tables of a split of bodies: by joint, and by action where those are known."""
    parts = {"joints": by_joint, "actions": by_action}
    return {kind: means for kind, means in parts.items() if means}


ScoreSplit = Callable[[Artifacts, Split[Any], Asked], SplitScores]


def require_one_view(asked: Asked) -> None:
    """Refuse several views of a sample.

    Raises:
        ValueError: If there are.
    """
    if not asked.has_one_view:
        raise ValueError(
            "this network is scored on one view of each sample; leave --rotations and --mirrored "
            "out."
        )

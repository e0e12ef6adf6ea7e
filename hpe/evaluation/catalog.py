"""How the networks of each phase are scored on a split.

Hand pose by finetuning is not among them: `hpe.evaluation.scored_hands` scores it, by itself or in
several processes.
"""

from collections.abc import Mapping
from types import MappingProxyType

from hpe.evaluation.scored_axes import score_axes
from hpe.evaluation.scored_bodies import score_body_split
from hpe.evaluation.scored_lifts import score_lifts
from hpe.evaluation.scored_masks import score_masks
from hpe.evaluation.split_scores import ScoreSplit

SCORED_PHASES: Mapping[str, ScoreSplit] = MappingProxyType(
    {
        "generator": score_masks,
        "pseudo_labels": score_masks,
        "paired": score_masks,
        "body_pose": score_body_split,
        "lift": score_lifts,
        "encoder_decoder": score_axes,
    }
)
"""By the phase that the artifacts' facts name."""

WITHOUT_PICTURES = frozenset({"lift"})
"""Those of them whose networks are told 2D joints and see no picture."""

"""How a trained network is scored: on which samples, looking how, in how many processes."""

import argparse
from dataclasses import dataclass
from typing import Any

from hpe.data.catalog import task_of
from hpe.data.opened import OpenedData, Split
from hpe.evaluation.catalog import SCORED_PHASES
from hpe.evaluation.hand_pose_scores import Score, joint_errors_of, scores_of
from hpe.evaluation.inference import turns_deg
from hpe.evaluation.pose_model import best_device
from hpe.evaluation.scored_hands import Looking, ScoredHands
from hpe.evaluation.split_scores import Asked, SplitScores
from hpe.phases.catalog import PHASES
from sweep.evaluation_data import EvaluationData
from sweep.found_model import FINETUNE, FoundModel
from sweep.split_scoring import score_in_processes


@dataclass(frozen=True)
class OpenedSplit:
    """The split that networks are scored on.

    Attributes:
        data: The data set, for processes that open it themselves.
        opened: The same, open.
        name: Of the split.
        limit: The first so many samples only; None for all.
    """

    data: EvaluationData
    opened: OpenedData[Any]
    name: str
    limit: int | None

    @property
    def samples(self) -> Split[Any]:
        """Return all of its samples."""
        return self.opened.splits[self.name]

    @property
    def count(self) -> int:
        """Return how many of them are scored."""
        available = len(self.samples)
        return available if self.limit is None else min(self.limit, available)

    @property
    def settings(self) -> dict[str, Any]:
        """Return the data set's settings, with its `name`."""
        return self.data.config.model_dump(mode="json")

    @property
    def beforehand(self) -> dict[str, str]:
        """Return what to know before reading scores, as facts: on whom they are, and a caveat."""
        protocols = self.opened.card.get("protocol", {})
        told = {"protocol": protocols.get(self.name), "caveat": self.opened.card.get("caveat")}
        return {name: text for name, text in told.items() if text is not None}


def phase_of(found: FoundModel) -> str:
    """Return the phase that trained a network, which says how it is scored."""
    return str(found.artifacts.facts.get("phase", FINETUNE))


def require_labels(found: FoundModel, data: EvaluationData) -> None:
    """Refuse data that are annotated for another task than the network's.

    Raises:
        ValueError: With both.
    """
    phase, annotated = phase_of(found), task_of(data.config)
    wanted = PHASES[phase].task if phase in PHASES else "hand_pose"
    if wanted is not None and annotated != wanted:
        raise ValueError(
            f"a network of {phase} is scored on data for {wanted}; what --data or the study names "
            f"is for {annotated}."
        )


def looking_of(options: argparse.Namespace) -> Looking:
    """Return how networks of finetuning look at hands.

    Raises:
        ValueError: If something is asked for that they do not do.
    """
    if options.mirrored:
        raise ValueError("--mirrored is for encoder-decoders; leave it out.")
    return Looking(turns=turns_deg(options.rotations), finds_box=options.refine_box)


def score_hands(
    found: FoundModel, split: OpenedSplit, looking: Looking, *, processes: int
) -> ScoredHands:
    """Let a network of finetuning see a split."""
    return score_in_processes(
        found.artifacts,
        split.data,
        split.name,
        range(split.count),
        looking=looking,
        processes=processes,
        device=best_device(),
    )


def score_by_phase(
    found: FoundModel, split: OpenedSplit, options: argparse.Namespace
) -> SplitScores:
    """Score a network of another phase than finetuning as its phase says.

    Raises:
        ValueError: If something is asked for that it does not do.
    """
    phase = phase_of(found)
    if options.refine_box:
        raise ValueError(f"--refine-box is for hand pose by finetuning, got a network of {phase}.")
    asked = Asked(
        num_samples=split.count,
        device=best_device(),
        rotations=options.rotations,
        mirrored=options.mirrored,
        workers=options.processes if options.processes > 1 else 0,
    )
    return SCORED_PHASES[phase](found.artifacts, split.samples, asked)


def named_scores(
    found: FoundModel, split: OpenedSplit, options: argparse.Namespace
) -> dict[str, Score]:
    """Return a network's scores of a whole split, by name."""
    if phase_of(found) in SCORED_PHASES:
        scores = score_by_phase(found, split, options).scores
    else:
        hands = score_hands(found, split, looking_of(options), processes=options.processes)
        scores = scores_of(joint_errors_of(hands))
    return {score.name: score for score in scores}

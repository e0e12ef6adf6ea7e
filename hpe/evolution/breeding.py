"""One generation: parents exchange limbs, children mutate, and those that are possible stay."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from hpe.evolution.bone_frames import LocalPoses, to_global, to_local
from hpe.evolution.joint_limits import JointLimits
from hpe.evolution.limbs import FIRST, NUM_LIMBS, PUBLISHED_SUBTREES, SUBTREES, subtree_masks
from hpe.evolution.operators import (
    crossover,
    exchange_lengths,
    lower_to_published_level,
    mutate_lengths,
    mutate_limbs,
    stand_like,
    turn_bodies,
)

Compat = Literal["none", "evoskeleton_v1"]
"""`evoskeleton_v1` breeds as EvoSkeleton's release and S4 do, where that is not what they say:

- whole bodies turn by 60 degrees of standard deviation, whatever is asked for;
- limbs at the torso keep every limit, as a comparison stands where an assignment was meant;
- the thorax hangs on nothing: the sub-tree of the hip is the legs, and no head is exchanged;
- turns are about coordinate axes;
- children are placed by their smallest z;
- limb lengths do not mutate.
"""

PUBLISHED_TURN_DEG = 60.0


@dataclass(frozen=True)
class Strengths:
    """How strongly the operators work; letters are EvoSkeleton's options.

    Attributes:
        crossover: Whether parents exchange a sub-tree (CV); if not, any limb may mutate.
        exchange_lengths: Whether they exchange limb lengths.
        limb_prob: Of each exchanged limb, to turn (MRL).
        limb_deg: By angles of this standard deviation (SDL).
        turn_prob: Of each child, to turn as a whole (MRG).
        turn_deg: By angles of this standard deviation (SDG).
        length_prob: Of each child, to get other limb lengths (MBLR).
        length_spread: Standard deviation of the logarithm of what they are scaled by.
        required_limbs: How many of its nine limbs must be possible (Th).
        compat: Whose way it is.
    """

    crossover: bool = True
    exchange_lengths: bool = True
    limb_prob: float = 0.3
    limb_deg: float = 10.0
    turn_prob: float = 0.1
    turn_deg: float = 30.0
    length_prob: float = 0.5
    length_spread: float = 0.05
    required_limbs: int = NUM_LIMBS
    compat: Compat = "none"


@dataclass(frozen=True)
class Litter:
    """The children of one generation, possible or not, sons before daughters.

    Attributes:
        joints_mm: Their joints.
        fathers: Rows of the population whose torso they have.
        mothers: Rows of the other parents.
        satisfied: Which of their limbs are possible.
        kept: Which children are.
    """

    joints_mm: Float[np.ndarray, "children 17 3"]
    fathers: Int[np.ndarray, " children"]
    mothers: Int[np.ndarray, " children"]
    satisfied: Bool[np.ndarray, "children 9"]
    kept: Bool[np.ndarray, " children"]


def breed(
    population_mm: Float[np.ndarray, "poses 17 3"],
    rng: np.random.Generator,
    *,
    pairs: int,
    strengths: Strengths,
    limits: JointLimits | None,
    templates_mm: Float[np.ndarray, "templates 9"],
) -> Litter:
    """Return the children of pairs that are drawn at random, two of each.

    Args:
        population_mm: Poses to draw parents from, none of them twice.
        rng: Source of draws.
        pairs: How many; twice as many poses must be there.
        strengths: How strongly the operators work.
        limits: What limbs can do; None: everything.
        templates_mm: Limb lengths for children whose lengths mutate.

    Raises:
        ValueError: If there are fewer poses than parents.
    """
    if not 1 <= pairs <= len(population_mm) // 2:
        raise ValueError(
            f"parents are drawn once each: {pairs} pairs need at least {max(2 * pairs, 2)} poses, "
            f"got {len(population_mm)}."
        )
    parents = rng.choice(len(population_mm), size=2 * pairs, replace=False)
    others = np.roll(parents, pairs)
    local = to_local(population_mm[parents])
    children = _mated(local, rng, strengths)
    published = strengths.compat == "evoskeleton_v1"
    if not published:
        children = mutate_lengths(
            children,
            templates_mm,
            rng,
            prob=strengths.length_prob,
            spread=strengths.length_spread,
        )
    joints_mm = turn_bodies(
        to_global(children),
        rng,
        prob=strengths.turn_prob,
        deg=PUBLISHED_TURN_DEG if published else strengths.turn_deg,
        axes="coordinate" if published else "any",
    )
    satisfied = np.ones((len(joints_mm), NUM_LIMBS), dtype=bool)
    if limits is not None:
        satisfied = limits.satisfied(joints_mm)
    counted = satisfied.copy()
    if published:
        counted[:, FIRST] = True
        joints_mm = lower_to_published_level(joints_mm, rng)
    else:
        joints_mm = stand_like(joints_mm, population_mm[parents])
    kept = counted.sum(axis=1) >= strengths.required_limbs
    return Litter(joints_mm, parents, others, satisfied, kept)


def _mated(parents: LocalPoses, rng: np.random.Generator, strengths: Strengths) -> LocalPoses:
    """Return sons and daughters after crossover and the mutation of limbs."""
    published = strengths.compat == "evoskeleton_v1"
    pairs = len(parents) // 2
    fathers, mothers = parents[np.arange(pairs)], parents[np.arange(pairs, 2 * pairs)]
    limbs = np.ones((pairs, NUM_LIMBS), dtype=bool)
    if strengths.crossover:
        masks = subtree_masks(PUBLISHED_SUBTREES if published else SUBTREES)
        limbs = masks[rng.integers(len(masks), size=pairs)]
        fathers, mothers = crossover(fathers, mothers, limbs)
    if strengths.exchange_lengths:
        fathers, mothers = exchange_lengths(fathers, mothers)
    return mutate_limbs(
        _joined(fathers, mothers),
        np.concatenate([limbs, limbs]),
        rng,
        prob=strengths.limb_prob,
        deg=strengths.limb_deg,
        axes="coordinate" if published else "any",
    )


def _joined(first: LocalPoses, second: LocalPoses) -> LocalPoses:
    return LocalPoses(
        np.concatenate([first.torso_mm, second.torso_mm]),
        np.concatenate([first.directions, second.directions]),
        np.concatenate([first.lengths_mm, second.lengths_mm]),
        np.concatenate([first.neck, second.neck]),
    )

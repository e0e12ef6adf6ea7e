"""The operators that make new poses from recorded ones (Li et al., CVPR 2020, section 3.2).

All work on many poses at once; draws are made in a fixed order from the generator that is given.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from hpe.evolution.bone_frames import LocalPoses, to_global
from hpe.evolution.limbs import MIRRORED_LIMBS
from hpe.geometry.body_skeleton import PELVIS

Axes = Literal["any", "coordinate"]
"""Axes that turns are about: uniform over all directions, or one of the frame's three."""

PUBLISHED_LEVEL_MM = (20.0, 3.0)
"""Mean and standard deviation of the lowest z after EvoSkeleton's `set_z`."""


def crossover(
    fathers: LocalPoses, mothers: LocalPoses, swapped: Bool[np.ndarray, "poses 9"]
) -> tuple[LocalPoses, LocalPoses]:
    """Exchange the directions of limbs between poses.

    Args:
        fathers: The sons keep their torsos and limb lengths.
        mothers: The daughters keep theirs.
        swapped: The limbs to exchange: those of a sub-tree.
    """
    limbs, head = swapped[..., None], swapped[:, :1]
    return (
        replace(
            fathers,
            directions=np.where(limbs, mothers.directions, fathers.directions),
            neck=np.where(head, mothers.neck, fathers.neck),
        ),
        replace(
            mothers,
            directions=np.where(limbs, fathers.directions, mothers.directions),
            neck=np.where(head, fathers.neck, mothers.neck),
        ),
    )


def exchange_lengths(sons: LocalPoses, daughters: LocalPoses) -> tuple[LocalPoses, LocalPoses]:
    """Give the sons the limb lengths of their mothers, and the daughters those of their fathers."""
    return (
        replace(sons, lengths_mm=daughters.lengths_mm),
        replace(daughters, lengths_mm=sons.lengths_mm),
    )


def mutate_limbs(
    poses: LocalPoses,
    limbs: Bool[np.ndarray, "poses 9"],
    rng: np.random.Generator,
    *,
    prob: float,
    deg: float,
    axes: Axes = "any",
) -> LocalPoses:
    """Turn some of the limbs, each with a probability, by normal angles; lengths stay.

    Args:
        poses: What to mutate.
        limbs: Limbs that may turn.
        rng: Source of draws.
        prob: Of each of them, in [0, 1].
        deg: Standard deviation of the angle.
        axes: What it turns about, in the limb's frame.
    """
    count = limbs.size
    turned = limbs & (rng.random(limbs.shape) < prob)
    turns = random_turns(count, rng, deg=deg, axes=axes).as_matrix().reshape(*limbs.shape, 3, 3)
    directions = (turns @ poses.directions[..., None])[..., 0]
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return replace(poses, directions=np.where(turned[..., None], directions, poses.directions))


def mutate_lengths(
    poses: LocalPoses,
    templates_mm: Float[np.ndarray, "templates 9"],
    rng: np.random.Generator,
    *,
    prob: float,
    spread: float,
) -> LocalPoses:
    """Give some poses the limb lengths of a template, each kind of limb scaled a little.

    Left and right limbs of a kind are scaled alike, so that a body stays as symmetric as the
    template.

    Args:
        poses: What to mutate.
        templates_mm: Limb lengths of real people.
        rng: Source of draws.
        prob: Of each pose, in [0, 1].
        spread: Standard deviation of the scale's logarithm.
    """
    changed = rng.random(len(poses)) < prob
    chosen_mm = templates_mm[rng.integers(len(templates_mm), size=len(poses))]
    factors = np.exp(rng.normal(0.0, spread, size=poses.lengths_mm.shape))
    alike = np.minimum(np.arange(len(MIRRORED_LIMBS)), MIRRORED_LIMBS)
    lengths_mm = chosen_mm * factors[:, alike]
    return replace(poses, lengths_mm=np.where(changed[:, None], lengths_mm, poses.lengths_mm))


def turn_bodies(
    joints_mm: Float[np.ndarray, "poses 17 3"],
    rng: np.random.Generator,
    *,
    prob: float,
    deg: float,
    axes: Axes = "any",
) -> Float[np.ndarray, "poses 17 3"]:
    """Turn some whole bodies about their pelvis by normal angles.

    Args:
        joints_mm: What to turn.
        rng: Source of draws.
        prob: Of each pose, in [0, 1].
        deg: Standard deviation of the angle.
        axes: What they turn about, in the joints' own frame.
    """
    chosen = rng.random(len(joints_mm)) < prob
    turns = random_turns(len(joints_mm), rng, deg=deg, axes=axes).as_matrix()
    pelvis_mm = joints_mm[:, PELVIS, None]
    turned_mm = (joints_mm - pelvis_mm) @ turns.swapaxes(-1, -2) + pelvis_mm
    return np.where(chosen[:, None, None], turned_mm, joints_mm)


def stand_like(
    joints_mm: Float[np.ndarray, "poses 17 3"], models_mm: Float[np.ndarray, "poses 17 3"]
) -> Float[np.ndarray, "poses 17 3"]:
    """Move bodies along y, which points down, until their lowest joints are as low as the models'.

    The camera's y is near enough to the vertical for recordings of people who stand.
    """
    lowest_mm = joints_mm[..., 1].max(axis=1)
    drop_mm = models_mm[..., 1].max(axis=1) - lowest_mm
    moved_mm: Float[np.ndarray, "poses 17 3"]
    moved_mm = joints_mm + drop_mm[:, None, None] * np.array([0.0, 1.0, 0.0])
    return moved_mm


def lower_to_published_level(
    joints_mm: Float[np.ndarray, "poses 17 3"], rng: np.random.Generator
) -> Float[np.ndarray, "poses 17 3"]:
    """Move bodies along z until their smallest z is normal about 20 mm, as EvoSkeleton does.

    In its world frame that is the ground. S4 does the same to joints whose z is depth; so does
    this to joints in a camera's frame, who then stand in front of its lens.
    """
    level_mm = rng.normal(*PUBLISHED_LEVEL_MM, size=len(joints_mm))
    drop_mm = level_mm - joints_mm[..., 2].min(axis=1)
    moved_mm: Float[np.ndarray, "poses 17 3"]
    moved_mm = joints_mm + drop_mm[:, None, None] * np.array([0.0, 0.0, 1.0])
    return moved_mm


def random_limbs(poses: LocalPoses, rng: np.random.Generator) -> Float[np.ndarray, "poses 17 3"]:
    """Return bodies whose limbs point anywhere, uniformly, for comparison."""
    directions = rng.normal(size=poses.directions.shape)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return to_global(replace(poses, directions=directions))


def random_turns(count: int, rng: np.random.Generator, *, deg: float, axes: Axes) -> Rotation:
    """Return rotations by normal angles.

    Args:
        count: How many, at least one.
        rng: Source of draws.
        deg: Standard deviation of the angle.
        axes: What they are about.
    """
    angles = np.deg2rad(rng.normal(0.0, deg, size=count))
    if axes == "coordinate":
        about = np.eye(3)[rng.integers(3, size=count)]
    else:
        about = rng.normal(size=(count, 3))
        about /= np.linalg.norm(about, axis=1, keepdims=True)
    return Rotation.from_rotvec(angles[:, None] * about)

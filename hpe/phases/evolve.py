"""Evolution of the training split's skeletons: a larger set of poses that people can take."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hpe.evolution.bone_frames import to_local
from hpe.evolution.breeding import breed
from hpe.evolution.joint_limits import EstimatedLimits, JointLimits, estimate_limits
from hpe.evolution.limbs import LIMBS
from hpe.evolution.operators import random_limbs
from hpe.evolution.recorded_limits import read_recorded_limits
from hpe.geometry.body_skeleton import PELVIS
from hpe.phases.averages import require_finite
from hpe.phases.evolve_config import EvolveConfig, target_size
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, State
from hpe.phases.recorded_poses import of_chosen_people, read_poses

BARREN_GENERATIONS = 200
"""Generations in a row without a child that are taken to mean that there will be none."""

VALIDATION_POSES = 1000
RANDOM_POSES = 1000
NUM_FAMILIES = 8


@dataclass(frozen=True)
class Population:
    """The recorded poses, then all children in the order of their birth.

    Attributes:
        joints_mm: In the camera's frame.
        fathers: Row of the parent whose torso it has; its own row for a recorded pose.
        mothers: Row of the other parent; likewise.
        generations: Generations behind it.
    """

    joints_mm: Float[np.ndarray, "poses 17 3"]
    fathers: Int[np.ndarray, " poses"]
    mothers: Int[np.ndarray, " poses"]
    generations: int

    def __len__(self) -> int:
        """Return the number of poses."""
        return len(self.joints_mm)


@dataclass(frozen=True)
class _World:
    """What does not change while poses evolve."""

    config: EvolveConfig
    inputs: PhaseInputs
    recorded_mm: Float[np.ndarray, "poses 17 3"]
    templates_mm: Float[np.ndarray, "poses 9"]
    limits: JointLimits | None
    constants: Mapping[str, float]


def evolve(config: EvolveConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Breed poses from those of the training split until there are `growth` times as many.

    Yields:
        A report per growth step.

    Returns:
        The groups `evolved` (`joints_mm`, in the camera's frame, recorded poses first, and each
        one's `fathers` and `mothers` by row) and `predictions` (a few families to look at), and how
        many poses are recorded ones.

    Raises:
        ValueError: If no child keeps to the limits, or data or limits are not as they must be.
    """
    world = _world(config, inputs)
    recorded = len(world.recorded_mm)
    own = np.arange(recorded)
    population = Population(world.recorded_mm, own, own, 0)
    finished, metrics = 0, dict[str, float]()
    if resume is not None:
        population = _restored(resume)
        finished, metrics = int(resume["epoch"]), dict(resume["metrics"])
    for epoch in range(finished + 1, config.epochs + 1):
        size = target_size(config, recorded=recorded, epoch=epoch)
        population, valid_share = _grown(population, world, size)
        metrics = {
            "train/poses": float(len(population)),
            "train/valid_share": valid_share,
            "train/spread_mm": spread_mm(population.joints_mm),
            **world.constants,
        }
        yield EpochReport(
            epoch=epoch,
            epochs=config.epochs,
            metrics=require_finite(metrics, epoch=epoch),
            state=partial(_state, population, epoch, metrics),
            artifacts=partial(_artifacts, population, world, metrics),
        )
    return _artifacts(population, world, metrics)


def spread_mm(joints_mm: Float[np.ndarray, "poses 17 3"]) -> float:
    """Return the root-mean-square distance of joints from their mean, relative to the pelvis."""
    relative = joints_mm - joints_mm[:, PELVIS, None]
    squares = np.square(relative - relative.mean(axis=0)).sum(axis=-1)
    return float(np.sqrt(squares.mean()))


def _world(config: EvolveConfig, inputs: PhaseInputs) -> _World:
    train = read_poses(inputs.data.splits["train"], on_batch=inputs.on_batch)
    recorded_mm = of_chosen_people(train, config.recorded).joints_mm
    limits = _limits(config, recorded_mm)
    local = to_local(recorded_mm)
    rng = np.random.default_rng([inputs.seed, 0])
    some = local[rng.integers(len(local), size=RANDOM_POSES)]
    validation = read_poses(
        inputs.data.splits["val"], at_most=VALIDATION_POSES, on_batch=inputs.on_batch
    )
    return _World(
        config=config,
        inputs=inputs,
        recorded_mm=recorded_mm,
        templates_mm=local.lengths_mm,
        limits=limits if config.limits.enabled else None,
        constants={
            "train/random_valid_share": _valid_share(limits, random_limbs(some, rng)),
            "val/valid_share": _valid_share(limits, validation.joints_mm),
        },
    )


def _limits(config: EvolveConfig, recorded_mm: Float[np.ndarray, "poses 17 3"]) -> JointLimits:
    limits = config.limits
    if limits.folder is not None:
        return read_recorded_limits(Path(limits.folder))
    return estimate_limits(
        recorded_mm,
        coverage=limits.coverage,
        smallest_deg=limits.smallest_deg,
        largest_deg=limits.largest_deg,
    )


def _valid_share(limits: JointLimits, joints_mm: Float[np.ndarray, "poses 17 3"]) -> float:
    return float(limits.satisfied(joints_mm).all(axis=1).mean())


def _grown(population: Population, world: _World, size: int) -> tuple[Population, float]:
    """Return the population at the given size, and the share of children that were possible."""
    config = world.config
    born = kept = barren = generations = 0
    while len(population) < size and generations != config.limit_batches:
        world.inputs.on_batch()
        generations += 1
        litter = breed(
            population.joints_mm,
            np.random.default_rng([world.inputs.seed, 1 + population.generations]),
            pairs=max(1, int(config.parents_share * len(population))),
            strengths=config.strengths,
            limits=world.limits,
            templates_mm=world.templates_mm,
        )
        born, kept = born + len(litter.kept), kept + int(litter.kept.sum())
        barren = 0 if litter.kept.any() else barren + 1
        if barren == BARREN_GENERATIONS:
            raise ValueError(
                f"no child of {BARREN_GENERATIONS} generations keeps to the joint limits; weaken "
                "the mutation (limbs/deg, limbs/prob) or lower required_limbs."
            )
        rows = np.flatnonzero(litter.kept)[: size - len(population)]
        population = Population(
            np.concatenate([population.joints_mm, litter.joints_mm[rows]]),
            np.concatenate([population.fathers, litter.fathers[rows]]),
            np.concatenate([population.mothers, litter.mothers[rows]]),
            population.generations + 1,
        )
    return population, kept / max(born, 1)


def _state(population: Population, epoch: int, metrics: Mapping[str, float]) -> State:
    return {
        "epoch": epoch,
        "metrics": dict(metrics),
        "joints_mm": torch.from_numpy(population.joints_mm.copy()),
        "fathers": torch.from_numpy(population.fathers.copy()),
        "mothers": torch.from_numpy(population.mothers.copy()),
        "generations": population.generations,
    }


def _restored(state: State) -> Population:
    return Population(
        state["joints_mm"].numpy(),
        state["fathers"].numpy(),
        state["mothers"].numpy(),
        int(state["generations"]),
    )


def _artifacts(population: Population, world: _World, metrics: Mapping[str, float]) -> Artifacts:
    """Return the evolved set, families to look at, and how it was made."""
    limits = world.limits
    tolerances = limits.tolerances_deg.tolist() if isinstance(limits, EstimatedLimits) else None
    recorded = len(world.recorded_mm)
    return Artifacts(
        tensors={
            "evolved": {
                "joints_mm": torch.from_numpy(population.joints_mm).float(),
                "fathers": torch.from_numpy(population.fathers),
                "mothers": torch.from_numpy(population.mothers),
            },
            "predictions": _families(population, recorded),
        },
        facts={
            "phase": "evolve",
            "recorded": recorded,
            "limbs": list(LIMBS),
            "tolerances_deg": tolerances,
            "compat": world.config.compat,
            "metrics": dict(metrics),
        },
    )


def _families(population: Population, recorded: int) -> dict[str, Tensor]:
    """Return a few children, spread over all, with their parents."""
    first = min(recorded, len(population) - 1)  # a set that did not grow shows its last pose
    children = np.arange(first, len(population))
    chosen = children[np.linspace(0, len(children) - 1, NUM_FAMILIES).round().astype(np.int64)]
    rows = {
        "father_mm": population.fathers[chosen],
        "mother_mm": population.mothers[chosen],
        "child_mm": chosen,
    }
    return {name: torch.from_numpy(population.joints_mm[row]).float() for name, row in rows.items()}

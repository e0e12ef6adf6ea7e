"""Prefix-aware search (`search: {reuse: p}`) against plain TPE at equal cost.

Claim: where pretraining costs ten times what finetuning costs and either matters as much, a search
that goes on from finished pretrainings has at most 0.6 times the regret of plain TPE of the same
cost (`reuse: 0.75`); where finetuning's settings hardly matter it has no more.

Planted problems: pretraining has five searched settings x and finetuning four z, all in [0, 1]. The
error in mm is

    sum_i a_i (x_i - c_i)^2 + sum_j b_j (z_j - d_j - s_j (x_j - c_j))^2 + noise

with a in proportion 1 : 0.7 : 0.5 : 0.35 : 0.25 and b in proportion 1 : 0.7 : 0.5 : 0.3, so that
some settings matter more than others; c_i ~ U(0.2, 0.8), d_j ~ U(0.3, 0.7), and s_j = +-0.5: the
best finetuning depends on the pretraining. Problems differ in how much of the variance between
random points is finetuning's. All are on the scale measured in `docs/pretraining_gain.md`, end to
end: 8 mm standard deviation between settings there, 0.7 mm between seeds of one. Half of the
noise's variance comes with pretraining and is shared by all that goes on from it. Like training, it
is a function of the settings: nothing is gained by trying a point again.

Method: whole studies are played by the engine (conductor, sampler's view, journal, prefixes) on one
slot whose stages end at once and cost 10 and 1. Each study has the cost of 40 fresh trials, 440,
however it spends it. The regret is what the point with the best measured error lacks to the
optimum, without noise. Every seed is a problem of its own, the same for all methods. The ratio is
that of mean regrets, its 95 % interval from 10,000 paired bootstrap samples over seeds. The last
column is the cost at which the mean regret first is as low as plain TPE's at its end.

Run from the repository's root: `python benchmarks/prefix_search.py [--seeds 30]`.
Takes about ten minutes on two cores.
"""

# ruff: noqa: ARG001, ARG002 - the arguments are the engine's

import argparse
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from hpe.config import Config
from hpe.phases.phase import Phase, PhaseInputs, PhaseSpec, State
from search_spaces.space import Space
from sweep.book import Book
from sweep.conductor import Conductor
from sweep.journal import Journal
from sweep.ledger import Record
from sweep.points import Point
from sweep.study import Study
from trainables.assignment import Assignment, Stage
from trainables.keys import canonical_json

COST = {"pretrain": 10, "finetune": 1}
FRESH_TRIALS = 40
BUDGET = FRESH_TRIALS * sum(COST.values())
SHARES = {"half": 0.5, "a fifth": 0.2, "a fiftieth": 0.02}  # of the variance that is finetuning's
REUSE = (0.0, 0.25, 0.5, 0.75, 1.0)
SPREAD_MM, NOISE_MM = 8.0, 0.7
PRETRAIN_WEIGHTS = np.array([1, 0.7, 0.5, 0.35, 0.25])
FINETUNE_WEIGHTS = np.array([1, 0.7, 0.5, 0.3])
SHIFT = 0.5
RESAMPLES = 10_000

Regrets = np.ndarray
"""Regret in mm after each unit of cost, infinite before the first trial has ended."""


# The planted problem


@dataclass(frozen=True)
class Planted:
    """An error whose lowest point is known: zero, without noise."""

    seed: int
    pretrain_weights: np.ndarray
    pretrain_best: np.ndarray
    finetune_weights: np.ndarray
    finetune_best: np.ndarray
    shift: np.ndarray

    def error_mm(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the error without noise of points, given along the last axis."""
        pretraining, finetuning = self.parts_mm(x, z)
        error: np.ndarray = pretraining + finetuning
        return error

    def parts_mm(self, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what either phase adds to the error."""
        off = x - self.pretrain_best
        best = self.finetune_best + self.shift * off[..., : len(self.shift)]
        pretraining = self.pretrain_weights * off**2
        return pretraining.sum(-1), (self.finetune_weights * (z - best) ** 2).sum(-1)

    def measured_mm(self, x: np.ndarray, z: np.ndarray) -> float:
        """Return the error as training would measure it."""
        noise = normal(self.seed, x) + normal(self.seed, x, z)
        return float(self.error_mm(x, z)) + NOISE_MM / math.sqrt(2) * noise


def plant(seed: int, share: float) -> Planted:
    """Return a problem of which finetuning has this share of the variance between points."""
    rng = np.random.default_rng([seed, 1])
    draft = Planted(
        seed=seed,
        pretrain_weights=PRETRAIN_WEIGHTS,
        pretrain_best=rng.uniform(0.2, 0.8, len(PRETRAIN_WEIGHTS)),
        finetune_weights=FINETUNE_WEIGHTS,
        finetune_best=rng.uniform(0.3, 0.7, len(FINETUNE_WEIGHTS)),
        shift=SHIFT * rng.choice([-1, 1], len(FINETUNE_WEIGHTS)),
    )
    x = rng.uniform(size=(10_000, len(PRETRAIN_WEIGHTS)))
    z = rng.uniform(size=(10_000, len(FINETUNE_WEIGHTS)))
    pretraining, finetuning = draft.parts_mm(x, z)
    return Planted(
        seed=seed,
        pretrain_weights=PRETRAIN_WEIGHTS * SPREAD_MM * np.sqrt(1 - share) / pretraining.std(),
        pretrain_best=draft.pretrain_best,
        finetune_weights=FINETUNE_WEIGHTS * SPREAD_MM * np.sqrt(share) / finetuning.std(),
        finetune_best=draft.finetune_best,
        shift=draft.shift,
    )


def normal(seed: int, *settings: np.ndarray) -> float:
    """Return standard normal noise that is a function of the settings."""
    text = canonical_json([seed, *(part.tolist() for part in settings)])
    digest = hashlib.sha256(text.encode()).digest()
    return float(np.random.default_rng(list(digest)).normal())


# Its phases and space


class PretrainConfig(Config):
    """Five settings that say nothing by their names."""

    x0: float = 0.0
    x1: float = 0.0
    x2: float = 0.0
    x3: float = 0.0
    x4: float = 0.0


class FinetuneConfig(Config):
    """Four of them."""

    z0: float = 0.0
    z1: float = 0.0
    z2: float = 0.0
    z3: float = 0.0


def train_nothing(config: Any, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Stand for a phase, whose reports are made up here."""
    raise AssertionError("nothing is trained here")


PHASES = {
    "pretrain": PhaseSpec(
        config=PretrainConfig, run=train_nothing, metrics=lambda _: (), epochs=lambda _: 1
    ),
    "finetune": PhaseSpec(
        config=FinetuneConfig,
        run=train_nothing,
        metrics=lambda _: ("val/error_mm",),
        epochs=lambda _: 1,
        follows=("pretrain",),
    ),
}


def suggest(trial: optuna.Trial) -> Mapping[str, Any]:
    """Choose all nine."""
    for label, config in (("pretrain", PretrainConfig), ("finetune", FinetuneConfig)):
        for name in config.model_fields:
            trial.suggest_float(f"{label}/{name}", 0.0, 1.0)
    return trial.params


SPACE = Space(suggest=suggest, plan=("pretrain", "finetune"), about="nine coordinates")


def stages_of(point: Point, seed: int) -> tuple[Stage, ...]:
    """Return the stages of a point; the second's key covers the first's."""
    stages: list[Stage] = []
    for step in point.plan:
        config = point.configs[step.label].model_dump()
        parents = {stage.phase: stage.key for stage in stages}
        identity = canonical_json([step.phase, config, parents, seed])
        key = hashlib.sha256(identity.encode()).hexdigest()
        stages.append(Stage(key, step.label, step.phase, config, parents, {}, seed, epochs=1))
    return tuple(stages)


# The machine


class OneSlot:
    """A slot that is always ready."""

    def lend(self, wanted: int) -> str | None:
        return "slot"

    def withdraw(self, slot: str, trial: int) -> None:
        raise AssertionError("nothing is stopped here")

    def give_back(self, slot: str) -> None:
        pass

    def is_free(self, slot: str) -> bool:
        return True

    def poll(self) -> list[str]:
        return []


class Stages:
    """Stages that are trained at once, for what they cost.

    Attributes:
        spent: The cost of all there are.
    """

    def __init__(self, planted: Planted) -> None:
        self._planted = planted
        self._metrics: dict[str, dict[str, float]] = {}
        self._settings: dict[str, np.ndarray] = {}
        self.spent = 0

    def is_committed(self, key: str) -> bool:
        return key in self._metrics

    def metrics(self, key: str) -> list[dict[str, Any]]:
        return [{"epoch": 1, "metrics": self._metrics[key]}]

    def events(self, stage: Stage) -> Iterator[dict[str, Any]]:
        """Yield what a slot would report of this stage."""
        if self.is_committed(stage.key):
            yield {"event": "reused", "epoch": 1}
            return
        self._settings[stage.key] = np.array(list(stage.config.values()))
        self._metrics[stage.key] = self._measured(stage)
        self.spent += COST[stage.phase]
        yield {"event": "started", "epoch": 0}
        yield {"event": "epoch", "epoch": 1, "metrics": self._metrics[stage.key]}
        yield {"event": "finished", "epoch": 1}

    def regret_mm(self, stage: Stage) -> float:
        """Return how far a point, given by its last stage, is from the optimum."""
        return float(self._planted.error_mm(*self._point(stage)))

    def _measured(self, stage: Stage) -> dict[str, float]:
        if stage.phase == "pretrain":
            return {}
        return {"val/error_mm": self._planted.measured_mm(*self._point(stage))}

    def _point(self, stage: Stage) -> tuple[np.ndarray, np.ndarray]:
        return self._settings[stage.parents["pretrain"]], self._settings[stage.key]


class Unwritten(Journal):
    """A journal that need not survive."""

    def open(self) -> list[Record]:
        return []

    def append(self, records: Sequence[Record]) -> None:
        pass


def play(seed: int, *, share: float, reuse: float) -> Regrets:
    """Run one study until its budget is spent."""
    stages = Stages(plant(seed, share))
    study = Study.model_validate(
        {
            "name": "planted",
            "question": "Where is the lowest point?",
            "data": {},
            "plan": ["pretrain", "finetune"],
            "space": "planted",
            "objective": {"metric": "finetune/val/error_mm"},
            "search": {"trials": BUDGET, "reuse": reuse},
            "seeds": {"study": seed},
        }
    )
    conductor, book = conductor_of(study, SPACE, stages)
    conductor.open({})
    regrets = np.full(BUDGET + 1, np.inf)
    best_mm = np.inf
    while True:
        number, last = run_trial(conductor, stages)
        if stages.spent > BUDGET:
            return regrets
        objective = book.ledger.trials[number].objective
        assert objective is not None
        if objective < best_mm:
            best_mm = objective
            regrets[stages.spent :] = stages.regret_mm(last)


def conductor_of(study: Study, space: Space, stages: Stages) -> tuple[Conductor, Book]:
    """Return who plays a study on one slot, and the book of it, which is kept in memory alone."""
    book = Book(Unwritten(Path("unwritten")))
    conductor = Conductor(
        study,
        phases=PHASES,
        space=space,
        stages_of=stages_of,
        stages=stages,
        slots=OneSlot(),
        num_slots=1,
        store_root="",
        book=book,
    )
    return conductor, book


def run_trial(conductor: Conductor, stages: Stages) -> tuple[int, Stage]:
    """Run the next trial of a study; return its number and its last stage."""
    config = conductor.next_config()
    assert isinstance(config, dict), config
    number: int = config["trial"]
    for data in config["assignments"]:
        assignment = Assignment.from_json(data)
        for seq, event in enumerate(stages.events(assignment.stage)):
            report = {
                "assignment": assignment.id,
                "seq": seq,
                "epochs": 1,
                "metrics": {},
                "error_class": None,
                "message": None,
                "trial": number,
                "label": assignment.stage.label,
                **event,
            }
            conductor.on_reports(number, config["attempt"], [report])
    return number, assignment.stage


# The table


def ratio_interval(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the ratio of two means over the same seeds."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(ours), (RESAMPLES, len(ours)))
    low, high = np.quantile(ours[rows].mean(1) / theirs[rows].mean(1), (0.025, 0.975))
    return float(low), float(high)


def cost_to_reach(regrets: np.ndarray, level: float) -> str:
    """Return the first cost at which the mean regret over seeds is no higher than this."""
    reached = np.flatnonzero(regrets.mean(0) <= level)
    return f"{reached[0]} ({reached[0] / BUDGET:.0%})" if len(reached) else "-"


def main() -> None:
    """Print a row per problem and probability of reuse."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    seeds = parser.parse_args().seeds
    print(
        f"{seeds} seeds, cost {BUDGET} each: {FRESH_TRIALS} fresh trials, regret in mm at the end"
    )
    print(
        f"{'finetuning has':>14} {'search':>12} {'regret':>7} {'median':>7} {'ratio':>6} "
        f"{'95 % interval':>14} {'better':>7} {'as good at':>12}"
    )
    spawn = get_context("spawn")
    with ProcessPoolExecutor(max_workers=2, mp_context=spawn) as processes:
        for name, share in SHARES.items():
            plain: np.ndarray | None = None
            for reuse in REUSE:
                run = partial(play, share=share, reuse=reuse)
                regrets = np.array(list(processes.map(run, range(seeds))))
                plain = regrets if plain is None else plain
                ours, theirs = regrets[:, -1], plain[:, -1]
                low, high = ratio_interval(ours, theirs)
                print(
                    f"{name:>14} {f'reuse {reuse:g}' if reuse else 'plain TPE':>12} "
                    f"{ours.mean():>7.2f} {np.median(ours):>7.2f} "
                    f"{ours.mean() / theirs.mean():>6.2f} {f'{low:.2f} to {high:.2f}':>14} "
                    f"{(ours < theirs).mean():>7.0%} "
                    f"{cost_to_reach(regrets, theirs.mean()) if reuse else '':>12}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

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
that of mean regrets, its 95 % interval from 10,000 paired bootstrap samples over seeds. "As good
at" is the cost at which the mean regret first is as low as plain TPE's at its end. The last columns
are the cost to the same score over plain TPE's, as `to_the_same_score.py` counts it: to the worse
of both best measured errors at the end, seed by seed, summed, and the interval of that ratio.

The last two rows have rungs, after a quarter and a half of each phase, where the better half of the
trials goes on (`asha`; from the second trial that comes to one). Both phases have four epochs
there. Of pretraining a probe tells what it adds to the error, with noise of half that part's
standard deviation. And finetuning fails where its first setting is 0.25 or more above its best, as
it does with too high a learning rate, so that many a good pretraining is stopped at its first try.

Run from the repository's root: `python benchmarks/prefix_search.py [--seeds 30]`.
Takes about twelve minutes on two cores.
"""

# ruff: noqa: ARG001, ARG002 - the arguments are the engine's

import argparse
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
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
WITH_RUNGS = ("half", "a fifth")
REUSE = (0.0, 0.25, 0.5, 0.75, 1.0)
SPREAD_MM, NOISE_MM = 8.0, 0.7
PRETRAIN_WEIGHTS = np.array([1, 0.7, 0.5, 0.35, 0.25])
FINETUNE_WEIGHTS = np.array([1, 0.7, 0.5, 0.3])
SHIFT = 0.5
PROBE, ERROR = "probe/error_mm", "val/error_mm"
EPOCHS = 4  # of each phase, where there are rungs
STILL_TO_LEARN_MM = 30.0  # what an epoch's error lies above the next one's
PROBE_NOISE = 0.5  # of the standard deviation of what it tells
FAILS_FROM, FAILED_MM = 0.25, 1000.0
RUNGS = {"rule": "asha", "proxy": True, "rungs": [0.25, 0.5], "keep": 0.5, "grace": 2}
RESAMPLES = 10_000


@dataclass(frozen=True)
class Played:
    """What a study came to, after each unit of cost; infinite before the first trial has ended.

    Attributes:
        regrets: What the point with the best measured error lacks to the optimum, in mm.
        scores: The best measured error, in mm.
    """

    regrets: np.ndarray
    scores: np.ndarray


# The planted problem


@dataclass(frozen=True)
class Planted:
    """An error whose lowest point is known: zero, without noise.

    Attributes:
        share: Of the variance between points, what is finetuning's.
        fails: Whether finetuning fails where its first setting is far above its best.
    """

    seed: int
    share: float
    pretrain_weights: np.ndarray
    pretrain_best: np.ndarray
    finetune_weights: np.ndarray
    finetune_best: np.ndarray
    shift: np.ndarray
    fails: bool = False

    def error_mm(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the error without noise of points, given along the last axis."""
        pretraining, finetuning = self.parts_mm(x, z)
        error: np.ndarray = pretraining + finetuning
        return error

    def parts_mm(self, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what either phase adds to the error, without failures."""
        off = x - self.pretrain_best
        best = self.finetune_best + self.shift * off[..., : len(self.shift)]
        pretraining = self.pretrain_weights * off**2
        return pretraining.sum(-1), (self.finetune_weights * (z - best) ** 2).sum(-1)

    def measured_mm(self, x: np.ndarray, z: np.ndarray) -> float:
        """Return the error as training would measure it."""
        noise = normal(self.seed, x) + normal(self.seed, x, z)
        failed = self.fails and z[0] > self.finetune_best[0] + FAILS_FROM
        return float(self.error_mm(x, z)) + NOISE_MM / math.sqrt(2) * noise + FAILED_MM * failed

    def probed_mm(self, x: np.ndarray) -> float:
        """Return what the probe tells of pretraining's part of the error."""
        part, _ = self.parts_mm(x, self.finetune_best)
        spread_mm = SPREAD_MM * math.sqrt(1 - self.share)
        return float(part) + PROBE_NOISE * spread_mm * normal(self.seed, x, np.array([1.0]))


def plant(seed: int, share: float, *, fails: bool = False) -> Planted:
    """Return a problem of which finetuning has this share of the variance between points."""
    rng = np.random.default_rng([seed, 1])
    draft = Planted(
        seed=seed,
        share=share,
        fails=fails,
        pretrain_weights=PRETRAIN_WEIGHTS,
        pretrain_best=rng.uniform(0.2, 0.8, len(PRETRAIN_WEIGHTS)),
        finetune_weights=FINETUNE_WEIGHTS,
        finetune_best=rng.uniform(0.3, 0.7, len(FINETUNE_WEIGHTS)),
        shift=SHIFT * rng.choice([-1, 1], len(FINETUNE_WEIGHTS)),
    )
    x = rng.uniform(size=(10_000, len(PRETRAIN_WEIGHTS)))
    z = rng.uniform(size=(10_000, len(FINETUNE_WEIGHTS)))
    pretraining, finetuning = draft.parts_mm(x, z)
    return replace(
        draft,
        pretrain_weights=PRETRAIN_WEIGHTS * SPREAD_MM * np.sqrt(1 - share) / pretraining.std(),
        finetune_weights=FINETUNE_WEIGHTS * SPREAD_MM * np.sqrt(share) / finetuning.std(),
    )


def normal(seed: int, *settings: np.ndarray) -> float:
    """Return standard normal noise that is a function of the settings."""
    text = canonical_json([seed, *(part.tolist() for part in settings)])
    digest = hashlib.sha256(text.encode()).digest()
    return float(np.random.default_rng(list(digest)).normal())


# Its phases and space


class PretrainConfig(Config):
    """Five settings that say nothing by their names."""

    epochs: int = 1
    x0: float = 0.0
    x1: float = 0.0
    x2: float = 0.0
    x3: float = 0.0
    x4: float = 0.0


class FinetuneConfig(Config):
    """Four of them."""

    epochs: int = 1
    z0: float = 0.0
    z1: float = 0.0
    z2: float = 0.0
    z3: float = 0.0


def train_nothing(config: Any, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Stand for a phase, whose reports are made up here."""
    raise AssertionError("nothing is trained here")


PHASES = {
    "pretrain": PhaseSpec(
        config=PretrainConfig,
        run=train_nothing,
        metrics=lambda _: (PROBE,),
        epochs=lambda config: config.epochs,
        proxy=PROBE,
    ),
    "finetune": PhaseSpec(
        config=FinetuneConfig,
        run=train_nothing,
        metrics=lambda _: (ERROR,),
        epochs=lambda config: config.epochs,
        follows=("pretrain",),
    ),
}


def searched_in(config: type[Config]) -> list[str]:
    """Return what is searched of a phase's settings, in order."""
    return [name for name in config.model_fields if name != "epochs"]


def suggest(trial: optuna.Trial) -> Mapping[str, Any]:
    """Choose all nine."""
    for label, config in (("pretrain", PretrainConfig), ("finetune", FinetuneConfig)):
        for name in searched_in(config):
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
        epochs = config["epochs"]
        stages.append(Stage(key, step.label, step.phase, config, parents, {}, seed, epochs))
    return tuple(stages)


# The machine


class OneSlot:
    """A slot that is always ready."""

    def lend(self, wanted: int) -> str | None:
        return "slot"

    def withdraw(self, slot: str, trial: int) -> None:
        pass

    def give_back(self, slot: str) -> None:
        pass

    def is_free(self, slot: str) -> bool:
        return True

    def poll(self) -> list[str]:
        return []


class Stages:
    """Stages that are trained at once, for what they cost.

    Attributes:
        spent: The cost of all epochs there are.
    """

    def __init__(self, planted: Planted) -> None:
        self._planted = planted
        self._metrics: dict[str, list[dict[str, Any]]] = {}
        self._settings: dict[str, np.ndarray] = {}
        self.spent = 0.0

    def is_committed(self, key: str) -> bool:
        return key in self._metrics

    def metrics(self, key: str) -> list[dict[str, Any]]:
        return self._metrics[key]

    def events(self, stage: Stage) -> Iterator[dict[str, Any]]:
        """Yield what a slot would report of this stage, which may be stopped in between."""
        if self.is_committed(stage.key):
            yield {"event": "reused", "epoch": stage.epochs}
            return
        names = searched_in(PHASES[stage.phase].config)
        self._settings[stage.key] = np.array([stage.config[name] for name in names])
        metric, end = self._measured(stage)
        yield {"event": "started", "epoch": 0}
        history = []
        for epoch in range(1, stage.epochs + 1):
            self.spent += COST[stage.phase] / stage.epochs
            metrics = {metric: end + STILL_TO_LEARN_MM * (stage.epochs - epoch)}
            history.append({"epoch": epoch, "metrics": metrics})
            yield {"event": "epoch", **history[-1]}
        self._metrics[stage.key] = history
        yield {"event": "finished", "epoch": stage.epochs}

    def regret_mm(self, stage: Stage) -> float:
        """Return how far a point, given by its last stage, is from the optimum."""
        return float(self._planted.error_mm(*self._point(stage)))

    def _measured(self, stage: Stage) -> tuple[str, float]:
        """Return what a stage reports at its end, and how it is called."""
        if stage.phase == "pretrain":
            return PROBE, self._planted.probed_mm(self._settings[stage.key])
        return ERROR, self._planted.measured_mm(*self._point(stage))

    def _point(self, stage: Stage) -> tuple[np.ndarray, np.ndarray]:
        return self._settings[stage.parents["pretrain"]], self._settings[stage.key]


class Unwritten(Journal):
    """A journal that need not survive."""

    def open(self) -> list[Record]:
        return []

    def append(self, records: Sequence[Record]) -> None:
        pass


def play(seed: int, *, share: float, reuse: float, rungs: bool = False) -> Played:
    """Run one study until its budget is spent."""
    stages = Stages(plant(seed, share, fails=rungs))
    epochs = {f"{label}/epochs": EPOCHS for label in PHASES} if rungs else {}
    study = Study.model_validate(
        {
            "name": "planted",
            "question": "Where is the lowest point?",
            "data": {},
            "plan": ["pretrain", "finetune"],
            "settings": epochs,
            "space": "planted",
            "objective": {"metric": f"finetune/{ERROR}"},
            "search": {"trials": BUDGET, "reuse": reuse},
            "early_stop": RUNGS if rungs else {},
            "seeds": {"study": seed},
        }
    )
    conductor, book = conductor_of(study, SPACE, stages)
    conductor.open({})
    played = Played(np.full(BUDGET + 1, np.inf), np.full(BUDGET + 1, np.inf))
    while True:
        number, last = run_trial(conductor, stages)
        if stages.spent > BUDGET:
            return played
        objective = book.ledger.trials[number].objective
        if objective is not None and objective < played.scores[-1]:
            played.scores[math.ceil(stages.spent) :] = objective
            played.regrets[math.ceil(stages.spent) :] = stages.regret_mm(last)


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
                "epochs": assignment.stage.epochs,
                "metrics": {},
                "error_class": None,
                "message": None,
                "trial": number,
                "label": assignment.stage.label,
                **event,
            }
            if conductor.on_reports(number, config["attempt"], [report]):
                return number, assignment.stage
    raise AssertionError("a trial ends with its last stage, or before")


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


def costs_to_the_worse(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what it costs both, by seed, to come to the worse of their best scores at the end.

    Args:
        ours: Best score so far, by seed and cost.
        theirs: Likewise.
    """
    worse = np.maximum(ours[:, -1], theirs[:, -1])[:, None]
    return np.argmax(ours <= worse, axis=1), np.argmax(theirs <= worse, axis=1)


def main() -> None:
    """Print a row per problem and probability of reuse."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    seeds = parser.parse_args().seeds
    print(
        f"{seeds} seeds, cost {BUDGET} each: {FRESH_TRIALS} fresh trials, regret in mm at the end"
    )
    print(
        f"{'finetuning has':>15} {'search':>12} {'regret':>7} {'median':>7} {'ratio':>6} "
        f"{'95 % interval':>14} {'better':>7} {'as good at':>12} {'same score':>11} "
        f"{'95 % interval':>14}"
    )
    spawn = get_context("spawn")
    problems = [(name, share, False, REUSE) for name, share in SHARES.items()]
    problems += [(f"{name}, rungs", SHARES[name], True, (0.0, 0.75)) for name in WITH_RUNGS]
    with ProcessPoolExecutor(max_workers=2, mp_context=spawn) as processes:
        for name, share, rungs, probabilities in problems:
            plain: Sequence[np.ndarray] | None = None
            for reuse in probabilities:
                run = partial(play, share=share, reuse=reuse, rungs=rungs)
                played = list(processes.map(run, range(seeds)))
                regrets = np.array([each.regrets for each in played])
                scores = np.array([each.scores for each in played])
                plain = (regrets, scores) if plain is None else plain
                ours, theirs = regrets[:, -1], plain[0][:, -1]
                low, high = ratio_interval(ours, theirs)
                costs = costs_to_the_worse(scores, plain[1])
                least, most = ratio_interval(*costs)
                print(
                    f"{name:>15} {f'reuse {reuse:g}' if reuse else 'plain TPE':>12} "
                    f"{ours.mean():>7.2f} {np.median(ours):>7.2f} "
                    f"{ours.mean() / theirs.mean():>6.2f} {f'{low:.2f} to {high:.2f}':>14} "
                    f"{(ours < theirs).mean():>7.0%} "
                    f"{cost_to_reach(regrets, theirs.mean()) if reuse else '':>12} "
                    f"{costs[0].sum() / costs[1].sum():>11.2f} "
                    f"{f'{least:.2f} to {most:.2f}':>14}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

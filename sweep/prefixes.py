"""Prefix-aware search: which finished first phases of an earlier trial a new point takes over.

Where the first phases of a plan cost most, a point that shares them with an earlier trial costs
only what follows (Li et al., "Hippo", 2020, shares such prefixes after the fact; here the search
asks for them). What a study's prefixes are and which one comes next follows from the ledger, the
study's seed and the trial's number alone, so a restart changes nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from sweep.early_stop import Rung
from sweep.facts import DIVERGED
from sweep.ledger import Ledger
from sweep.objectives import violations
from sweep.parts import Part
from sweep.proxies import is_switched_off
from sweep.study import Study, label_of
from sweep.trials import StageEntry, Trial, TrialState
from trainables.plans import Plan, trained_steps

MIN_FRESH = 0.25
"""Share of the searched points whose prefix is their own, whatever `search/reuse` says: without new
ones a search can only end at the best of its first few."""

GOOD_SHARE, MOST_GOOD = 0.1, 25
"""How many points count as good: what Optuna's TPE takes (`default_gamma`)."""

PRIOR = (0.5, 2.0)
"""Beta prior of the rate at which points on a prefix are good; its mean is one in five."""

FINISHED = ("done", "reused")

_STREAM = 0x507265  # tells these draws from the sampler's, which have the same seed and number

Loss = tuple[float, float]
"""How a point ended, for comparison: by how much it breaks constraints, then its objective, signed
so that less is better."""

WORST: Loss = (math.inf, math.inf)


@dataclass(frozen=True)
class Prefix:
    """The first steps of a plan as earlier trials have finished them.

    Attributes:
        trial: The first trial that finished them.
        keys: Of their stages.
        params: What the space suggested for them.
        losses: Of the points on it that have ended.
        pending: Points on it that have not.
        proxy: What stands in for the objective at their end, signed so that less is better; None
            where nothing does.
    """

    trial: int
    keys: tuple[str, ...]
    params: Mapping[str, Any]
    losses: tuple[Loss, ...]
    pending: int
    proxy: float | None = None

    @property
    def steps(self) -> int:
        """Return how many steps of the plan it covers."""
        return len(self.keys)


def reusable_lengths(study: Study, plan: Plan, searched: Sequence[str]) -> list[int]:
    """Return how many steps a prefix of this study may have.

    There must be something searched in it, else every point has it anyway, and after it, else there
    is nothing left to choose. Steps that given weights replace are not trained and do not count.

    Args:
        study: The study.
        plan: Its plan.
        searched: The parameters of its space.
    """
    labels = trained_labels(study, plan)
    places = {labels.index(label) for label in map(label_of, searched) if label in labels}
    return [k for k in range(1, len(labels)) if min(places) < k <= max(places)] if places else []


def trained_labels(study: Study, plan: Plan) -> list[str]:
    """Return the labels of the steps that are trained: those after the last given weights."""
    return [step.label for step in trained_steps(plan, study.from_weights)]


def is_reuse_due(study: Study, ledger: Ledger, number: int) -> bool:
    """Say whether this searched point is to take over a prefix, if there is one.

    Drawn with the probability the study asks for; not where it would leave fewer fresh prefixes
    than `MIN_FRESH`. Trial seeds of one point count once.
    """
    points = [
        trial
        for trial in ledger.trials.values()
        if trial.arm is None and trial.seed == study.seeds.trials[0]
    ]
    reusing = sum(trial.prefix_of is not None for trial in points)
    leaves_enough_fresh = reusing + 1 <= (1 - MIN_FRESH) * (len(points) + 1)
    return _draws(study, number).random() < study.search.reuse and leaves_enough_fresh


def finished_prefixes(
    study: Study,
    ledger: Ledger,
    *,
    labels: Sequence[str],
    lengths: Sequence[int],
    rungs: Sequence[Rung] = (),
) -> list[Prefix]:
    """Return the prefixes a new point may take over, in the order in which they were finished.

    They are told apart by the keys of their stages, so two suggestions that mean the same are one.
    A prefix is no candidate

    - if one of its phases made a trial diverge or was where one was stopped early (which, before
      the objective exists, is on a proxy): it was found wanting itself;
    - as long as no point on it is complete or was stopped early: nothing is known of it, or that
      all on it diverged. To be stopped in a later phase says little against it: that may be the
      later phase's settings, and the prefix is paid for.

    Trials known from another study count like the study's own.

    Args:
        study: The study.
        ledger: What happened so far.
        labels: Of the steps that are trained, in order.
        lengths: How many steps a prefix may have.
        rungs: Where the study compares trials, for its proxies.
    """
    proxies = {r.label: r for r in rungs if r.is_proxy and not is_switched_off(r, ledger)}
    results = _results(study, ledger)
    prefixes = []
    for steps in lengths:
        groups: dict[tuple[str, ...], list[Trial]] = {}
        for trial in ledger.told().values():
            first = trial.stages[:steps]
            is_of_plan = [stage.label for stage in first] == list(labels[:steps])
            if is_of_plan and trial.seed == study.seeds.trials[0]:
                groups.setdefault(tuple(stage.key for stage in first), []).append(trial)
        for keys, trials in groups.items():
            proxy = proxies.get(labels[steps - 1])
            prefix = _prefix(keys, trials, results, labels[:steps], proxy)
            if prefix is not None:
                prefixes.append(prefix)
    return prefixes


def parts_after(
    steps: int, study: Study, ledger: Ledger, *, labels: Sequence[str], lengths: Sequence[int]
) -> list[Part]:
    """Return the parts in which the rest of a point is asked for, after a prefix of so many steps.

    Points that share a prefix lie in one place as far as it goes. Shown all of them, a sampler
    takes them for evidence of a place well explored (the kernels of Optuna's TPE become as narrow
    as neighbours are close) and its fresh prefixes keep to old ones. So a prefix is asked for first
    and the rest then, and for a prefix the sampler sees each known one once, by the best that came
    of it.

    Args:
        steps: Steps that are settled.
        study: The study.
        ledger: What happened so far.
        labels: Of the steps that are trained, in order.
        lengths: How many steps a prefix may have.
    """
    ends = [*lengths, len(labels)]
    return [
        Part(
            labels=frozenset(labels[start:end]),
            among=frozenset(ledger.told())
            if end == len(labels)
            else frozenset(_bests(study, ledger, labels[:end])),
        )
        for start, end in zip([0, *lengths], ends, strict=True)
        if start >= steps
    ]


def by_belief(prefixes: Sequence[Prefix], study: Study, number: int) -> list[Prefix]:
    """Return the prefixes in the order in which this point should take one over.

    A sampler such as TPE splits what is known into few good points and the rest and goes where the
    good are dense (Bergstra et al., 2011). Each prefix is judged by the same split: the rate at
    which points on it are good has a Beta posterior, from how many were and how many were tried,
    and the prefix with the highest draw comes first (Thompson sampling; Chapelle and Li, 2011).
    What counts is so the best that a prefix may lead to and not its mean, as in the max k-armed
    bandit, for which Streeter and Smith (2006) count rewards above a rising threshold as well. A
    prefix tried often without success fades; one tried once keeps a chance. Points that have not
    ended count as tried, so that several slots do not all take the same. What stands in for the
    objective at a prefix's end, where something does, counts as one point more: good by the share
    of prefixes of its length that it beats.
    """
    split = _worst_good([loss for prefix in prefixes for loss in prefix.losses])
    draws = _draws(study, number)
    draws.random()  # the one `is_reuse_due` used
    rates = []
    for prefix, beaten in zip(prefixes, shares_beaten(prefixes), strict=True):
        tried = len(prefix.losses) + prefix.pending
        good: float = sum(loss <= split < WORST for loss in prefix.losses)
        if beaten is not None:
            tried, good = tried + 1, good + beaten
        rates.append(draws.beta(PRIOR[0] + good, PRIOR[1] + tried - good))
    order = sorted(range(len(prefixes)), key=lambda i: -rates[i])
    return [prefixes[i] for i in order]


def shares_beaten(prefixes: Sequence[Prefix]) -> list[float | None]:
    """Return for each prefix the share of those of its length, itself among them, that it beats.

    Those whose proxy is as good count half.
    """
    shares: list[float | None] = [None] * len(prefixes)
    for steps in {prefix.steps for prefix in prefixes}:
        known = {
            place: prefix.proxy
            for place, prefix in enumerate(prefixes)
            if prefix.steps == steps and prefix.proxy is not None
        }
        for place, rank in zip(known, rankdata(list(known.values())), strict=True):
            shares[place] = 1 - (float(rank) - 0.5) / len(known)
    return shares


def num_shared(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many leading stage keys two trials have in common."""
    pairs = zip(first, second, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def _prefix(
    keys: tuple[str, ...],
    trials: Sequence[Trial],
    results: Mapping[int, Loss | None],
    labels: Sequence[str],
    proxy: Rung | None,
) -> Prefix | None:
    """Return what these trials finished together, or None if it is no candidate."""
    finished = [t for t in trials if all(s.status in FINISHED for s in t.stages[: len(keys)])]
    losses = [results[trial.number] for trial in trials if trial.number in results]
    known = tuple(loss for loss in losses if loss is not None)
    speaks = (TrialState.COMPLETE, TrialState.PRUNED)
    if not finished or not any(trial.state in speaks for trial in trials):
        return None
    if any(_was_found_wanting(trial, trial.stages[: len(keys)]) for trial in trials):
        return None
    params = finished[0].params
    return Prefix(
        trial=finished[0].number,
        keys=keys,
        params={name: value for name, value in params.items() if label_of(name) in labels},
        losses=known,
        pending=len(losses) - len(known),
        proxy=None if proxy is None else _proxy_at_end(finished[0].stages[len(keys) - 1], proxy),
    )


def _proxy_at_end(stage: StageEntry, rung: Rung) -> float | None:
    value = stage.epochs[-1].metrics.get(rung.metric) if stage.epochs else None
    if value is None or not math.isfinite(value):
        return None
    return value if rung.direction == "minimize" else -value


def _bests(study: Study, ledger: Ledger, labels: Sequence[str]) -> list[int]:
    """Return for each prefix with these steps the trial that came of it best."""
    bests: dict[tuple[str, ...], Trial] = {}
    for trial in ledger.told().values():
        first = trial.stages[: len(labels)]
        is_of_plan = [stage.label for stage in first] == list(labels)
        if is_of_plan and trial.seed == study.seeds.trials[0]:
            keys = tuple(stage.key for stage in first)
            bests[keys] = min(bests.get(keys, trial), trial, key=lambda t: _standing(t, study))
    return [trial.number for trial in bests.values()]


def _standing(trial: Trial, study: Study) -> tuple[int, Loss]:
    """Return what orders trials: complete ones by their loss, then what a sampler learns from."""
    if trial.state is TrialState.COMPLETE:
        return 0, _loss(trial, study)
    if trial.state is TrialState.PRUNED:
        return 1, WORST
    if trial.error_class == DIVERGED:
        return 2, WORST
    return (3 if trial.state is TrialState.RUNNING else 4), WORST


def _was_found_wanting(trial: Trial, stages: Sequence[StageEntry]) -> bool:
    """Say whether a trial ended in these stages by what they reached."""
    if trial.state is TrialState.PRUNED and trial.rungs:
        return trial.rungs[-1].label in [stage.label for stage in stages]
    diverged = trial.state is TrialState.FAIL and trial.error_class == DIVERGED
    return diverged and any(stage.status not in FINISHED for stage in stages)


def _results(study: Study, ledger: Ledger) -> dict[int, Loss | None]:
    """Return how each point ended, by its trial with the first trial seed; None: it has not.

    The trial seeds of a point count with their mean, as far as they are complete. A point that
    failed for another reason than diverging says nothing about where it lies and is left out.
    """
    points: dict[Any, list[Trial]] = {}
    for trial in ledger.told().values():
        points.setdefault((trial.arm, tuple(sorted(trial.params.items()))), []).append(trial)
    results: dict[int, Loss | None] = {}
    for trials in points.values():
        complete = [_loss(t, study) for t in trials if t.state is TrialState.COMPLETE]
        for trial in trials:
            if complete:
                mean = np.mean(complete, axis=0)
                results[trial.number] = (float(mean[0]), float(mean[1]))
            elif trial.state is TrialState.RUNNING:
                results[trial.number] = None
            elif trial.state is TrialState.PRUNED or trial.error_class == DIVERGED:
                results[trial.number] = WORST
    return results


def _loss(trial: Trial, study: Study) -> Loss:
    assert trial.objective is not None, trial
    sign = 1.0 if study.objective.direction == "minimize" else -1.0
    excess = sum(max(0.0, value) for value in violations(trial, study.objective).values())
    return excess, sign * trial.objective


def _worst_good(losses: Sequence[Loss]) -> Loss:
    """Return the worst loss that still counts as good."""
    num_good = min(math.ceil(GOOD_SHARE * len(losses)), MOST_GOOD)
    return sorted(losses)[num_good - 1] if losses else WORST


def _draws(study: Study, number: int) -> np.random.Generator:
    return np.random.default_rng([study.seeds.study, number, _STREAM])

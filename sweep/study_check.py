"""Checking a study against the phases, spaces, baselines and data sets that there are.

Everything that can be known before a machine is asked is refused here, so that nothing starts which
could only fail.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from hpe.config import Config
from hpe.data.catalog import DATA_SETS, data_config, task_of
from hpe.names import nearest
from hpe.phases.catalog import PHASES
from hpe.phases.phase import PhaseSpec
from search_spaces.space import SPACES, Space
from sweep.data_fit import (
    check_data_suffices,
    check_depth_is_known,
    check_files,
    check_visibility_is_known,
    split_sizes,
)
from sweep.early_stop_check import check_early_stop
from sweep.grid import space_of
from sweep.messages import about, counted
from sweep.partial_space import without_phases
from sweep.points import Point, arm_point, searched_point, shared_settings
from sweep.reuse_check import check_reuse
from sweep.samplers import SPACE_SAMPLES
from sweep.search_check import check_grid, check_metrics, check_objective, check_sampler
from sweep.source import check_source
from sweep.study import FINAL_SEEDS, Study, label_of
from sweep.verdict.race import MIN_ROUNDS
from trainables.plans import default_settings, trained_steps, unknown_path

Phases = Mapping[str, PhaseSpec]


@dataclass(frozen=True)
class CheckedStudy:
    """A study that can run, with what it comes to.

    Attributes:
        base: The point of the study's settings alone.
        arms: Name -> what it runs.
        searched: Every path the search may vary -> its distribution; empty without a search.
        conditional: Those of them that only some points have, such as the strength of an operation
            that may be left out.
        varied: Every path that points of the space set.
        data: The validated settings of the data set.
        space: What is searched: the study's space without the phases that given weights replace.
        notices: What people should know before it starts.
    """

    study: Study
    base: Point
    arms: Mapping[str, Point]
    space: Space | None
    searched: Mapping[str, BaseDistribution]
    conditional: frozenset[str]
    varied: frozenset[str]
    data: Config
    notices: tuple[str, ...]

    @property
    def arm_trials(self) -> int:
        """Return how many trials the arms make."""
        return len(self.arms) * len(self.study.seeds.trials)

    @property
    def searched_trials(self) -> int:
        """Return how many trials the searched points make."""
        return self.study.search.trials * len(self.study.seeds.trials)


def check_study(study: Study, phases: Phases = PHASES, *, has_files: bool = True) -> CheckedStudy:
    """Return the study with all that follows from it.

    Args:
        study: The study.
        phases: What there is to train.
        has_files: Whether the files that its settings name are to be on this machine.

    Raises:
        ValueError: If a name is unknown, a value out of range or a combination impossible.
    """
    with about("data"):
        data = data_config(study.data)
    base = searched_point(study, {}, phases)
    replaced = _replaced_labels(study, base)
    arms = {}
    for name in study.arms:
        with about(f"arms/{name}"):
            arms[name] = arm_point(study, name, phases)
    left_out = _arms_told_apart_by(replaced, study, arms)
    study = study.model_copy(
        update={"arms": {name: arm for name, arm in study.arms.items() if name not in left_out}}
    )
    arms = {name: point for name, point in arms.items() if name not in left_out}
    for point in (base, *arms.values()):
        _check_task(point, data, replaced)
    _check_sizes(study, base)
    check_objective(study)
    check_grid(study, replaced, phases)
    space = _space(study, base, replaced)
    _check_arms_suffice(arms, split_sizes(data), replaced)
    if has_files:
        check_files((base, *arms.values()), replaced=replaced)
    searched, conditional, varied = _searched(
        study, space, phases, sizes=split_sizes(data), has_files=has_files
    )
    for point in (base, *arms.values()):
        check_metrics(study, point)
        check_depth_is_known(point, data, replaced=replaced)
        check_visibility_is_known(point, data, replaced=replaced)
    check_early_stop(study, base)
    check_sampler(study, searched, conditional)
    check_source(study)
    _check_search(study)
    check_reuse(study, base.plan, searched)
    return CheckedStudy(
        study=study,
        base=base,
        arms=arms,
        space=space,
        searched=searched,
        conditional=conditional,
        varied=varied,
        data=data,
        notices=tuple(_notices(study, left_out)),
    )


def check_lengths(checked: CheckedStudy, lengths: Mapping[str, int]) -> None:
    """Refuse a study of which a phase could not take one step on the data as it is.

    Args:
        checked: The study.
        lengths: Split -> samples, of the data set once it is open.

    Raises:
        ValueError: With the arm and the phase, what a step takes and what there is.
    """
    replaced = _replaced_labels(checked.study, checked.base)
    if checked.searched_trials > 0:
        check_data_suffices(checked.base, lengths, replaced=replaced)
    _check_arms_suffice(checked.arms, lengths, replaced)


def _check_arms_suffice(
    arms: Mapping[str, Point], sizes: Mapping[str, int], replaced: Sequence[str]
) -> None:
    for name, point in arms.items():
        with about(f"arms/{name}"):
            check_data_suffices(point, sizes, replaced=replaced)


def _check_sizes(study: Study, base: Point) -> None:
    paths = default_settings(base.plan)
    for name, size in study.sizes.items():
        for path in size.settings:
            if path not in paths:
                raise ValueError(f"sizes/{name}/settings: {unknown_path(path, paths)}")


def _space(study: Study, base: Point, replaced: Sequence[str]) -> Space | None:
    """Return what is searched, or None."""
    if study.space is not None and study.space not in SPACES:
        raise ValueError(
            f"space: there is no search space {study.space!r}{nearest(study.space, SPACES)}; "
            f"spaces are {', '.join(SPACES)}."
        )
    if study.search.trials == 0 and not study.arms:
        raise ValueError("search/trials is 0 and there are no arms: nothing to run; set one.")
    if study.search.grid:
        return space_of(study, SPACES)
    if study.search.trials > 0 and study.space is None:
        raise ValueError(
            f"search/trials is {study.search.trials} but the study has no space to search; "
            f"name one ({', '.join(SPACES)}) or set search/trials to 0."
        )
    if study.space is None:
        return None
    space = SPACES[study.space]
    return without_phases(space, replaced, base.configs) if replaced else space


def _searched(
    study: Study,
    space: Space | None,
    phases: Phases,
    *,
    sizes: Mapping[str, int],
    has_files: bool,
) -> tuple[dict[str, BaseDistribution], frozenset[str], frozenset[str]]:
    """Return every parameter, those that only some points have, and every path that is set."""
    if space is None or study.search.trials == 0:
        return {}, frozenset(), frozenset()
    searched: dict[str, BaseDistribution] = {}
    seen: Counter[str] = Counter()
    varied: set[str] = set()
    points: list[Point] = []
    with about("search/grid" if study.search.grid else f"space {study.space}"):
        for distributions, settings in _sampled(space):
            searched.update(distributions)
            seen.update(distributions.keys())
            varied.update(settings)
            point = searched_point(study, settings, phases)
            check_data_suffices(point, sizes, replaced=_replaced_labels(study, point))
            points.append(point)
        if has_files:
            check_files(points, replaced=_replaced_labels(study, points[0]))
    if not searched:
        raise ValueError(
            f"from_weights: the given weights replace everything that the space {study.space} "
            f"searches; set search/trials to 0, or search another space."
        )
    _check_nothing_fixed_is_searched(study, varied)
    conditional = frozenset(path for path, times in seen.items() if times < SPACE_SAMPLES)
    return searched, conditional, frozenset(varied)


def _sampled(space: Space) -> Iterator[tuple[dict[str, BaseDistribution], Mapping[str, Any]]]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it announces every study made
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(SPACE_SAMPLES):
        trial = study.ask()
        settings = space.suggest(trial)
        yield dict(trial.distributions), settings


def _check_nothing_fixed_is_searched(study: Study, varied: Collection[str]) -> None:
    both = [path for path in study.settings if path in varied]
    where = "search/grid" if study.search.grid else f"the space {study.space}"
    if both:
        raise ValueError(
            f"settings: {', '.join(both)} would have no effect, because {where} searches "
            f"it; leave it out, give it to an arm, or search another space."
        )


def _check_search(study: Study) -> None:
    seeds = study.seeds.trials
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds/trials: each seed once, got {seeds}.")
    if study.ablation.seeds > 0 and study.space is None and not study.search.grid:
        raise ValueError(
            f"ablation/seeds: the winner of a search is to run again without each of its parts on "
            f"{study.ablation.seeds} seeds, but the study has no space; compare arms instead."
        )
    if study.ablation.interactions == 1 or (
        study.ablation.interactions and study.ablation.seeds == 0
    ):
        raise ValueError(
            f"ablation/interactions: pairs are made of two or more of the strongest parts, which "
            f"ablation/seeds tells, got {study.ablation.interactions} and "
            f"{study.ablation.seeds} seeds; set 0, or both."
        )
    if study.final.top_k > 0 and "seeds" not in study.final.model_fields_set:
        raise ValueError(
            f"final/seeds: the best {study.final.top_k} are to run again, but it is not said on "
            f"how many fresh seeds; {FINAL_SEEDS} find a lead of one standard deviation."
        )
    if study.final.model_fields_set == {"seeds"}:
        raise ValueError(
            f"final/top_k: {study.final.seeds} fresh seeds are given, but not how many of the best "
            f"points run again; set it (3, say), or to 0 for no replicates."
        )
    if study.final.top_k > 0 and study.space is None and not study.search.grid:
        raise ValueError(
            f"final/top_k: the best {study.final.top_k} of what is searched are to run again, but "
            f"the study has no space; arms alone are compared over seeds/trials."
        )


def _replaced_labels(study: Study, base: Point) -> list[str]:
    """Return the plan labels that given weights stand for."""
    labels = [step.label for step in base.plan]
    for label in study.from_weights:
        if label not in labels[:-1]:
            raise ValueError(
                f"from_weights: {label!r} is no phase that another one follows"
                f"{nearest(label, labels[:-1])}; the plan is {', '.join(labels)}."
            )
    return labels[: -len(trained_steps(base.plan, study.from_weights))]


def _arms_told_apart_by(
    replaced: Sequence[str], study: Study, arms: Mapping[str, Point]
) -> list[str]:
    """Return the arms that would be equal because weights replace the phase they differ in.

    The weights are those of the study's own settings, or of the first arm's where there is no
    search and every arm has others there. An arm alone, as with `--arm`, is meant.
    """
    if len(arms) < 2:
        return []
    shared = shared_settings(study)
    own = {
        name: {path: v for path, v in point.settings.items() if label_of(path) in replaced}
        for name, point in arms.items()
        if any(label in replaced for label in point.configs)
    }
    others = [
        name for name, values in own.items() if any(shared.get(p) != v for p, v in values.items())
    ]
    if study.search.trials == 0 and len(others) == len(own):
        others = [name for name in others if own[name] != own[others[0]]]
    return others


def _notices(study: Study, left_out: Sequence[str]) -> Iterator[str]:
    if study.final.top_k > 0 and study.final.seeds <= MIN_ROUNDS:
        what = "only what differs by several standard deviations"
        apart = "nothing" if study.final.seeds == 1 else f"{what}, and nobody leaves the race early"
        yield (
            f"final/seeds: {counted(study.final.seeds, 'fresh seed')} can tell apart {apart}; "
            f"{FINAL_SEEDS} find a lead of one."
        )
    if left_out:
        yield (
            f"left out, because the given weights replace the phase in which they differ: "
            f"{', '.join(left_out)}."
        )


def _check_task(point: Point, data: Config, replaced: Collection[str]) -> None:
    """Refuse a phase that is trained on other annotations than the data set has."""
    task = task_of(data)
    for step in point.plan:
        if step.label in replaced or step.spec.task in (None, task):
            continue
        fitting = [name for name, entry in DATA_SETS.items() if entry.task == step.spec.task]
        raise ValueError(
            f"data/name: {step.phase} is trained on data for {step.spec.task}, got "
            f"{data.model_dump()['name']!r}, which is for {task}; data sets it takes are "
            f"{', '.join(fitting)}."
        )

"""Checking that a study's search can do what it says: sampler, grid, metrics, constraints."""

from collections import Counter
from collections.abc import Mapping, Sequence

from optuna.distributions import BaseDistribution

from hpe.names import nearest
from hpe.phases.phase import PhaseSpec
from sweep.grid import grid_point, grid_size
from sweep.messages import about
from sweep.objectives import COSTS, bound_text, constrained, targets
from sweep.points import Point, searched_point
from sweep.samplers import SAMPLERS, Reach
from sweep.study import Study, known_direction, label_of

SCALAR = (bool, int, float, str, type(None))


def check_grid(study: Study, replaced: Sequence[str], phases: Mapping[str, PhaseSpec]) -> None:
    """Refuse a grid that has no meaning, or a point that its plan does not take.

    Args:
        study: The study.
        replaced: Plan labels that given weights stand for.
        phases: The phases by name.

    Raises:
        ValueError: If so, with the path and the value.
    """
    grid, sampler = study.search.grid, study.search.sampler
    if sampler == "grid" and not grid:
        raise ValueError(
            "search/grid: the sampler grid tries the values given there (path -> list of values), "
            "and there are none; give some, or choose another sampler."
        )
    if not grid:
        return
    if sampler != "grid":
        raise ValueError(
            f"search/grid: only the sampler grid tries these values, got {sampler}; set "
            f"search/sampler to grid, or leave the grid out."
        )
    if study.space is not None:
        raise ValueError(
            f"space: a grid says itself what is searched, got {study.space} too; leave one out."
        )
    if study.search.reuse > 0:
        raise ValueError(
            f"search/reuse: a grid tries each of its points once, so there is no choice left in "
            f"which a prefix could be taken, got {study.search.reuse:g}; set it to 0. (Stages that "
            f"points have in common are trained once in any case.)"
        )
    _check_values(study, replaced)
    size = grid_size(grid)
    if study.search.trials > size:
        raise ValueError(
            f"search/trials: the grid has {size} points, each tried once, got "
            f"{study.search.trials}; leave it out for all of them, or ask for fewer."
        )
    for place in range(study.search.trials):
        with about("search/grid"):
            searched_point(study, grid_point(grid, place), phases)


def check_sampler(
    study: Study, searched: Mapping[str, BaseDistribution], conditional: frozenset[str]
) -> None:
    """Refuse a sampler that cannot do what the study asks of it.

    Args:
        study: The study.
        searched: Every parameter the search may vary.
        conditional: Those of them that only some points have.

    Raises:
        ValueError: If so, with the samplers that can.
    """
    sampler = study.search.sampler
    if study.search.trials == 0:
        return
    if study.objective.also and not SAMPLERS[sampler].several:
        able = [name for name, kind in SAMPLERS.items() if kind.several]
        raise ValueError(
            f"search/sampler: {sampler} improves a single objective, and objective/also names "
            f"more; choose one of {', '.join(able)}."
        )
    if study.objective.constraints and not SAMPLERS[sampler].constraints:
        able = [name for name, kind in SAMPLERS.items() if kind.constraints]
        raise ValueError(
            f"search/sampler: {sampler} takes no account of objective/constraints; choose one of "
            f"{', '.join(able)}."
        )
    if study.search.neighbours > 0 and not SAMPLERS[sampler].mixes:
        able = [name for name, kind in SAMPLERS.items() if kind.mixes]
        raise ValueError(
            f"search/neighbours: {sampler} suggests points that belong together, which others "
            f"would break into; set search/neighbours to 0, or choose one of {', '.join(able)}."
        )
    if sampler == "cmaes" and not Reach(searched, frozenset(searched) - conditional).numbers:
        raise ValueError(
            f"search/sampler: cmaes adapts numbers that every point has, and the space "
            f"{study.space} has only choices and conditional parameters; choose tpe."
        )


def check_metrics(study: Study, point: Point) -> None:
    """Refuse what a trial is judged by if this point does not report it.

    Raises:
        ValueError: If so, with what it reports.
    """
    last = point.plan[-1]
    reported = [f"{last.label}/{key}" for key in last.spec.metrics(point.configs[last.label])]
    arm = "" if point.arm is None else f"arms/{point.arm}: "
    _check_metric(study, study.objective.metric, reported, where=arm or "objective/metric: ")
    for target in study.objective.also:
        metrics = [*reported, *COSTS]
        _check_metric(study, target.metric, metrics, where=f"{arm}objective/also: ")
    for metric in constrained(study.objective):
        metrics = [*reported, *COSTS]
        _check_metric(study, metric, metrics, where=f"{arm}objective/constraints: ")


def check_objective(study: Study) -> None:
    """Refuse targets and constraints that say nothing, or contradict each other.

    Raises:
        ValueError: If so.
    """
    times = Counter(target.metric for target in targets(study.objective))
    twice = [metric for metric, count in times.items() if count > 1]
    if twice:
        raise ValueError(f"objective/also: each metric once, got {', '.join(twice)} again.")
    for target in targets(study.objective):
        direction = known_direction(target.metric)
        if direction is None and "direction" not in target.model_fields_set:
            raise ValueError(
                f"objective/direction: the name {target.metric} does not say whether more of it is "
                f"better or less; set it to minimize or maximize."
            )
        if direction not in (None, target.direction):
            raise ValueError(
                f"objective/direction: by its name {target.metric} is a number to {direction}, got "
                f"{target.direction}; leave the direction out, or give the metric another name if "
                f"it means something else."
            )
    for constraint in study.objective.constraints:
        if (constraint.at_most is None) == (constraint.at_least is None):
            given = "none" if constraint.at_most is None else "both"
            raise ValueError(
                f"objective/constraints: {constraint.metric} needs either at_most or at_least, "
                f"got {given}; for a range give two constraints."
            )
    bounds = [(c.metric, bound_text(c)) for c in study.objective.constraints]
    if len(set(bounds)) < len(bounds):
        raise ValueError("objective/constraints: each bound once.")


def _check_values(study: Study, replaced: Sequence[str]) -> None:
    for path, values in study.search.grid.items():
        if label_of(path) in replaced:
            raise ValueError(
                f"search/grid: {path} has no effect, because the given weights replace its phase; "
                f"leave it out."
            )
        for value in values:
            if not isinstance(value, SCALAR):
                raise ValueError(
                    f"search/grid: {path}: values must be numbers, texts, true, false or null, "
                    f"got {value!r}."
                )
            if values.count(value) > 1:
                raise ValueError(f"search/grid: {path}: each value once, got {value!r} again.")


def _check_metric(study: Study, metric: str, metrics: Sequence[str], *, where: str) -> None:
    if metric not in metrics:
        raise ValueError(
            f"{where}{metric} is not what the last phase of the plan reports"
            f"{nearest(metric, metrics)}; it reports {', '.join(metrics)}."
        )
    if "/test/" in metric and study.search.trials > 0:
        raise ValueError(
            f"{where}a search would choose its points by the test split, got {metric}; "
            f"search on the validation split, or set search/trials to 0."
        )

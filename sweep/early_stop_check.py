"""Checking that a study's rules of early stopping can do what they say."""

from hpe.names import nearest
from sweep.points import Point
from sweep.samplers import SAMPLERS
from sweep.study import EarlyStop, Study

READ_PRUNED = tuple(name for name, kind in SAMPLERS.items() if kind.reads_stopped)
"""Samplers that learn from trials that were stopped early, or from none at all."""


def check_early_stop(study: Study, base: Point) -> None:
    """Refuse rules that are impossible, or that would mislead the search.

    Args:
        study: The study.
        base: The point of its settings alone.

    Raises:
        ValueError: If so, with the reason.
    """
    rules = study.early_stop
    if rules.promote and rules.rule != "asha":
        raise ValueError(
            f"early_stop/promote: only early_stop/rule: asha pauses and promotes, got rule: "
            f"{rules.rule}; set promote to false, or the rule to asha."
        )
    if rules.rule == "none":
        _check_says_something(rules)
        return
    if sorted(set(rules.rungs)) != rules.rungs:
        raise ValueError(f"early_stop/rungs: must rise, each once, got {rules.rungs}.")
    if rules.metric is not None:
        _check_metric(rules.metric, base)
    else:
        _check_one_objective(study)
        _check_sampler(study)
    if rules.proxy:
        _check_proxy(base)
    _check_cohort(study)


def _check_says_something(rules: EarlyStop) -> None:
    """Refuse what would be ignored, unless the rule was switched off on purpose."""
    given = rules.model_fields_set
    if given and "rule" not in given:
        raise ValueError(
            f"early_stop/rule: {', '.join(sorted(given))} say how a rule stops trials, and there "
            f"is no rule; set it to asha, median or sync, or to none if no trial is to be stopped."
        )


def _check_metric(metric: str, base: Point) -> None:
    metrics = [
        f"{step.label}/{key}"
        for step in base.plan
        for key in step.spec.metrics(base.configs[step.label])
    ]
    if metric not in metrics:
        raise ValueError(
            f"early_stop/metric: no phase of the plan reports {metric}{nearest(metric, metrics)}; "
            f"they report {', '.join(metrics)}."
        )


def _check_one_objective(study: Study) -> None:
    also = [target.metric for target in study.objective.also]
    if also:
        raise ValueError(
            f"early_stop/rule: with several objectives ({study.objective.metric}, "
            f"{', '.join(also)}) no trial is simply better than another; name one number to stop "
            f"by (early_stop/metric), or set the rule to none."
        )


def _check_sampler(study: Study) -> None:
    sampler = study.search.sampler
    if study.search.trials > 0 and sampler not in READ_PRUNED:
        raise ValueError(
            f"early_stop/rule: the sampler {sampler} reads no trial that was stopped early, so it "
            f"would suggest the same weak points again; choose one of {', '.join(READ_PRUNED)}, "
            f"name a number to stop by nevertheless (early_stop/metric), or set the rule to none."
        )


def _check_proxy(base: Point) -> None:
    proxies = [
        step.spec.proxy
        for step in base.plan[:-1]
        if step.spec.proxy in step.spec.metrics(base.configs[step.label])
    ]
    if not proxies:
        raise ValueError(
            "early_stop/proxy: no phase before the last one reports a proxy for the objective in "
            f"the plan {[step.label for step in base.plan]}; set it to false."
        )


def _check_cohort(study: Study) -> None:
    cohort = study.early_stop.cohort
    searched = study.search.trials * len(study.seeds.trials)
    if study.early_stop.rule == "sync" and searched and cohort > searched:
        raise ValueError(
            f"early_stop/cohort: a cohort of {cohort} trials never fills up with the {searched} "
            f"that are searched; set it to {searched} or less."
        )

"""What a study would do, as text: plan, space, arms, slots, trials."""

from collections.abc import Iterator, Sequence

from sweep.ablation.forecast import forecast
from sweep.early_stop import rung_epochs, rungs_of
from sweep.messages import counted
from sweep.naming import percent, shown_setting
from sweep.objectives import bound_text, targets
from sweep.placement import describe_distribution
from sweep.points import shared_settings
from sweep.slot_fit import SlotFit
from sweep.study import Objective, Study
from sweep.study_check import CheckedStudy
from sweep.verdict.power import forecast_power
from trainables.plans import trained_steps

Rows = Sequence[tuple[str, str]]


def describe_study(
    checked: CheckedStudy, *, fit: SlotFit, folder: str, known: str | None = None
) -> str:
    """Return what running the study would do, in lines for people.

    Args:
        checked: The study.
        fit: The slots it would get.
        folder: Where its results would be.
        known: What the search begins with from another study, if it does.
    """
    study = checked.study
    facts = [
        ("study", f"{study.name}: {study.question}"),
        ("data", ", ".join(f"{key} {shown_setting(value)}" for key, value in study.data.items())),
        ("plan", _plan(checked)),
        *_baseline(study),
        ("objective", _objective(study.objective)),
        ("trials", _trials(checked)),
        *([] if known is None else [("from", known)]),
        ("early stop", _early_stop(checked)),
        *_again(checked),
        ("slots", str(fit)),
        ("folder", folder),
    ]
    parts = [_table(facts)]
    if shared := shared_settings(study):
        parts.append(_titled("settings", [(p, shown_setting(v)) for p, v in shared.items()]))
    if checked.arms:
        parts.append(_titled("arms", list(_arms(checked))))
    if checked.searched:
        name = "grid" if study.search.grid else f"space {study.space}"
        parts.append(_titled(name, list(_space(checked))))
    return "\n\n".join(parts) + "\n"


def _baseline(study: Study) -> Iterator[tuple[str, str]]:
    trained = ", trained as published" if study.as_published else ""
    if study.baseline is not None:
        yield "baseline", f"{study.baseline}{trained}"
    elif trained:
        yield "baselines", trained.removeprefix(", ")


def _plan(checked: CheckedStudy) -> str:
    base = checked.base
    given = checked.study.from_weights
    trained = [
        f"{step.label} ({counted(step.spec.epochs(base.configs[step.label]), 'epoch')})"
        for step in trained_steps(base.plan, given)
    ]
    replaced = [
        f"{step.label} ({'given weights' if step.label in given else 'not needed'})"
        for step in base.plan[: -len(trained)]
    ]
    return " -> ".join([*replaced, *trained])


def _objective(objective: Objective) -> str:
    improved = ", ".join(f"{target.direction} {target.metric}" for target in targets(objective))
    bounds = [f"{c.metric} {bound_text(c)}" for c in objective.constraints]
    return "; ".join([improved, *bounds])


def _trials(checked: CheckedStudy) -> str:
    study = checked.study
    parts = []
    if checked.arms:
        parts.append(counted(len(checked.arms), "arm"))
    if study.search.trials:
        parts.append(f"{counted(study.search.trials, 'searched point')} ({study.search.sampler})")
    total = checked.arm_trials + checked.searched_trials
    seeds = counted(len(study.seeds.trials), "trial seed")
    return f"{' + '.join(parts)}, {seeds} each: {total} in all"


def _again(checked: CheckedStudy) -> Iterator[tuple[str, str]]:
    """Say what is trained again once the search is over, and how often at most."""
    study = checked.study
    if study.search.trials == 0:
        return
    if study.final.top_k > 0:
        points = min(study.final.top_k, study.search.trials)
        arms = f" and {counted(len(checked.arms), 'arm')}" if checked.arms else ""
        seeds = counted(study.final.seeds, "fresh seed")
        most = (points + len(checked.arms)) * study.final.seeds
        yield "verdict", f"the best {points}{arms} again on {seeds}: {most} replicates at most"
        yield "", _power(points, len(checked.arms), study.final.seeds)
    if study.ablation.seeds > 0:
        found = forecast(checked)
        pairs = f", then without {counted(found.pairs, 'pair')}" if found.pairs else ""
        yield (
            "ablation",
            f"the winner, as it is and without each of its parts ({found.parts} at most){pairs}, "
            f"on {counted(study.ablation.seeds, 'fresh seed')}: {found.trainings} trainings at "
            f"most, of which late parts share early phases",
        )


def _power(points: int, arms: int, seeds: int) -> str:
    """Say how often the verdict finds a lead that is there, and what its race spends."""
    if arms == 0:
        return "no arm to be compared with: it can announce no winner"
    found = forecast_power(candidates=points, controls=arms, seeds=seeds)
    return (
        f"it finds a lead of one standard deviation between seeds in {percent(found.announced)} of "
        f"studies, +- {percent(found.announced_error)}, and spends about {percent(found.spent)} of "
        f"these replicates ({found.studies} simulated; final/seeds changes both)"
    )


def _early_stop(checked: CheckedStudy) -> str:
    rule = checked.study.early_stop
    if rule.rule == "none":
        return "none"
    base = checked.base
    rungs = rungs_of(checked.study, base.plan)
    places = []
    for step in trained_steps(base.plan, checked.study.from_weights):
        epochs = step.spec.epochs(base.configs[step.label])
        at = sorted(rung_epochs(rungs, label=step.label, epochs=epochs))
        if at:
            places.append(f"{step.label} after epoch {' and '.join(map(str, at))}")
    if not places:
        return f"{rule.rule}, but the phases are too short for a decision"
    return f"{rule.rule}: the best {percent(rule.keep)} go on; {', '.join(places)}"


def _arms(checked: CheckedStudy) -> Iterator[tuple[str, str]]:
    shared = shared_settings(checked.study)
    for name, point in checked.arms.items():
        baseline = checked.study.arms[name].baseline
        published = f", published setting {baseline}" if baseline else ""
        yield name, " -> ".join(step.label for step in point.plan) + published
        for path, value in point.settings.items():
            if shared.get(path) != value:
                yield "", f"{path} {shown_setting(value)}"


def _space(checked: CheckedStudy) -> Iterator[tuple[str, str]]:
    for path, distribution in sorted(checked.searched.items()):
        sometimes = " (in some points)" if path in checked.conditional else ""
        yield path, describe_distribution(distribution) + sometimes


def _titled(title: str, rows: Rows) -> str:
    return f"{title}\n" + "\n".join(f"  {line}" for line in _table(rows).splitlines())


def _table(rows: Rows) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)

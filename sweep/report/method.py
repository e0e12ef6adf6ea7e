"""How an answer was come to: what was searched and by whom, what stayed the same, what decided."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpe.phases.phase import PhaseSpec
from sweep.ledger import Ledger
from sweep.messages import counted, listed
from sweep.naming import metric_words, percent, shown_setting
from sweep.objectives import other_metrics
from sweep.placement import describe_distribution, distributions_from_json
from sweep.protocols import protocol_of
from sweep.report.ranking import composed
from sweep.report.result import StudyResult
from sweep.report.words import arm_origin
from sweep.samplers import SAMPLERS
from sweep.study import Arm, EarlyStop, Study, label_of, split_metric
from sweep.tree import flattened
from sweep.trials import StageEntry, Trial
from trainables.plans import parse_plan

AS_THE_STUDY = "as the study sets it"


@dataclass(frozen=True)
class Searched:
    """A parameter, or an operation with its strengths, that the search varied.

    Attributes:
        path: Such as `pretrain/augment/rotate`.
        range: What it could be.
        best: What it is in the best trial.
    """

    path: str
    range: str
    best: str


@dataclass(frozen=True)
class Step:
    """A step of the best trial's plan.

    Attributes:
        label: Its name in the plan.
        words: What it does, in a line.
        settings: Path -> value of all that the search did not vary; sections that are off are left
            out.
    """

    label: str
    words: str
    settings: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Method:
    """How the answer was come to.

    Attributes:
        paragraphs: How points were chosen and stopped, what decided, and on what data.
        searched: In the order in which the space asks.
        arms: Name -> what it is.
        steps: Of the best trial; none where nothing has completed.
    """

    paragraphs: Sequence[str]
    searched: Sequence[Searched]
    arms: Sequence[tuple[str, str]]
    steps: Sequence[Step]


def method_of(result: StudyResult, ledger: Ledger, phases: Mapping[str, PhaseSpec]) -> Method:
    """Return how the answer was come to.

    Args:
        result: What the study has come to.
        ledger: What happened.
        phases: What the plan's names mean.
    """
    study, best = result.study, result.best
    return Method(
        paragraphs=[
            " ".join(sentences)
            for about in (
                _search(study, ledger),
                _decision(study, result),
                _scores(study, ledger),
            )
            if (sentences := list(about))
        ],
        searched=_searched(ledger, best),
        arms=[(name, _arm_words(arm)) for name, arm in study.arms.items()],
        steps=[] if best is None else list(_steps(best, study, ledger, phases)),
    )


def _search(study: Study, ledger: Ledger) -> Iterator[str]:
    """Yield how points were chosen, with which seeds they ran, and who was stopped."""
    search = study.search
    seeds = ", ".join(map(str, study.seeds.trials))
    each = f"trial seed {seeds}" if len(study.seeds.trials) == 1 else f"trial seeds {seeds}"
    num_points = ledger.num_points
    if num_points == 0:
        nothing = "Nothing is searched" if search.trials == 0 else "The search has not begun"
        yield f"{nothing}: there are the arms, with {each}."
        return
    space = "" if study.space is None else f" of the space {study.space}"
    were = "was" if num_points == 1 else "were"
    points = f"{counted(num_points, 'point')}{space} {were} chosen by "
    yield f"{points}{SAMPLERS[search.sampler].words}, and ran with {each}."
    if search.neighbours:
        yield (
            f"With probability {search.neighbours:g} a new point was one of the best with a few "
            "parameters changed instead."
        )
    if search.reuse:
        yield (
            f"With probability {search.reuse:g} a new point took over a finished first part of an "
            "earlier one."
        )
    yield _stopping(study.early_stop)


def _stopping(rule: EarlyStop) -> str:
    if rule.rule == "none":
        return "None was stopped early."
    rungs = listed([f"{share:g}" for share in rule.rungs])
    watched = "the objective" if rule.metric is None else metric_words(rule.metric, unit=False)
    if rule.proxy:
        watched += ", in phases that do not report it by their proxy"
    kept = percent(rule.keep)
    how = {
        "asha": f"points went on that were among the better {kept} so far (asynchronous successive "
        f"halving{', those that wait being paused' if rule.promote else ''})",
        "sync": f"of each {rule.cohort} points the better {kept} went on (successive halving)",
        "median": "points were stopped that were worse than the median of those before them",
    }[rule.rule]
    return f"At {rungs} of the epochs {how}, compared by {watched}; arms were never stopped."


def _decision(study: Study, result: StudyResult) -> Iterator[str]:
    """Yield who was trained again on fresh seeds."""
    replication = result.replication
    if replication is None:
        if study.final.top_k > 0 and study.search.trials > 0 and result.ended_by is None:
            yield "When the search is over, the best points and all arms run on fresh seeds."
        return
    points = [e.name for e in replication.race.entrants if not e.is_control]
    controls = [e.name for e in replication.race.entrants if e.is_control]
    if not points:
        return
    first, last = replication.seeds[0], replication.seeds[-1]
    seeds = f"up to {len(replication.seeds)} fresh seeds ({first} to {last})"
    if first == last:
        seeds = f"the fresh seed {first}"
    beside = f" and the controls ({', '.join(controls)})" if controls else ""
    yield (
        f"The search's best ({', '.join(points)}){beside} were trained again on {seeds}; these "
        "trainings alone decide, so that being the luckiest of many in the search wins nothing."
    )


def _scores(study: Study, ledger: Ledger) -> Iterator[str]:
    """Yield what the score is, and on which samples it is taken."""
    label, key = split_metric(study.objective.metric)
    _, _, name = key.partition("/")
    stages = [stage for trial in ledger.everything() for stage in trial.stages]
    phase = next((stage.phase for stage in stages if stage.label == label), label)
    told = protocol_of(phase, name)
    words = metric_words(study.objective.metric, unit=False)
    if told is not None:
        yield f"{words[0].upper()}{words[1:]}: {told}."
    chosen_on = {split_metric(metric)[1].partition("/")[0] for metric in _deciding(study)}
    if "test" in chosen_on:
        yield "Choices were made on the split test itself, which flatters what was chosen."
    elif chosen_on == {"val"}:
        looked = any(stage.config.get("score_test") for stage in stages)
        told_of_test = "scored too, and decided nothing" if looked else "not looked at"
        yield f"Everything was chosen on the split val; test was {told_of_test}."


def _deciding(study: Study) -> Iterator[str]:
    """Yield the metrics that something was chosen by."""
    yield study.objective.metric
    yield from other_metrics(study.objective)
    if study.early_stop.metric is not None:
        yield study.early_stop.metric


def _searched(ledger: Ledger, best: Trial | None) -> list[Searched]:
    """Return what the search varied, an operation and its strengths as one."""
    texts: dict[str, str] = {}
    for trial in ledger.searched():
        texts.update({p: text for p, text in trial.distributions.items() if p not in texts})
    found = distributions_from_json(texts)
    ranges = composed({path: describe_distribution(found[path]) for path in found})
    values = {} if best is None else dict(composed(best.params))
    return [
        Searched(
            path,
            f"off, or {text}" if f"{path}/enabled" in found else text,
            values[path] if path in values else _set_in(best, path),
        )
        for path, text in ranges
    ]


def _set_in(best: Trial | None, path: str) -> str:
    """Return what a trial has where it has no such parameter."""
    if best is None:
        return ""
    stage = next((stage for stage in best.stages if stage.label == label_of(path)), None)
    if stage is None:
        return "not in its plan"
    value: Any = stage.config
    for name in path.split("/")[1:]:
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, Mapping):
        return "off" if _is_off(value) else "on"
    return "" if value is None else shown_setting(value)


def _arm_words(arm: Arm) -> str:
    own = (f"{path} {shown_setting(value)}" for path, value in arm.settings.items())
    return ", ".join([*arm_origin(arm), *own]) or AS_THE_STUDY


def _steps(
    best: Trial, study: Study, ledger: Ledger, phases: Mapping[str, PhaseSpec]
) -> Iterator[Step]:
    given_phases = _given_phases(study, phases)
    for place, stage in enumerate(best.stages):
        spec = phases.get(stage.phase)
        follows = spec.follows if spec is not None and "encoder" in spec.inherits else ()
        earlier = [other.label for other in best.stages[:place] if other.phase in follows]
        given = any(phase in follows for phase in given_phases)
        source = earlier[-1] if earlier else "given weights" if given else None
        varied = _varied(stage, ledger) | best.params.keys()
        settings = [
            (path, shown_setting(value))
            for path, value in flattened(_what_is_on(stage.config))
            if f"{stage.label}/{path}" not in varied
        ]
        yield Step(stage.label, _words(stage, source, varied), settings)


def _given_phases(study: Study, phases: Mapping[str, PhaseSpec]) -> list[str]:
    """Return the phases that given weights stand for."""
    if not study.from_weights:
        return []
    return [
        step.phase for step in parse_plan(study.plan, phases) if step.label in study.from_weights
    ]


def _varied(stage: StageEntry, ledger: Ledger) -> set[str]:
    """Return the paths of this step's settings that are not the same in all searched points."""
    values: dict[str, list[Any]] = {}
    for trial in ledger.searched():
        for other in trial.stages:
            if other.label == stage.label:
                for path, value in flattened(other.config):
                    seen = values.setdefault(f"{stage.label}/{path}", [])
                    if len(seen) < 2 and value not in seen:
                        seen.append(value)
    return {path for path, seen in values.items() if len(seen) > 1}


def _words(stage: StageEntry, source: str | None, searched: Collection[str]) -> str:
    """Return what a step does in a line, without what was searched.

    Args:
        stage: The step.
        source: Where its encoder comes from, if not from its own settings.
        searched: Paths of settings.
    """
    known = {
        path: value
        for path, value in flattened(stage.config)
        if f"{stage.label}/{path}" not in searched
    }
    parts = list(_amount_words(stage, known))
    if size := _size_words(known):
        parts.append(size)
    if "encoder/name" in known:
        parts.append(_encoder_words(known, source))
    if known.get("label_fraction", 1) != 1:
        parts.append(f"{100 * known['label_fraction']:.3g} % of the labels")
    if "optimizer/name" in known:
        rate = f" at {known['optimizer/lr']:g}" if "optimizer/lr" in known else ""
        if rate and known.get("optimizer/sqrt_scaling"):
            rate += " x sqrt(batch)"
        parts.append(f"{known['optimizer/name']}{rate}")
    return ", ".join(parts)


def _amount_words(stage: StageEntry, known: Mapping[str, Any]) -> Iterator[str]:
    steps = known.get("steps_per_epoch")
    of = "" if steps is None else f" of {counted(steps, 'step')}"
    yield f"{counted(stage.epochs_planned, 'epoch')}{of}"
    if "batch_size" in known:
        yield f"batches of {known['batch_size']}"


def _size_words(known: Mapping[str, Any]) -> str:
    if "image_px" in known:
        return f"{known['image_px']} px"
    if {"width_px", "height_px"} <= known.keys():
        return f"{known['width_px']} x {known['height_px']} px"
    return ""


def _encoder_words(known: Mapping[str, Any], source: str | None) -> str:
    init = f"{known['encoder/init']} weights" if "encoder/init" in known else ""
    origin = init if source is None else f"from {source}"
    frozen = "frozen" if known.get("train_encoder") is False else ""
    told = [text for text in (origin, frozen) if text]
    return f"encoder {known['encoder/name']}" + (f" ({', '.join(told)})" if told else "")


def _what_is_on(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without nulls and sections that a switch or a weight of 0 turns off."""
    return {
        name: _what_is_on(value) if isinstance(value, Mapping) else value
        for name, value in config.items()
        if value is not None and not (isinstance(value, Mapping) and _is_off(value))
    }


def _is_off(section: Mapping[str, Any]) -> bool:
    return section.get("enabled") is False or section.get("weight") == 0

"""Beginning a search with what another study of the runs folder has found (`from`)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from hpe.config import identity_settings
from hpe.phases.phase import PhaseSpec
from search_spaces.space import Space
from sweep.early_stop import rungs_of
from sweep.facts import DIVERGED
from sweep.ledger import Ledger
from sweep.messages import counted
from sweep.new_trials import Prepared, StagesOf
from sweep.objectives import other_metrics
from sweep.placement import distributions_to_json, outside, place
from sweep.points import searched_point
from sweep.prefixes import FINISHED, trained_labels
from sweep.samplers import SAMPLERS
from sweep.source import Source
from sweep.study import Study
from sweep.tree import flattened
from sweep.trials import RungEntry, Trial, TrialState
from trainables.plans import Configs, parse_plan

SHOWN_REASONS = 3
"""The most frequent ones; the journal has them all."""


@dataclass(frozen=True)
class _Fitted:
    """What a trial of the source is as one of this study."""

    params: Mapping[str, Any]
    distributions: Mapping[str, str]
    prepared: Prepared


class _DoesNotFit(ValueError):
    """Why a trial of the source says nothing here; the reason is the same for all like it."""


def known_record(
    source: Source,
    study: Study,
    *,
    space: Space,
    phases: Mapping[str, PhaseSpec],
    stages_of: StagesOf,
) -> dict[str, Any]:
    """Return the record of what the source knows that holds for this study.

    A trial fits if this study would compute the very same: its point lies in the space, and its
    stages have the same keys here, which cover settings, data, seed, code and libraries. Parameters
    that the source did not search are those it was trained with.

    Args:
        source: The source.
        study: This study.
        space: What is searched.
        phases: The phases by name.
        stages_of: What a point comes to here.

    Raises:
        ValueError: If no trial fits, with the reasons.
    """
    taken: list[tuple[Trial, _Fitted]] = []
    left_out: Counter[str] = Counter()
    expected = tuple(trained_labels(study, parse_plan(study.plan, phases)))
    rungs_differ = _rungs_differ(source.study, study, phases)
    for trial in source.trials:
        try:
            _require_result(trial, study, rungs_differ=rungs_differ)
            if tuple(stage.label for stage in trial.stages) != expected:
                raise _DoesNotFit("another plan")
            taken.append((trial, _fitted(trial, study, space, phases, stages_of)))
        except _DoesNotFit as reason:
            left_out[str(reason)] += 1
    if not taken:
        told = f": {_reasons(left_out)}" if left_out else "; it has searched none"
        raise ValueError(
            f"from: {source.study.name} has no trial that this study could begin with{told}. Give "
            f"both the same settings, code and data, wait until it has trials that ended, or leave "
            f"`from` out."
        )
    origins = _origins(source)
    return {
        "kind": "known",
        "source": source.study.name,
        "records": [
            record
            for i, (trial, fitted) in enumerate(taken)
            for record in _records(
                trial,
                fitted,
                number=i - len(taken),
                origin=origins[trial.number],
                rungs=() if rungs_differ else trial.rungs,
            )
        ],
        "left_out": dict(left_out),
    }


def known_sentence(ledger: Ledger) -> str | None:
    """Say what is known from another study; None if the search began with nothing."""
    if ledger.source is None:
        return None
    return record_sentence(ledger.source)


def record_sentence(record: Mapping[str, Any]) -> str:
    """Say what a `known` record has taken, and what it has left out."""
    number = sum(inner["kind"] == "trial" for inner in record["records"])
    left_out: Mapping[str, int] = record["left_out"]
    rest = f"; left out: {_reasons(left_out)}" if left_out else ""
    return f"{counted(number, 'trial')} known from {record['source']}{rest}"


def _rungs_differ(source: Study, study: Study, phases: Mapping[str, PhaseSpec]) -> bool:
    """Say whether values at rungs there cannot stand beside values at rungs here."""
    if study.early_stop.rule == "none" or source.plan != study.plan:
        return False
    plan = parse_plan(study.plan, phases)
    return rungs_of(source, plan) != rungs_of(study, plan)


def _require_result(trial: Trial, study: Study, *, rungs_differ: bool) -> None:
    """Require an end that the sampler can learn from."""
    match trial.state:
        case TrialState.RUNNING:
            raise _DoesNotFit("not ended")
        case TrialState.FAIL if trial.error_class != DIVERGED:
            raise _DoesNotFit("failed, not by diverging")
        case TrialState.PRUNED if not SAMPLERS[study.search.sampler].reads_stopped:
            raise _DoesNotFit(f"stopped early, which {study.search.sampler} does not read")
        case TrialState.PRUNED if rungs_differ:
            raise _DoesNotFit("stopped early by other rules")
        case TrialState.COMPLETE if not set(other_metrics(study.objective)) <= set(trial.others):
            raise _DoesNotFit("a metric of the objective is not known")


def _fitted(
    trial: Trial,
    study: Study,
    space: Space,
    phases: Mapping[str, PhaseSpec],
    stages_of: StagesOf,
) -> _Fitted:
    """Return what a trial of the source is here."""
    configs = _configs(trial, phases)
    if beyond := outside(space, configs):
        raise _DoesNotFit(f"{beyond[0]} outside the space")
    params, distributions = place(space, configs)
    params = space.canonical({**params, **_as_suggested(trial, params)})
    try:
        settings = {**space.settings(params), **trial.lighter}
        point = searched_point(study, settings, phases)
    except ValueError:
        raise _DoesNotFit("not possible with this study's settings") from None
    _require_equal_settings(configs, point.configs)
    stages = stages_of(point, trial.seed)
    if [stage.key for stage in stages] != [stage.key for stage in trial.stages]:
        raise _DoesNotFit(
            "trained by other code, libraries, weights, files, device or number of workers"
        )
    return _Fitted(params, distributions_to_json(distributions), Prepared(point.settings, stages))


def _configs(trial: Trial, phases: Mapping[str, PhaseSpec]) -> dict[str, Any]:
    try:
        return {
            stage.label: phases[stage.phase].config.model_validate(dict(stage.config))
            for stage in trial.stages
        }
    except (KeyError, ValidationError):
        raise _DoesNotFit("settings that this program does not know") from None


def _as_suggested(trial: Trial, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters whose value was searched there too: as it was, to the last bit.

    A value that settings have been worked out from, such as one of weights that sum to 1, is found
    from these again only up to rounding.
    """
    return {
        name: trial.params[name]
        for name, value in params.items()
        if name in trial.params and _is_close(trial.params[name], value)
    }


def _is_close(first: Any, second: Any) -> bool:
    if isinstance(first, float) and isinstance(second, float):
        return abs(first - second) <= 1e-9 * max(abs(first), abs(second))
    return bool(first == second)


def _require_equal_settings(theirs: Configs, ours: Configs) -> None:
    for label, config in ours.items():
        if label not in theirs:
            continue  # given weights stand for it
        there = dict(flattened(identity_settings(theirs[label])))
        here = dict(flattened(identity_settings(config)))
        for path in sorted({*there, *here}):
            if there.get(path) != here.get(path):
                raise _DoesNotFit(f"{label}/{path} is {here.get(path, 'not set')} here")


def _origins(source: Source) -> dict[int, dict[str, Any]]:
    """Return, by a trial's number in the source, which study's trial it is."""
    earlier: Sequence[Mapping[str, Any]] = (source.ledger.source or {}).get("records", ())
    return {
        **{record["number"]: record["of"] for record in earlier if record["kind"] == "trial"},
        **{n: {"study": source.study.name, "trial": n} for n in source.ledger.trials},
    }


def _records(
    trial: Trial,
    fitted: _Fitted,
    *,
    number: int,
    origin: Mapping[str, Any],
    rungs: Sequence[RungEntry],
) -> Iterator[dict[str, Any]]:
    """Yield what the ledger needs to know a trial by."""
    yield {
        "kind": "trial",
        "time_s": trial.created_s,
        "number": number,
        "of": dict(origin),
        "arm": None,
        "seed": trial.seed,
        "params": fitted.params,
        "distributions": fitted.distributions,
        "settings": fitted.prepared.settings,
        "stages": fitted.prepared.entries,
        "prefix_of": None,
    }
    about_it = {"time_s": trial.ended_s, "trial": number}
    for stage in trial.stages:
        if stage.status in FINISHED:
            yield {"kind": "stage", **about_it, "label": stage.label, "status": stage.status}
    for rung in rungs:
        yield {
            "kind": "rung",
            **about_it,
            "label": rung.label,
            "rung": rung.rung,
            "epoch": rung.epoch,
            "value": rung.value,
            "decision": rung.decision,
        }
    yield {
        "kind": "end",
        **about_it,
        "state": trial.state.value,
        "objective": trial.objective,
        "others": dict(trial.others),
        "error_class": trial.error_class,
        "message": trial.message,
        "failed_in": trial.failed_in,
    }


def _reasons(left_out: Mapping[str, int]) -> str:
    ordered = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{number} ({reason})" for reason, number in ordered[:SHOWN_REASONS]]
    if rest := sum(number for _, number in ordered[SHOWN_REASONS:]):
        told.append(f"{rest} for other reasons")
    return ", ".join(told)

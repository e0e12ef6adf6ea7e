"""Plans: phases in order, their settings by path, and the stages they come to."""

import difflib
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from hpe.config import Config
from hpe.names import nearest
from hpe.phases.phase import PhaseSpec
from trainables.assignment import Stage
from trainables.keys import Execution, stage_key

Phases = Mapping[str, PhaseSpec]
Configs = Mapping[str, Config]
"""Plan label -> settings."""


@dataclass(frozen=True)
class PlanStep:
    """One phase of a plan; a phase that comes again is labelled `paired_2`, `paired_3`, ..."""

    label: str
    phase: str
    spec: PhaseSpec


Plan = tuple[PlanStep, ...]


def parse_plan(names: Sequence[str], phases: Phases) -> Plan:
    """Return the plan that these phase names make.

    Raises:
        ValueError: If a phase is unknown, or comes before one it cannot do without.
    """
    steps: list[PlanStep] = []
    for name in names:
        if name not in phases:
            raise ValueError(
                f"plan: there is no phase {name!r}{nearest(name, phases)}; "
                f"phases are {', '.join(phases)}."
            )
        earlier = [step.phase for step in steps]
        for required in phases[name].requires:
            if required not in earlier:
                raise ValueError(f"plan: {name!r} needs {required!r} before it, got {list(names)}.")
        repeats = earlier.count(name)
        label = name if repeats == 0 else f"{name}_{repeats + 1}"
        steps.append(PlanStep(label=label, phase=name, spec=phases[name]))
    return tuple(steps)


def default_settings(plan: Plan) -> dict[str, Any]:
    """Return every path a plan can be set by, with the default of each."""
    return {
        f"{step.label}/{path}": default
        for step in plan
        for path, default in _leaves(step.spec.config)
    }


def configure(plan: Plan, settings: Mapping[str, Any]) -> dict[str, Config]:
    """Return the validated settings of each step.

    Args:
        plan: The steps.
        settings: Path -> value, JSON data; what is not given keeps its default, except that a
            section a phase inherits is taken from the phase it follows.

    Raises:
        ValueError: If a path does not exist (with the nearest), a value breaks its rule (with path,
            value and rule), or an inherited section is set to something else.
    """
    paths = default_settings(plan)
    for path in settings:
        if path not in paths:
            raise ValueError(unknown_path(path, paths))
    configs: dict[str, Config] = {}
    for step in plan:
        own = _subtree(settings, step.label)
        for parent in _followed(plan, step):
            for section in step.spec.inherits:
                if section in parent.spec.config.model_fields:
                    _inherit(own, section, configs[parent.label], step=step, parent=parent)
        try:
            # As JSON, strictly: a list may be a tuple and 1 a float, but no text or truth a number.
            configs[step.label] = step.spec.config.model_validate_json(json.dumps(own), strict=True)
        except ValidationError as error:
            raise ValueError(_readable(step.label, error)) from None
    return configs


def setting_of(configs: Configs, path: str) -> Any:
    """Return the value a path has in these settings.

    Raises:
        KeyError: If the plan of these settings has no such path.
    """
    label, *fields = path.split("/")
    value: Any = configs[label]
    for name in fields:
        if not isinstance(value, Config) or name not in type(value).model_fields:
            raise KeyError(path)
        value = getattr(value, name)
    return value


def trained_steps(plan: Plan, given: Collection[str]) -> Plan:
    """Return the steps that are trained: those after the last one that weights are given for.

    Args:
        plan: All steps.
        given: Labels of weights that stand for the plan up to there; others than the plan's count
            for nothing.
    """
    first = 1 + max((i for i, step in enumerate(plan) if step.label in given), default=-1)
    return plan[first:]


def make_stages(
    plan: Plan,
    configs: Configs,
    *,
    data: Mapping[str, Any],
    seed: int,
    execution: Execution,
    imported: Mapping[str, str] | None = None,
) -> tuple[Stage, ...]:
    """Fix every input of a plan's phases.

    Args:
        plan: The steps.
        configs: Their settings, from `configure`.
        data: `{"config", "root", "digest"}` of the data set.
        seed: The trial seed; each step gets its own seed from it and its label, so that trials with
            one trial seed may share stages.
        execution: Where the stages will run.
        imported: Label -> key of stages that stand for the plan up to there; nothing is trained for
            them or for the steps before them.

    Returns:
        The stages to train, in order.
    """
    keys: dict[str, str] = dict(imported or {})
    stages: list[Stage] = []
    for step in trained_steps(plan, keys):
        parents = {
            parent.phase: keys[parent.label]
            for parent in _followed(plan, step)
            if parent.label in keys
        }
        config = configs[step.label]
        stage_seed = derive_seed(seed, step.label)
        key = stage_key(
            spec=step.spec,
            phase=step.phase,
            config=config,
            parents=parents,
            data_digest=data["digest"],
            seed=stage_seed,
            execution=execution,
        )
        keys[step.label] = key
        stages.append(
            Stage(
                key=key,
                label=step.label,
                phase=step.phase,
                config=config.model_dump(mode="json"),
                parents=parents,
                data=dict(data),
                seed=stage_seed,
                epochs=step.spec.epochs(config),
            )
        )
    return tuple(stages)


def derive_seed(seed: int, label: str) -> int:
    """Return the seed of one step of a trial: 48 bits of SHA-256 over both."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{label}".encode()).digest()[:6], "big")


def unknown_path(path: str, paths: Mapping[str, Any]) -> str:
    """Return the message for a path that no phase of the plan has."""
    matches = difflib.get_close_matches(path, paths, n=3, cutoff=0.6)
    if matches:
        return f"{path}: no phase of the plan has this setting; nearest are {', '.join(matches)}."
    parts = path.split("/")
    for depth in range(len(parts) - 1, 0, -1):
        prefix = "/".join(parts[:depth]) + "/"
        below = sorted(
            {prefix + p[len(prefix) :].split("/")[0] for p in paths if p.startswith(prefix)}
        )
        if below:
            return f"{path}: no phase of the plan has this setting; there are {', '.join(below)}."
    labels = sorted({known.split("/")[0] for known in paths})
    return f"{path}: no phase of the plan has this setting; paths start with {', '.join(labels)}."


def _followed(plan: Plan, step: PlanStep) -> list[PlanStep]:
    """Return, for each phase this step can use, the last one before it."""
    latest = {
        earlier.phase: earlier
        for earlier in plan[: plan.index(step)]
        if earlier.phase in step.spec.follows
    }
    return list(latest.values())


def _leaves(model: type[Config], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Config):
            yield from _leaves(annotation, f"{path}/")
        else:
            yield path, field.get_default(call_default_factory=True)


def _subtree(settings: Mapping[str, Any], label: str) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in settings.items():
        head, *fields, last = path.split("/")
        if head != label:
            continue
        node = tree
        for name in fields:
            node = node.setdefault(name, {})
        node[last] = value
    return tree


def _inherit(
    own: dict[str, Any], section: str, parent_config: Config, *, step: PlanStep, parent: PlanStep
) -> None:
    inherited = getattr(parent_config, section).model_dump(mode="json")
    for name, value in own.get(section, {}).items():
        if inherited.get(name) != value:
            raise ValueError(
                f"{step.label}/{section}/{name}: {step.label} goes on with what {parent.label} "
                f"trained, whose {section}/{name} is {inherited.get(name)!r}, got {value!r}; "
                f"leave it out or set both alike."
            )
    own[section] = inherited


def _readable(label: str, error: ValidationError) -> str:
    lines = []
    for detail in error.errors(include_url=False):
        path = "/".join([label, *(str(part) for part in detail["loc"])])
        given = "" if isinstance(detail["input"], dict) else f", got {detail['input']!r}"
        lines.append(f"{path}: {detail['msg'][0].lower()}{detail['msg'][1:]}{given}.")
    return "\n".join(lines)

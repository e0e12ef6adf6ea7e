"""A settings model as a form: what kind of control each of its fields takes."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from hpe.augment.composition import CompositionConfig, operations_of
from hpe.config import Config

Control = Literal["switch", "choice", "slider", "number", "text"]


@dataclass(frozen=True)
class FormField:
    """One control of a form.

    Attributes:
        name: The setting's.
        control: How it is set; a slider has both bounds.
        default: What it is unless somebody says otherwise; None where it may be left open.
        low: The least allowed number, where there is one.
        high: The largest allowed number, where there is one.
        is_whole: Whether numbers are whole.
        choices: What a choice is between.
    """

    name: str
    control: Control
    default: Any
    low: float | None = None
    high: float | None = None
    is_whole: bool = False
    choices: tuple[str, ...] = ()


def operation_forms() -> dict[str, tuple[FormField, ...]]:
    """Return the controls of every operation of a composition but the switch that has it on."""
    operations = operations_of(CompositionConfig())
    return {
        name: tuple(field for field in form_of(type(config)) if field.name != "enabled")
        for name, config in operations.items()
    }


def policies() -> tuple[str, ...]:
    """Return the values of a composition's `control`."""
    choices: tuple[str, ...] = get_args(CompositionConfig.model_fields["control"].annotation)
    return choices


def label_of(name: str) -> str:
    """Return a setting's name as a label."""
    return name.replace("_", " ")


def form_of(config: type[Config]) -> tuple[FormField, ...]:
    """Return a control for each field of a settings model that has no models inside."""
    return tuple(_control(name, field) for name, field in config.model_fields.items())


def composition_from(
    operations: Mapping[str, Mapping[str, Any]], *, policy: Mapping[str, Any] | None = None
) -> CompositionConfig:
    """Return the composition with these operations on, as their controls say.

    Args:
        operations: Operation -> setting -> value; what a control leaves open (None) is not said.
        policy: The composition's `control`, and the settings of `rand_augment` where it is that.

    Raises:
        ValueError: If a value breaks its rule.
    """
    on: dict[str, Any] = {
        name: {"enabled": True, **{k: v for k, v in given.items() if v is not None}}
        for name, given in operations.items()
    }
    try:
        return CompositionConfig.model_validate(on | dict(policy or {}))
    except ValidationError as error:
        raise ValueError(_readable(error)) from None


def _control(name: str, field: FieldInfo) -> FormField:
    annotation = _without_none(field.annotation)
    if annotation is bool:
        return FormField(name, "switch", field.default)
    if get_origin(annotation) is Literal:
        return FormField(name, "choice", field.default, choices=get_args(annotation))
    if annotation in (int, float):
        low = _bound(field.metadata, Ge, "ge", Gt, "gt")
        high = _bound(field.metadata, Le, "le", Lt, "lt")
        is_open = field.default is None or low is None or high is None
        control: Control = "number" if is_open else "slider"
        return FormField(name, control, field.default, low, high, is_whole=annotation is int)
    return FormField(name, "text", field.default)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return kinds[0]
    return annotation


def _bound(
    metadata: Sequence[Any], loose: type, loose_name: str, strict: type, strict_name: str
) -> float | None:
    for rule in metadata:
        if isinstance(rule, loose):
            return float(getattr(rule, loose_name))
        if isinstance(rule, strict):
            return float(getattr(rule, strict_name))
    return None


def _readable(error: ValidationError) -> str:
    lines = []
    for detail in error.errors(include_url=False):
        path = "/".join(str(part) for part in detail["loc"])
        lines.append(f"{path}: {detail['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)

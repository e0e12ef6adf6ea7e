"""`--set path=value`: one changed value of a study, typed by YAML's scalar rules."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from hpe.config import Config
from hpe.names import nearest
from sweep.study import Study, keys_of, label_of
from sweep.yaml_file import parse_value

FROZEN_KEYS = ("arms", "sizes", "set_by_hand")
SETTINGS, SET_BY_HAND = "settings", "set_by_hand"


@dataclass(frozen=True)
class Override:
    """One changed value.

    Attributes:
        option: What was typed, for messages; `--set <path>` unless it is another option.
    """

    path: str
    value: Any
    option: str = ""

    def __str__(self) -> str:
        return self.option or f"--set {self.path}"


def parse_override(text: str) -> Override:
    """Parse `path=value`.

    Raises:
        ValueError: If there is no `=`, no path, or the value is not plain data.
    """
    path, equals, value = text.partition("=")
    path = path.strip()
    if not equals or not path:
        raise ValueError(f"--set {text}: must be path=value, such as pretrain/epochs=20.")
    return Override(path=path, value=parse_value(value, name=f"--set {path}"))


def chosen_size(overrides: Sequence[Override], size: str | None) -> str | None:
    """Return the size that `--size` or `--set size=...` names.

    Raises:
        ValueError: If they name different ones.
    """
    names = {str(override.value) for override in overrides if override.path == "size"}
    if size is not None:
        names.add(size)
    if len(names) > 1:
        raise ValueError(f"--size: a study has one size, got {' and '.join(sorted(names))}.")
    return names.pop() if names else None


def apply_override(raw: Mapping[str, Any], override: Override) -> dict[str, Any]:
    """Return a study's raw content with one value changed; its type is checked with the study.

    Choosing another data set drops what the study says about the one it had.

    Raises:
        ValueError: If a study has no such path, with the nearest ones.
    """
    head, _, rest = override.path.partition("/")
    if head == "data":
        return {**raw, "data": _changed_data(raw["data"], rest, override)}
    if (head == SETTINGS and rest) or head not in keys_of(Study):
        path = override.path.removeprefix(f"{SETTINGS}/")
        by_hand = [*raw.get(SET_BY_HAND, []), path]
        return {**raw, SETTINGS: _changed_settings(raw, override), SET_BY_HAND: by_hand}
    if head in FROZEN_KEYS:
        raise ValueError(f"{override}: {head} are changed in the study file, not from here.")
    section = section_model(head)
    if section is None:
        if rest:
            raise ValueError(f"{override}: {head} has no parts; set {head}=... as a whole.")
        return {**raw, head: override.value}
    if rest not in keys_of(section):
        paths = [f"{head}/{name}" for name in keys_of(section)]
        raise ValueError(
            f"{override}: a study has no such key{nearest(override.path, paths)}; "
            f"there are {', '.join(paths)}."
        )
    return {**raw, head: {**raw.get(head, {}), rest: override.value}}


def section_model(key: str) -> type[Config] | None:
    """Return the settings model below a key of a study, if there is one."""
    annotation = keys_of(Study)[key].annotation
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Config):
            return candidate
    return None


def _changed_data(data: Mapping[str, Any], key: str, override: Override) -> dict[str, Any]:
    if not key or "/" in key:
        raise ValueError(f"{override}: must be data/<key>, such as data/name.")
    if key == "name" and override.value != data.get("name"):
        return {"name": override.value}
    return {**data, key: override.value}


def _changed_settings(raw: Mapping[str, Any], override: Override) -> dict[str, Any]:
    path = override.path.removeprefix(f"{SETTINGS}/")
    label = label_of(path)
    phases = [str(name) for name in raw["plan"]]
    if re.sub(r"_\d+$", "", label) not in phases and label not in phases:
        keys = [name for name in keys_of(Study) if name not in (*FROZEN_KEYS, SETTINGS)]
        raise ValueError(
            f"{override}: paths start with a phase of the plan or a key of a study"
            f"{nearest(label, [*phases, *keys])}; these are {', '.join([*phases, *keys])}."
        )
    return {**raw.get(SETTINGS, {}), path: override.value}

"""Strict YAML: plain data with the line of every value, or one message that says what is wrong.

Scalars follow YAML 1.2's core schema: `1e-3` is a number, `010` is ten, and `yes`, `1:30` and
`2024-01-01` are text.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
MAX_VALUES = 10_000
MAX_DIGITS = 40

_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_NULL = re.compile(r"null|Null|NULL|~|")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

YamlPath = tuple[str | int, ...]
"""Keys and list positions from the top of a file to a value."""


@dataclass(frozen=True)
class YamlFile:
    """What a YAML file says.

    Attributes:
        name: How messages call the file.
        data: Its content: dicts with text keys, lists, text, numbers, booleans and None.
        lines: Where each key and list item stands, counted from 1.
    """

    name: str
    data: Mapping[str, Any]
    lines: Mapping[YamlPath, int]

    def place(self, path: YamlPath) -> str:
        """Return `file:line` of a value, or of the nearest one around it."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.lines:
                return f"{self.name}:{self.lines[path[:depth]]}"
        return self.name


def read_yaml(path: Path) -> YamlFile:
    """Read a file whose top is a mapping.

    Raises:
        ValueError: If it is not one, or not plain data; the message names file, line and rule.
    """
    if not path.is_file():
        raise ValueError(f"{path}: this is not a file.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path}: the file may have {MAX_BYTES:,} bytes, it has {size:,}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the file is not UTF-8 text (byte {error.start}).") from None
    return parse_yaml(text, name=str(path))


def parse_yaml(text: str, *, name: str) -> YamlFile:
    """Parse text whose top is a mapping; raises as `read_yaml` does."""
    reader = _Reader(name)
    node = reader.compose(text)
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{name}: the top of the file must be `key: value` lines.")
    lines: dict[YamlPath, int] = {}
    return YamlFile(name=name, data=reader.value(node, (), lines), lines=lines)


def parse_value(text: str, *, name: str) -> Any:
    """Parse one value by the same rules: `12`, `0.5`, `true`, `null`, `[0, 1]` or text."""
    reader = _Reader(name, lines_shown=False)
    return reader.value(reader.compose(text), (), {})


class _CoreLoader(yaml.SafeLoader):
    """Composes nodes and leaves the meaning of scalars to us."""

    yaml_implicit_resolvers: dict[Any, Any] = {}


class _Reader:
    def __init__(self, name: str, *, lines_shown: bool = True) -> None:
        self.name = name
        self.lines_shown = lines_shown

    def compose(self, text: str) -> yaml.Node:
        try:
            self._check_events(text)
            node = yaml.compose(text, Loader=_CoreLoader)
        except yaml.MarkedYAMLError as error:
            raise self._error(error.problem_mark, self._problem(error)) from None
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"{self.name}: this is not YAML: {reason}.") from None
        if node is None:
            raise ValueError(f"{self.name}: there is nothing in it.")
        return node

    def _check_events(self, text: str) -> None:
        """Refuse what plain data has no need of, before anything is built from it."""
        depth = values = documents = 0
        for event in yaml.parse(text, Loader=_CoreLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise self._error(
                    event.start_mark,
                    "anchors and aliases (&, *) are not plain data; write it out",
                )
            tag = getattr(event, "tag", None)
            if tag is not None:
                raise self._error(
                    event.start_mark, f"tags are not plain data, got {tag!r}; leave it out"
                )
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                values += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.ScalarEvent):
                values += 1
            if depth > MAX_DEPTH:
                raise self._error(event.start_mark, f"values nest at most {MAX_DEPTH} deep")
            if values > MAX_VALUES:
                raise self._error(event.start_mark, f"a file holds at most {MAX_VALUES:,} values")
            if documents > 1:
                raise self._error(
                    event.start_mark, "a file holds one document, here starts another"
                )

    def value(self, node: yaml.Node, path: YamlPath, lines: dict[YamlPath, int]) -> Any:
        """Return the plain data of a node and note the line of everything in it."""
        if isinstance(node, yaml.MappingNode):
            return {
                key: self.value(child, (*path, key), lines)
                for key, child in self._items(node, path, lines)
            }
        if isinstance(node, yaml.SequenceNode):
            items = []
            for position, child in enumerate(node.value):
                lines[(*path, position)] = child.start_mark.line + 1
                items.append(self.value(child, (*path, position), lines))
            return items
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node)

    def _items(
        self, node: yaml.MappingNode, path: YamlPath, lines: dict[YamlPath, int]
    ) -> Iterator[tuple[str, yaml.Node]]:
        for key_node, child in node.value:
            key = self._key(key_node, path)
            line = key_node.start_mark.line + 1
            if (*path, key) in lines:
                raise self._error(
                    key_node.start_mark,
                    f"{_shown((*path, key))}: this key is here twice, first in line "
                    f"{lines[(*path, key)]}; keep one",
                )
            lines[(*path, key)] = line
            yield key, child

    def _key(self, node: yaml.Node, path: YamlPath) -> str:
        where = f"{_shown(path)}: " if path else ""
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node.start_mark, f"{where}keys must be text, got a collection")
        key = self._scalar(node)
        if not isinstance(key, str) or not key:
            raise self._error(
                node.start_mark, f"{where}keys must be text, got {node.value!r}; quote it"
            )
        return key

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        if node.style is not None:  # quoted or block: text, whatever it looks like
            return text
        if _NULL.fullmatch(text):
            return None
        if _BOOL.fullmatch(text):
            return text[0] in "tT"
        if _INT.fullmatch(text):
            if len(text) > MAX_DIGITS:
                raise self._error(node.start_mark, f"numbers have at most {MAX_DIGITS} digits")
            return int(text)
        if _NOT_FINITE.fullmatch(text):
            raise self._error(node.start_mark, f"numbers must be finite, got {text}")
        if _FLOAT.fullmatch(text):
            number = float(text)
            if not math.isfinite(number):
                raise self._error(node.start_mark, f"numbers must be finite, got {text}")
            return number
        return text

    def _error(self, mark: Any, message: str) -> ValueError:
        shown = self.lines_shown and mark is not None
        place = f"{self.name}:{mark.line + 1}" if shown else self.name
        return ValueError(f"{place}: {message}.")

    def _problem(self, error: yaml.MarkedYAMLError) -> str:
        context = f"{error.context}, " if error.context else ""
        return f"this is not YAML: {context}{error.problem}"


def _shown(path: YamlPath) -> str:
    return "/".join(str(part) for part in path)

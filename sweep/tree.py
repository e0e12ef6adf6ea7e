"""Nested settings and facts by `/` path."""

from collections.abc import Iterator, Mapping
from typing import Any


def flattened(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings: `{"git": {"commit": "ab"}}` gives `git/commit`, `ab`."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value

"""What tensors of S2's checkpoints do not say: the unit of joints, and names of their decoder."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpe.geometry.axis_bins import Unit
from hpe.models.s2_checkpoint import LEFT_OUT
from sweep.unpickling import HYPER_PARAMETERS

NORMALISES = "use_normalize"
"""S2's setting that makes a bone the unit of its joints."""


def unit_of_s2(said: Mapping[str, str], unit: Unit | None) -> Unit:
    """Return what the joints are said in: as asked, or as the hyper-parameters have it.

    Args:
        said: Metadata that `sweep.unpickling` wrote beside the tensors.
        unit: As asked; None to go by the hyper-parameters.

    Raises:
        ValueError: If neither says so, or they disagree.
    """
    found = set(_values_of(NORMALISES, json.loads(said.get(HYPER_PARAMETERS, "{}"))))
    stated: Unit | None = None
    if len(found) == 1 and isinstance(value := found.pop(), bool):
        stated = "bone" if value else "mm"
    if unit is not None and stated is not None and unit != stated:
        raise ValueError(f"--unit {unit}: its hyper-parameters say that joints are in {stated}.")
    chosen = unit or stated
    if chosen is None:
        raise ValueError(
            f"nothing in it says whether joints are in millimetres or in lengths of a bone (S2's "
            f"{NORMALISES}): give --unit mm or --unit bone."
        )
    return chosen


def _values_of(name: str, node: Any) -> Iterator[Any]:
    """Yield what stands under a name, at any depth."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == name and not isinstance(value, Mapping | list):
                yield value
            yield from _values_of(name, value)


def read_names(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return a table of a decoder's names, and beginnings of names that are left out.

    Raises:
        ValueError: If the file is no such table.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"--names {path}: it cannot be read as JSON ({error}).") from None
    left_out = table.pop(LEFT_OUT, []) if isinstance(table, dict) else None
    if not isinstance(left_out, list) or not _are_texts([*table.values(), *left_out]):
        raise ValueError(
            f'--names {path}: must be a JSON object of names, and "{LEFT_OUT}" in it a list of '
            "names."
        )
    return table, left_out


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)

"""Exact grids: every combination of given values once, in a fixed order."""

from collections.abc import Mapping, Sequence
from itertools import islice, product
from math import prod
from typing import Any

import optuna

from search_spaces.space import Space
from sweep.study import Study, label_of

Grid = Mapping[str, Sequence[Any]]
"""Path -> values."""


def grid_size(grid: Grid) -> int:
    """Return how many combinations there are."""
    return prod(len(values) for values in grid.values())


def grid_point(grid: Grid, place: int) -> dict[str, Any]:
    """Return a combination by its place; the last path varies fastest, as in nested loops."""
    values = next(islice(product(*grid.values()), place, None))
    return dict(zip(grid, values, strict=True))


def grid_space(grid: Grid) -> Space:
    """Return the space whose points are the grid's."""

    def suggest(trial: optuna.Trial) -> Mapping[str, Any]:
        return {path: trial.suggest_categorical(path, values) for path, values in grid.items()}

    labels = tuple(dict.fromkeys(label_of(path) for path in grid))
    return Space(suggest=suggest, plan=labels, about="every combination of given values")


def space_of(study: Study, spaces: Mapping[str, Space]) -> Space | None:
    """Return what a study searches: its grid, its space, or nothing."""
    if study.search.grid:
        return grid_space(study.search.grid)
    return None if study.space is None else spaces[study.space]

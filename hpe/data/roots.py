"""Folders of data sets: where they lie, or will lie once they are made."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def rendered_root(
    recipe_of: Callable[[Any], Mapping[str, Any]],
) -> Callable[[Any, Path | None, Path], Path]:
    """Return where rendered data lie: a folder for each recipe, so that none overwrites another."""

    def root(config: Any, data_dir: Path | None, made_dir: Path) -> Path:
        recipe = json.dumps(recipe_of(config), sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(recipe.encode()).hexdigest()
        return (data_dir or made_dir) / f"{config.name}-{digest[:12]}"

    return root


def brought_root(folder_names: Sequence[str]) -> Callable[[Any, Path | None, Path], Path]:
    """Return where a data set lies that is not made here: in `data_dir`, or in a folder of it.

    Args:
        folder_names: What the data set's folder may be called inside a folder of data sets.
    """

    def root(config: Any, data_dir: Path | None, _made_dir: Path) -> Path:
        if data_dir is None:
            raise ValueError(
                f"{config.name} is not made here: give the folder of its original files with "
                f"--data-dir."
            )
        inside = [data_dir / name for name in folder_names]
        return next((folder for folder in inside if folder.is_dir()), data_dir)

    return root

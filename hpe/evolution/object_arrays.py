"""Arrays out of .npy files that hold a pickled dict of arrays, without running what they name.

`np.load(allow_pickle=True)` runs whatever program a file holds. Here nothing is imported or called
but the three functions that numpy's arrays are rebuilt with; anything else is refused by its name.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

_ALLOWED = frozenset(
    (package + module, name)
    for package in ("numpy.", "numpy._")
    for module, name in (
        ("core.multiarray", "_reconstruct"),
        ("core.multiarray", "scalar"),
        ("core.numeric", "_frombuffer"),
    )
) | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}


class ArrayUnpickler(pickle.Unpickler):
    """Makes arrays and plain containers only."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few calls that arrays are made with.

        Raises:
            ValueError: If something else is asked for.
        """
        if (module, name) not in _ALLOWED:
            raise ValueError(f"it names {module}.{name}, which is no part of an array")
        return super().find_class(module, name)


def load_tree(path: Path) -> dict[str, Any]:
    """Return the dict of arrays that `np.save` made of a dict.

    Raises:
        ValueError: If there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}; give the folder that holds it.")
    try:
        with path.open("rb") as file:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read(file)
            if not dtype.hasobject or shape != ():
                raise ValueError(f"it holds an array of {dtype} with shape {shape}")
            content = ArrayUnpickler(file, encoding="latin1").load()
    except (ValueError, EOFError, pickle.UnpicklingError, ImportError, AttributeError) as error:
        raise ValueError(f"{path} must be a .npy file of a dict of arrays: {error}.") from error
    if isinstance(content, np.ndarray) and content.shape == ():
        content = content.item()
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a dict of arrays, got {type(content).__name__}.")
    return content

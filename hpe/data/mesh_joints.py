"""The 21 joints of a hand from the 778 vertices of a MANO mesh, by a regressor the user brings."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file

from hpe.geometry.skeleton import FREIHAND_FROM_MANO

NUM_VERTICES = 778
NUM_REGRESSED = 16
FORMATS = (".npz", ".npy", ".safetensors")

TIPS = (744, 320, 443, 555, 672)
"""Vertices at the tips of thumb, index, middle, ring and little finger: S0's choice."""


def read_regressor(path: Path) -> Float[np.ndarray, "16 778"]:
    """Return MANO's joint regressor from a file with one array in it; nothing is unpickled.

    Raises:
        ValueError: If there is no such file, or it holds something else.
    """
    expected = (
        f"one array of {NUM_REGRESSED} x {NUM_VERTICES} numbers ({', '.join(FORMATS)}): MANO's "
        "joint regressor, which its licence does not let us ship"
    )
    if path.suffix not in FORMATS or not path.is_file():
        raise ValueError(f"{path} must be a file with {expected}; give it by data/regressor.")
    try:
        arrays = _arrays(path)
    except (OSError, ValueError, EOFError, SafetensorError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} must hold {expected}: {error}.") from error
    shapes = [array.shape for array in arrays]
    if shapes != [(NUM_REGRESSED, NUM_VERTICES)]:
        raise ValueError(f"{path} must hold {expected}, got arrays of shapes {shapes}.")
    return arrays[0].astype(np.float64)


def joints_of_mesh(
    vertices: Float[np.ndarray, "meshes 778 axes"],
    regressor: Float[np.ndarray, "16 778"],
    *,
    tips: Sequence[int] = TIPS,
) -> Float[np.ndarray, "meshes 21 axes"]:
    """Return the joints in this project's order, in the vertices' units.

    Args:
        vertices: Meshes of MANO's topology.
        regressor: Gives MANO's 16 joints as weighted means of vertices.
        tips: Vertices at the tips, thumb to little finger.
    """
    regressed = np.einsum("jv,mva->mja", regressor, vertices)
    joints = np.concatenate([regressed, vertices[:, list(tips)]], axis=1)
    return joints[:, list(FREIHAND_FROM_MANO)]


def _arrays(path: Path) -> list[np.ndarray]:
    if path.suffix == ".safetensors":
        return list(load_file(path).values())
    if path.suffix == ".npy":
        return [np.load(path, allow_pickle=False)]
    with np.load(path, allow_pickle=False) as content:
        return [content[name] for name in content.files]

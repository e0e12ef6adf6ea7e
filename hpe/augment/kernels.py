"""albumentations' transforms, whose parameters we draw ourselves.

A `Compose` draws from a generator of its own and spends most of a small view's time on
bookkeeping. Calling a transform's `apply` with given parameters runs the same code on the pixels,
from whatever generator the caller has (benchmarks/augment.py measures both).
"""

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_NO_UPDATE_CHECK = "NO_ALBUMENTATIONS_UPDATE"


@dataclass(frozen=True)
class Kernels:
    """The transforms in use; only their `apply` is called, which keeps no state."""

    color_jitter: Any
    gaussian_blur: Any
    gauss_noise: Any
    to_gray: Any


@functools.cache
def kernels() -> Kernels:
    """Return the transforms, importing albumentations on first use.

    Its import asks the package index for a newer version: seconds, and a warning, on a machine
    without a network. It offers one way to leave that out, an environment variable, which is set
    for the import alone. That is why the import is in this function.
    """
    with _without_update_check():
        import albumentations  # noqa: PLC0415
    return Kernels(
        color_jitter=albumentations.ColorJitter(),
        gaussian_blur=albumentations.GaussianBlur(),
        gauss_noise=albumentations.GaussNoise(),
        to_gray=albumentations.ToGray(),
    )


@contextlib.contextmanager
def _without_update_check() -> Iterator[None]:
    before = os.environ.get(_NO_UPDATE_CHECK)
    os.environ[_NO_UPDATE_CHECK] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_NO_UPDATE_CHECK]
        else:
            os.environ[_NO_UPDATE_CHECK] = before

"""Rebuilding a network from what a file or a stage says of it, which may be of another program."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError


@contextmanager
def settings_are_known() -> Iterator[None]:
    """Translate what settings raise that this program does not know.

    Raises:
        ValueError: With what is wrong with them.
    """
    try:
        yield
    except ValidationError as error:
        raise ValueError(f"its settings are not ones that this program knows: {error}") from None


@contextmanager
def weights_are_of(name: str) -> Iterator[None]:
    """Translate what a network raises when it is given weights that do not fit.

    Args:
        name: What people call the network.

    Raises:
        ValueError: With the weights that differ.
    """
    try:
        yield
    except RuntimeError as error:
        raise ValueError(f"the weights are not those of {name}: {error}") from None

"""Tensors out of a pickled checkpoint, read in a process of its own that gives away tensors only.

A pickle is a program. `torch.load(weights_only=True)` runs it with a short list of harmless calls,
and is tried first. Checkpoints of old PyTorch Lightning name classes beyond that list; `Inert`
stands in for every one of them: whatever a pickle calls, it gets an object that does nothing,
unless it is one of the calls that tensors are made of. Nothing a file names is imported.

That holds for what pickle itself does. A flaw in the parser of torch or of zip files is not held
off by it, which is why this happens in a child process with limits on memory and processor time,
an empty environment and no way to open a connection in Python; it still runs as the same user, and
is no sandbox of the operating system. Convert files from people you trust.
"""

import pickle
import resource
import socket
import sys
from collections import OrderedDict
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

MEMORY_BYTES = 32 * 2**30
CPU_S = 600

_ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch", "Size"): torch.Size,
}
_STORAGES = ("Float", "Half", "Double", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")


class Inert:
    """What a pickle gets in place of anything it names: it takes every call and does nothing."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None: ...

    def __setstate__(self, _state: Any) -> None: ...

    def __call__(self, *_args: Any, **_kwargs: Any) -> "Inert":
        return self

    def __setitem__(self, _key: Any, _value: Any) -> None: ...

    def append(self, _value: Any) -> None:
        """Take an item of a list."""

    def extend(self, _values: Any) -> None:
        """Take items of a list."""


class RestrictedUnpickler(pickle.Unpickler):
    """Makes tensors and plain containers, and nothing of what else a pickle names."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few calls that tensors need, or something that does nothing."""
        if module == "torch" and name.removesuffix("Storage") in _STORAGES:
            return getattr(torch, name)
        return _ALLOWED.get((module, name), Inert)


class RestrictedPickle:
    """What `torch.load` takes in place of the module pickle."""

    Unpickler = RestrictedUnpickler
    __name__ = "restricted"


def main(source: str, target: str) -> int:
    """Read `source` and write its tensors, by dotted path, to the safetensors file `target`."""
    _restrict()
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        content = torch.load(
            source, map_location="cpu", weights_only=False, pickle_module=RestrictedPickle
        )
    found: dict[str, Tensor] = {}
    _collect(content, "", found)
    if not found:
        sys.stderr.write("there are no tensors in it")
        return 1
    save_file({name: tensor.contiguous().clone() for name, tensor in found.items()}, target)
    return 0


def _collect(node: Any, path: str, found: dict[str, Tensor]) -> None:
    """Gather tensors of nested dicts; a state_dict's names keep standing alone."""
    if isinstance(node, Tensor):
        found[path] = node.detach()
    elif isinstance(node, dict):
        inner = node.get("state_dict")
        for key, value in ({"": inner} if isinstance(inner, dict) else node).items():
            _collect(value, ".".join(part for part in (path, str(key)) if part), found)


def _restrict() -> None:
    def refused(*_args: Any, **_kwargs: Any) -> Any:
        raise PermissionError("a checkpoint is read without a network")

    socket.socket = refused  # type: ignore[misc, assignment]
    socket.create_connection = refused
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

"""Tensors, or plain data, out of a pickle, read in a process of its own that gives away these only.

Checkpoints become a safetensors file of tensors, pickled records (Human3.6M's annotations) the
columns of an .npz file, pickled lists (S3's) a JSON file.

A pickle is a program. `torch.load(weights_only=True)` runs it with a short list of harmless calls,
and is tried first. Checkpoints of old PyTorch Lightning name classes beyond that list; `Inert`
stands in for every one of them: whatever a pickle calls, it gets an object that does nothing,
unless it is one of the calls that tensors and arrays are made of. Nothing a file names is imported.

That holds for what pickle itself does. A flaw in the parser of torch or of zip files is not held
off by it, which is why this happens in a child process with limits on memory and processor time,
an empty environment and no way to open a connection in Python; it still runs as the same user, and
is no sandbox of the operating system. Convert files from people you trust.
"""

import codecs
import json
import pickle
import resource
import socket
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray
from safetensors.torch import save_file
from torch import Tensor

MEMORY_BYTES = 32 * 2**30
CPU_S = 600
HYPER_PARAMETERS = "hyper_parameters"
MAX_LISTED = 64
"""Numbers of a tensor in a list, such as a box; one of more belongs to a checkpoint."""


_ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch", "Size"): torch.Size,
}
_ARRAYS = {
    "_reconstruct": multiarray._reconstruct,
    "scalar": multiarray.scalar,
    "ndarray": np.ndarray,
    "dtype": np.dtype,
    "encode": codecs.encode,
    "OrderedDict": OrderedDict,
}
_ARRAY_MODULES = (
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "_codecs",
    "collections",
)
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


def array_call(module: str, name: str) -> Any:
    """Return one of the calls that numpy's arrays are made of, or something that does nothing."""
    return _ARRAYS.get(name, Inert) if module in _ARRAY_MODULES else Inert


class RestrictedUnpickler(pickle.Unpickler):
    """Makes tensors, arrays and plain containers, and nothing of what else a pickle names."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few calls that these need, or something that does nothing."""
        if module == "torch" and name.removesuffix("Storage") in _STORAGES:
            return getattr(torch, name)
        return _ALLOWED.get((module, name)) or array_call(module, name)


class RecordsUnpickler(pickle.Unpickler):
    """Makes numpy's arrays and plain containers, and nothing of what else a pickle names."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few calls that arrays need, or something that does nothing."""
        return array_call(module, name)


class RestrictedPickle:
    """What `torch.load` takes in place of the module pickle."""

    Unpickler = RestrictedUnpickler
    __name__ = "restricted"


def main(source: str, target: str) -> int:
    """Read `source` and write its tensors, by dotted path, to the safetensors file `target`.

    To a `target` that ends with .npz, columns of records are written instead, and to one that ends
    with .json, whatever numbers and text there are.
    """
    _restrict()
    if target.endswith(".npz"):
        return write_columns(source, target)
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        content = torch.load(
            source, map_location="cpu", weights_only=False, pickle_module=RestrictedPickle
        )
    if target.endswith(".json"):
        return write_plain(content, target)
    found: dict[str, Tensor] = {}
    _collect(content, "", found)
    if not found:
        sys.stderr.write("there are no tensors in it")
        return 1
    whole = {name: tensor.contiguous().clone() for name, tensor in found.items()}
    save_file(whole, target, hyper_parameters(content))
    return 0


def hyper_parameters(content: Any) -> dict[str, str]:
    """Return Lightning's hyper-parameters, as far as they are plain data, as a file's metadata."""
    settings = content.get(HYPER_PARAMETERS) if isinstance(content, dict) else None
    plain = _plain_part(settings)
    return {HYPER_PARAMETERS: json.dumps(plain)} if isinstance(plain, dict) else {}


def _plain_part(node: Any) -> Any:
    """Return numbers and text in lists and dicts; None for anything else."""
    if isinstance(node, dict):
        return {str(key): _plain_part(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain_part(value) for value in node]
    return node if isinstance(node, str | int | float) else None


def _collect(node: Any, path: str, found: dict[str, Tensor]) -> None:
    """Gather tensors of nested dicts; a state_dict's names keep standing alone."""
    if isinstance(node, Tensor):
        found[path] = node.detach()
    elif isinstance(node, dict):
        inner = node.get("state_dict")
        for key, value in ({"": inner} if isinstance(inner, dict) else node).items():
            _collect(value, ".".join(part for part in (path, str(key)) if part), found)


def write_columns(source: str, target: str) -> int:
    """Write what all records of a pickle have as one array each; what some lack is left out."""
    with Path(source).open("rb") as file:
        records = [dict(_flat(record)) for record in _records(RecordsUnpickler(file).load())]
    if not records:
        sys.stderr.write("there are no records in it")
        return 1
    columns = {}
    for name in records[0]:
        values = [record.get(name) for record in records]
        shapes = {np.shape(value) if value is not None else None for value in values}
        column = np.array(values) if len(shapes) == 1 else np.array(None)
        if column.dtype.kind in "biufSU":
            is_text = column.dtype.kind == "U"
            columns[name] = np.char.encode(column, "utf-8") if is_text else column
    np.savez(target, allow_pickle=False, **columns)
    return 0


def _records(content: Any, keys: tuple[Any, ...] = ()) -> Iterator[dict[str, Any]]:
    """Yield the records of a list, or of a dict of lists or records, whose keys become columns.

    Key columns are `key_0` and so on; a tuple as a key gives one for each of its parts.
    """
    named = {f"key_{number}": key for number, key in enumerate(keys)}
    if isinstance(content, list | tuple):
        for record in content:
            if isinstance(record, Mapping):
                yield {**named, **record}
    elif isinstance(content, Mapping):
        if content and not all(isinstance(v, Mapping | list | tuple) for v in content.values()):
            yield {**named, **content}
            return
        for key, value in content.items():
            yield from _records(value, (*keys, *(key if isinstance(key, tuple) else (key,))))


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield values by path, as `cam/f`."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def write_plain(content: Any, target: str) -> int:
    """Write numbers and text in lists and dicts as JSON."""
    try:
        Path(target).write_text(json.dumps(_plain(content)))
    except TypeError as error:
        sys.stderr.write(str(error))
        return 1
    return 0


def _plain(node: Any) -> Any:
    """Return JSON data.

    Raises:
        TypeError: If there is something that JSON has no word for.
    """
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(value) for value in node]
    if isinstance(node, Tensor) and node.numel() > MAX_LISTED:
        raise TypeError(f"there is a tensor of {node.numel()} numbers in it")
    if isinstance(node, Tensor | np.ndarray | np.generic):
        return _plain(node.tolist())
    if node is None or isinstance(node, str | int | float):
        return node
    raise TypeError(f"it holds an object, {type(node).__name__}, where lists have numbers and text")


def _restrict() -> None:
    def refused(*_args: Any, **_kwargs: Any) -> Any:
        raise PermissionError("a checkpoint is read without a network")

    socket.socket = refused  # type: ignore[misc, assignment]
    socket.create_connection = refused
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

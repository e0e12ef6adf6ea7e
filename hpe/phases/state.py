"""Phase states as flat tensors plus a JSON skeleton: what can be written without pickle."""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from hpe.phases.phase import State

Nested = TypeVar("Nested")

LARGEST_EXACT_JSON_INT = 2**53  # beyond it, readers that use doubles lose digits (RFC 8259, 6)


def detached_copy(state: Nested) -> Nested:
    """Copy every tensor of a nested state to the CPU, so that training on leaves it untouched."""
    copied: Any = state
    if isinstance(state, Tensor):
        copied = state.detach().to("cpu", copy=True)
    elif isinstance(state, Mapping):
        copied = {key: detached_copy(value) for key, value in state.items()}
    elif isinstance(state, list | tuple):
        copied = type(state)(detached_copy(value) for value in state)
    return copied  # type: ignore[no-any-return]  # the same kind as `state`


def split_state(state: State) -> tuple[dict[str, Tensor], Any]:
    """Split a state into its tensors, by path, and JSON data that says how they hang together.

    Args:
        state: Nested dicts (string or integer keys), lists and tuples of tensors, strings,
            numbers, booleans and None.

    Returns:
        Tensors by unique path, and the skeleton `join_state` needs. Floats are kept to the bit,
        integers at any size.

    Raises:
        TypeError: If the state holds anything else; the message names its path.
    """
    tensors: dict[str, Tensor] = {}
    return tensors, _skeleton(state, (), tensors)


def join_state(tensors: Mapping[str, Tensor], skeleton: Any) -> Any:
    """Rebuild what `split_state` took apart."""
    ((kind, content),) = ((k, v) for k, v in skeleton.items() if k != "layout")
    match kind:
        case "tensor":
            tensor = tensors[content]
            if skeleton.get("layout") == "channels_last":
                return tensor.contiguous(memory_format=torch.channels_last)
            return tensor
        case "dict":
            return {key: join_state(tensors, value) for key, value in content}
        case "list":
            return [join_state(tensors, value) for value in content]
        case "tuple":
            return tuple(join_state(tensors, value) for value in content)
        case "float":
            return float.fromhex(content)
        case "int":
            return int(content)
        case "value":
            return content
    raise ValueError(f"A state's skeleton has no node kind {kind!r}; was it written by this code?")


def _skeleton(node: Any, path: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    match node:
        case Tensor():
            return _tensor_node(node, path, tensors)
        case Mapping():
            _require_plain_keys(node, path)
            return {"dict": [[k, _skeleton(v, (*path, str(k)), tensors)] for k, v in node.items()]}
        case list() | tuple():
            kind = "list" if isinstance(node, list) else "tuple"
            return {kind: [_skeleton(v, (*path, str(i)), tensors) for i, v in enumerate(node)]}
        case None | bool() | str():
            return {"value": node}
        case int():
            exact = abs(node) <= LARGEST_EXACT_JSON_INT
            return {"value": node} if exact else {"int": str(node)}
        case float():
            return {"float": float(node).hex()}
    raise TypeError(
        f"A state holds tensors, dicts, lists, tuples and JSON scalars only, got "
        f"{type(node).__name__} at {'/'.join(path) or 'the top'}."
    )


def _tensor_node(tensor: Tensor, path: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    name = "/".join(path)
    if name in tensors:
        name = f"{name}#{len(tensors)}"
    tensors[name] = tensor
    node = {"tensor": name}
    if (
        tensor.ndim == 4
        and not tensor.is_contiguous()
        and tensor.is_contiguous(memory_format=torch.channels_last)
    ):
        node["layout"] = "channels_last"
    return node


def _require_plain_keys(node: Mapping[Any, Any], path: tuple[str, ...]) -> None:
    for key in node:
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise TypeError(
                f"A state's dict keys are strings or integers, got {key!r} at "
                f"{'/'.join(path) or 'the top'}."
            )

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from hpe.phases.state import detached_copy, join_state, split_state


def through_a_file(state, path):
    tensors, skeleton = split_state(state)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return join_state(load_file(path), json.loads(json.dumps(skeleton, allow_nan=False)))


def test_a_nested_state_survives_a_file(tmp_path):
    state = {
        "weights": {"a": torch.randn(2, 3), "b": torch.tensor(3, dtype=torch.int64)},
        "groups": [{"params": [0, 1], "betas": (0.9, 0.999), "name": None, "on": True}],
        "moments": {7: torch.zeros(0, dtype=torch.bfloat16)},
        "empty": {},
        "text": "ü/#",
    }
    back = through_a_file(state, tmp_path / "state.safetensors")
    assert back["groups"] == state["groups"]
    assert isinstance(back["groups"][0]["betas"], tuple)
    assert list(back) == list(state)
    assert back["empty"] == {}
    assert back["text"] == state["text"]
    assert torch.equal(back["weights"]["a"], state["weights"]["a"])
    assert back["weights"]["b"].dtype == torch.int64
    assert back["moments"][7].dtype == torch.bfloat16


@pytest.mark.parametrize(
    "number", [0.1, 5e-324, math.inf, -0.0, 1 / 3, 2**53 + 1, -(10**30), 3, True, False]
)
def test_numbers_survive_to_the_bit(number, tmp_path):
    back = through_a_file({"n": number, "t": torch.zeros(1)}, tmp_path / "s.safetensors")["n"]
    assert type(back) is type(number)
    assert back == number
    assert math.copysign(1, back) == math.copysign(1, number)


def test_not_a_number_survives(tmp_path):
    back = through_a_file({"n": math.nan, "t": torch.zeros(1)}, tmp_path / "s.safetensors")
    assert math.isnan(back["n"])


def test_a_channels_last_layout_survives(tmp_path):
    weight = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    back = through_a_file({"w": weight}, tmp_path / "s.safetensors")["w"]
    assert back.stride() == weight.stride()
    assert torch.equal(back, weight)


def test_paths_that_read_alike_stay_apart():
    state = {
        "a/b": torch.zeros(1),
        "a": {"b": torch.ones(1), "1": torch.ones(2), 1: torch.ones(3)},
    }
    back = join_state(*split_state(state))
    assert back["a/b"].item() == 0
    assert back["a"]["b"].item() == 1
    assert (len(back["a"]["1"]), len(back["a"][1])) == (2, 3)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": [object()]}, "got object at a/0"),
        ({"a": {2.5: 1}}, "strings or integers, got 2.5 at a"),
        ({"a": {True: 1}}, "strings or integers, got True at a"),
    ],
)
def test_refuses_what_cannot_be_written(state, message):
    with pytest.raises(TypeError, match=message):
        split_state(state)


def test_a_copy_does_not_move_with_the_original():
    weight = torch.nn.Parameter(torch.zeros(2))
    copied = detached_copy({"a": [weight], "b": (1, "x")})
    with torch.no_grad():
        weight += 1
    assert copied["a"][0].tolist() == [0, 0]
    assert not copied["a"][0].requires_grad
    assert copied["b"] == (1, "x")

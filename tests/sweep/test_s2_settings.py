"""What S2's checkpoints say beside their tensors, and what a user says of them."""

import json

import pytest

from sweep.s2_settings import read_names, unit_of_s2
from sweep.unpickling import Inert, hyper_parameters


def said(**settings):
    return hyper_parameters({"state_dict": {}, "hyper_parameters": settings})


@pytest.mark.parametrize(("normalises", "unit"), [(True, "bone"), (False, "mm")])
def test_the_unit_is_that_of_the_hyper_parameters(normalises, unit):
    found = said(model={"use_normalize": normalises, "loss": Inert()}, lr=1e-4)
    assert json.loads(found["hyper_parameters"])["model"]["loss"] is None
    assert unit_of_s2(found, None) == unit_of_s2(found, unit) == unit


def test_a_unit_that_nobody_says_or_that_is_said_twice_is_refused():
    assert hyper_parameters([1]) == hyper_parameters({"hyper_parameters": Inert()}) == {}
    with pytest.raises(ValueError, match="give --unit mm or --unit bone"):
        unit_of_s2({}, None)
    assert unit_of_s2({}, "mm") == "mm"
    with pytest.raises(ValueError, match="hyper-parameters say that joints are in bone"):
        unit_of_s2(said(use_normalize=True), "mm")


@pytest.mark.parametrize("text", ['["a"]', '{"a": 1}', '{"left_out": "a"}', "{"])
def test_a_table_of_names_is_an_object_of_texts(tmp_path, text):
    path = tmp_path / "names.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"--names .*names\.json: "):
        read_names(path)


def test_names_and_what_is_left_out_are_told_apart(tmp_path):
    path = tmp_path / "names.json"
    path.write_text('{"towers.xy": "model.a", "left_out": ["loss."]}')
    assert read_names(path) == ({"towers.xy": "model.a"}, ["loss."])

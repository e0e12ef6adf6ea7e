"""Poses that turn: what the page is given to draw."""

import json
import re

import numpy as np
import pytest

from hpe.geometry.skeleton import BONES, WRIST
from hpe.viz.hand_sheets import turning_hands
from hpe.viz.turning import Turning


def scene_of(html):
    (scene,) = re.findall(r"scene = (\{.*\});", html)
    return json.loads(scene)


def test_a_prediction_lies_on_its_truth_root_on_root_and_the_longest_reach_is_one():
    true = np.array([[[0.0, 0.0, 500.0], [0.0, 100.0, 500.0]]])
    predicted = np.array([[[7.0, 7.0, 900.0], [7.0, 107.0, 900.0]]])
    figure = Turning(predicted, true, 0, [(0, 1)], [(1, 2, 3)], ["a < b"])
    scene = scene_of(figure.as_fragment())
    assert scene["true"] == scene["predicted"] == [[[0, -1, 0], [0, 1, 0]]]
    assert scene["colors"] == ["rgb(1,2,3)"]
    assert scene["captions"] == ["a < b"]


def test_nothing_in_a_caption_ends_the_script():
    points = np.ones((1, 2, 3)) * np.arange(2)[:, None]
    figure = Turning(points, points, 0, [(0, 1)], [(0, 0, 0)], ["</script><b>"])
    assert figure.as_page("x").count("</script>") == 1


@pytest.mark.parametrize("count", [1, 3])
def test_hands_are_as_many_as_their_errors(count):
    joints_m = np.random.default_rng(0).normal(size=(4, 21, 3))
    scene = scene_of(turning_hands(joints_m, joints_m, [1.0] * count).as_page("hands"))
    assert len(scene["true"]) == len(scene["predicted"]) == count
    assert scene["captions"] == ["1.0 mm"] * count
    assert scene["bones"] == [list(bone) for bone in BONES]
    assert WRIST == 0

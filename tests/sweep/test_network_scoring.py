from pathlib import Path

import pytest

from hpe.data.h36m import H36mConfig
from hpe.data.opened import OpenedData
from sweep.evaluation_data import EvaluationData
from sweep.network_scoring import OpenedSplit


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (
            {"protocol": {"val": "scored on S8", "test": "scored on S9"}, "caveat": "few"},
            {"protocol": "scored on S8", "caveat": "few"},
        ),
        ({"protocol": {}, "source": "here"}, {}),
        ({}, {}),
    ],
)
def test_what_scores_are_made_on_is_told_of_the_split_that_is_scored(card, expected):
    opened = OpenedData(name="h36m", digest="0" * 64, splits={}, card=card)
    data = EvaluationData(H36mConfig(), Path())
    assert OpenedSplit(data, opened, "val", limit=None).beforehand == expected

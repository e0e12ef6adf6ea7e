"""Two networks on the same hands, with errors that are known."""

from dataclasses import replace

import pytest
import torch

from hpe.evaluation.comparison import (
    hand_errors,
    require_same_hands,
    score_pairs,
    where_first_is_better,
)
from hpe.evaluation.hand_pose_scores import JointErrors, Score
from tests.hpe.evaluation.test_hand_pose_scores import made_hands


def errors_of(*means: float, valid: torch.Tensor | None = None) -> JointErrors:
    errors = torch.tensor(means, dtype=torch.float64)[:, None].expand(-1, 21).clone()
    counts = torch.ones(len(means), 21, dtype=torch.bool) if valid is None else valid
    return JointErrors("root_epe_mm", "", errors, counts)


def test_hands_are_ordered_by_what_the_first_network_gains():
    first, second = errors_of(5.0, 1.0, 9.0, 3.0), errors_of(6.0, 9.0, 2.0, 3.0)
    assert where_first_is_better(first, second, count=4) == [1, 0]
    assert where_first_is_better(second, first, count=4) == [2]
    assert where_first_is_better(first, second, count=1) == [1]


def test_a_hands_error_is_the_mean_over_the_joints_that_count():
    valid = torch.zeros(2, 21, dtype=torch.bool)
    valid[0, :2] = True
    kind = errors_of(4.0, 4.0, valid=valid)
    kind.errors[0, 1], kind.errors[0, 2] = 8.0, float("nan")
    means = hand_errors(kind)
    assert means[0] == 6.0
    assert means[1].isnan()
    assert where_first_is_better(kind, kind, count=2) == []


@pytest.mark.parametrize(
    ("name", "values", "better"),
    [
        ("pa_epe_mm", (1.0, 2.0), "first"),
        ("auc", (0.1, 0.2), "second"),
        ("auc", (0.2, 0.2), "neither"),
        ("whatever", (0.1, 0.2), "neither"),
    ],
)
def test_says_whose_score_is_better(name, values, better):
    first, second = ([Score(name, value, 4, "how")] for value in values)
    (pair,) = score_pairs(first, second)
    assert (pair.first, pair.second, pair.better, pair.protocol) == (*values, better, "how")


def test_scores_that_one_lacks_are_left_out():
    both = [Score("auc", 0.1, 4, "")]
    assert [p.name for p in score_pairs([*both, Score("epe_mm", 1.0, 4, "")], both)] == ["auc"]


def test_refuses_to_compare_different_hands():
    hands = made_hands()
    require_same_hands(hands, made_hands(shift_m=0.01))
    with pytest.raises(ValueError, match="got 4 and 3 that are not the same"):
        require_same_hands(hands, made_hands(3))
    with pytest.raises(ValueError, match="not the same"):
        require_same_hands(hands, replace(hands, true_px=hands.true_px + 1))

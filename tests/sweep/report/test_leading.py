"""The order of parameters before importance can be told."""

from types import SimpleNamespace

import numpy as np
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    distribution_to_json,
)
from scipy.stats import rankdata, spearmanr

from sweep.report.importance import Importance
from sweep.report.leading import leading_paths, rank_share

DRAWN = {
    "rate": FloatDistribution(0.001, 10.0, log=True),
    "noise": FloatDistribution(0.0, 1.0),
    "name": CategoricalDistribution(["adam", "lars", "sgd"]),
}
TEXTS = {path: distribution_to_json(drawn) for path, drawn in DRAWN.items()}
RATES = [0.1, 3.0, 0.01, 1.0, 0.3, 0.03, 9.0]
ERRORS = [13.0, 15.0, 10.0, 12.0, 14.0, 11.0, 16.0]


def trials(objectives=ERRORS, **params):
    rows = zip(*params.values(), strict=True)
    return [
        SimpleNamespace(
            params={p: v for p, v in zip(params, row, strict=True) if v is not None},
            distributions={p: TEXTS[p] for p in params},
            objective=objective,
        )
        for objective, row in zip(objectives, rows, strict=True)
    ]


def test_a_number_counts_by_spearmans_correlation_adjusted_for_few_trials():
    correlation = spearmanr(RATES, ERRORS).statistic
    expected = 1 - (1 - correlation**2) * 6 / 5
    assert rank_share(trials(rate=RATES), "rate") == pytest.approx(expected)


def test_a_name_counts_by_what_its_levels_differ_in():
    names = ["adam", "sgd", "adam", "lars", "lars", "adam", "sgd"]
    ranks = rankdata(ERRORS)
    within = sum(
        ((ranks[np.array(names) == n] - ranks[np.array(names) == n].mean()) ** 2).sum()
        for n in set(names)
    )
    share = 1 - within / ((ranks - ranks.mean()) ** 2).sum()
    expected = 1 - (1 - share) * 6 / 4
    assert rank_share(trials(name=names), "name") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("objectives", "rates"),
    [
        (ERRORS, [0.1] * 7),
        (ERRORS, [0.1, 0.2, 0.3, 0.4, None, None, None]),
        ([50.0] * 7, RATES),
    ],
    ids=["one value", "four have it", "one objective"],
)
def test_nothing_is_said_where_nothing_can_be(objectives, rates):
    assert rank_share(trials(objectives, rate=rates), "rate") is None


def test_what_goes_with_the_objective_leads():
    noise = [0.5, 0.4, 0.6, 0.1, 0.9, 0.2, 0.3]
    found = Importance((), tuple(trials(noise=noise, rate=RATES)), 0, "too few")
    assert leading_paths(found) == ("rate", "noise")

"""Critical values for several candidates against one control."""

import numpy as np
import pytest
from scipy import stats

from sweep.verdict.dunnett import dunnett_quantile, two_sided_dunnett_quantile


@pytest.mark.parametrize(
    ("candidates", "df", "published"),
    [(2, 5, 2.44), (3, 5, 2.68), (2, 10, 2.15), (3, 10, 2.34), (2, 20, 2.03), (3, 20, 2.19)],
)
def test_one_sided_values_are_those_of_dunnetts_table(candidates, df, published):
    found = dunnett_quantile(0.95, candidates=candidates, df=df)
    assert found == pytest.approx(published, abs=0.006)  # Dunnett (1955), table 1a


def test_with_one_candidate_it_is_students_quantile():
    assert dunnett_quantile(0.9, candidates=1, df=7) == pytest.approx(stats.t.ppf(0.9, 7))


def test_the_largest_of_simulated_statistics_stays_below_it_as_often_as_asked():
    rng = np.random.default_rng(0)
    control, scale = rng.normal(size=(200_000, 1)), np.sqrt(rng.chisquare(8, (200_000, 1)) / 8)
    largest = ((rng.normal(size=(200_000, 4)) - control) / np.sqrt(2) / scale).max(axis=1)
    below = (largest <= dunnett_quantile(0.96, candidates=4, df=8)).mean()
    assert below == pytest.approx(0.96, abs=0.002)


@pytest.mark.parametrize(("candidates", "df"), [(0, 5), (3, 0)])
def test_nothing_to_pick_from_is_refused(candidates, df):
    with pytest.raises(ValueError, match="needs a candidate and a degree of freedom"):
        dunnett_quantile(0.95, candidates=candidates, df=df)


@pytest.mark.parametrize(
    ("candidates", "df", "published"), [(2, 5, 3.03), (3, 10, 2.76), (9, 20, 2.95)]
)
def test_two_sided_values_are_those_of_dunnetts_second_table(candidates, df, published):
    found = two_sided_dunnett_quantile(0.95, candidates=candidates, df=df)
    assert found == pytest.approx(published, abs=0.006)  # Dunnett (1964), table II


def test_with_one_candidate_the_two_sided_value_is_students():
    found = two_sided_dunnett_quantile(0.9, candidates=1, df=7)
    assert found == pytest.approx(stats.t.ppf(0.95, 7))

"""The pictures of what matters most: which trials they show, and where they say nothing."""

import numpy as np
import optuna
import pytest
from optuna.distributions import distribution_to_json

from sweep.ledger import Ledger
from sweep.report.importance import Importance, Weight
from sweep.report.slices import GRID, contour_chart, kernel_mean, slices_chart
from sweep.study import Study

RATE, WIDTH, NAME = "finetune/optimizer/lr", "pretrain/loss/temperature", "pretrain/optimizer/name"
DRAWN = {
    RATE: optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
    WIDTH: optuna.distributions.FloatDistribution(0.1, 1.0),
    NAME: optuna.distributions.CategoricalDistribution(["adam", "lars"]),
}


@pytest.fixture
def ledger(journal_script):
    script = journal_script(arms={"peclr": {}})
    script.trial(0, arm="peclr", params={WIDTH: 0.5}, error_mm=44.0)
    for number in range(1, 26):
        params = {
            RATE: 1e-4 * 10 ** (3 * (number % 5) / 4),
            WIDTH: 0.1 + 0.9 * (number // 5) / 5,
            NAME: "adam" if number % 2 else "lars",
        }
        if number > 22:
            del params[RATE]
        script.trial(number, params=params, error_mm=40.0 + number)
        record = next(r for r in reversed(script.records) if r["kind"] == "trial")
        record["distributions"] = {path: distribution_to_json(DRAWN[path]) for path in params}
    return Ledger(script.records)


def ranked(ledger, *paths):
    weights = tuple(Weight(path, 0.5, None, 25) for path in paths)
    return Importance(weights, tuple(ledger.searched()), 5, "")


def sliced(ledger, *paths):
    study = Study.model_validate(ledger.study)
    found = ranked(ledger, *paths)
    return slices_chart(found, [ledger.trials[0]], study, best=ledger.trials[1])


def test_slices_hold_every_counted_trial_and_the_arms(ledger):
    chart = sliced(ledger, RATE, WIDTH, NAME)
    assert chart.columns == ("trial", "arm", RATE, WIDTH, NAME, "objective")
    assert len(chart.rows) == 26
    assert chart.rows[-1] == (0, "peclr", "", 0.5, "", 44.0)
    assert chart.png.startswith(b"\x89PNG")


def test_without_importance_slices_are_in_the_order_of_rank_correlation(ledger):
    chart = sliced(ledger)
    assert chart.columns == ("trial", "arm", WIDTH, RATE, NAME, "objective")
    assert "rank correlation" in chart.caption
    assert "rank correlation" not in sliced(ledger, RATE).caption


def test_the_contour_rests_on_trials_that_have_both(ledger):
    chart = contour_chart(ranked(ledger, RATE, WIDTH), Study.model_validate(ledger.study).objective)
    assert len(chart.rows) == 22
    assert chart.columns == ("trial", RATE, WIDTH, "objective")


def test_the_contour_passes_over_names_and_switches(ledger):
    objective = Study.model_validate(ledger.study).objective
    chart = contour_chart(ranked(ledger, NAME, WIDTH, RATE), objective)
    assert chart.columns == ("trial", WIDTH, RATE, "objective")


@pytest.mark.parametrize("leading", [(RATE, NAME), (NAME, WIDTH), (RATE,)])
def test_there_is_no_contour_of_a_single_number(ledger, leading):
    objective = Study.model_validate(ledger.study).objective
    assert contour_chart(ranked(ledger, *leading), objective) is None


def test_the_surface_is_flat_where_the_objective_is_and_blank_far_from_every_trial():
    corner = np.random.default_rng(0).uniform(0, 0.2, (30, 2))
    surface = kernel_mean(corner, np.full(30, 7.0))
    assert surface.shape == (GRID, GRID)
    assert surface[0, 0] == pytest.approx(7.0)
    assert np.isnan(surface[-1, -1])


def test_the_surface_follows_the_first_axis_where_the_objective_does():
    points = np.random.default_rng(0).uniform(0, 1, (200, 2))
    surface = kernel_mean(points, points[:, 0])
    assert np.nanmean(surface[5]) < np.nanmean(surface[30]) < np.nanmean(surface[55])
    assert np.nanmean(surface[:, 10]) == pytest.approx(np.nanmean(surface[:, 50]), abs=0.1)

"""Which rules of early stopping a study may have, and why not the others."""

import pytest

from sweep.early_stop_check import check_early_stop
from sweep.points import searched_point
from tests.sweep.engine_fakes import make_study
from tests.sweep.engine_phases import PHASES

ALSO = {
    "metric": "final/val/error",
    "also": [{"metric": "final/cost", "direction": "minimize"}],
}


def check(**changes):
    study = make_study(**changes)
    check_early_stop(study, searched_point(study, {}, PHASES))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"early_stop": {"rule": "asha", "rungs": [0.6, 0.3]}},
            "early_stop/rungs: must rise, each once, got [0.6, 0.3].",
        ),
        (
            {"early_stop": {"rule": "median", "promote": True}},
            "early_stop/promote: only early_stop/rule: asha pauses and promotes, got rule: median;",
        ),
        (
            {"early_stop": {"promote": True}},
            "early_stop/promote: only early_stop/rule: asha pauses and promotes, got rule: none;",
        ),
        (
            {"early_stop": {"proxy": True, "keep": 0.3}},
            "early_stop/rule: keep, proxy say how a rule stops trials, and there is no rule;",
        ),
        (
            {"early_stop": {"rule": "asha", "metric": "draft/val/prox"}},
            "early_stop/metric: no phase of the plan reports draft/val/prox; did you mean "
            "'draft/val/proxy'",
        ),
        (
            {"early_stop": {"rule": "asha"}, "objective": ALSO},
            "early_stop/rule: with several objectives (final/val/error, final/cost) no trial is",
        ),
        (
            {"early_stop": {"rule": "median"}, "search": {"sampler": "gp", "trials": 4}},
            "early_stop/rule: the sampler gp reads no trial that was stopped early, so it would",
        ),
        (
            {"early_stop": {"rule": "asha"}, "search": {"sampler": "cmaes", "trials": 4}},
            "early_stop/rule: the sampler cmaes reads no trial that was stopped early",
        ),
        (
            {"early_stop": {"rule": "sync"}, "search": {"sampler": "nsgaii", "trials": 9}},
            "early_stop/rule: the sampler nsgaii reads no trial that was stopped early",
        ),
        (
            {"early_stop": {"rule": "asha", "proxy": True}, "plan": ["final"]},
            "early_stop/proxy: no phase before the last one reports a proxy",
        ),
        (
            {"early_stop": {"rule": "sync", "cohort": 5}, "search": {"trials": 4}},
            "early_stop/cohort: a cohort of 5 trials never fills up with the 4 that are searched;",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(changes, message):
    with pytest.raises(ValueError) as refused:
        check(**changes)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    "changes",
    [
        {"early_stop": {"rule": "asha", "promote": True}},
        {"early_stop": {"rule": "asha", "metric": "draft/val/proxy"}, "objective": ALSO},
        {
            "early_stop": {"rule": "asha", "metric": "final/val/error"},
            "search": {"sampler": "gp", "trials": 4},
        },
        {"early_stop": {"rule": "median"}, "search": {"sampler": "qmc", "trials": 4}},
        {"early_stop": {"rule": "asha"}, "search": {"sampler": "gp", "trials": 0}},
        {"objective": ALSO, "search": {"sampler": "nsgaii", "trials": 4}},
        {
            "early_stop": {"rule": "sync", "cohort": 8},
            "search": {"trials": 4},
            "seeds": {"trials": [0, 1]},
        },
    ],
)
def test_what_can_work_is_let_through(changes):
    check(**changes)

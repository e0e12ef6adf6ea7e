"""Where prefix-aware search is refused."""

import pytest

from sweep.reuse_check import check_reuse
from tests.sweep.engine_fakes import make_study
from tests.sweep.engine_phases import PHASES
from trainables.plans import parse_plan

BOTH = ["draft/x", "final/y"]


def check(searched=BOTH, **changes):
    study = make_study(**{"search": {"trials": 4, "reuse": 0.5}, **changes})
    check_reuse(study, parse_plan(study.plan, PHASES), searched)


@pytest.mark.parametrize(
    ("searched", "changes", "reason"),
    [
        (["final/y"], {"plan": ["final"]}, "only one phase is trained (final), so there is no"),
        (BOTH, {"from_weights": {"draft": "w"}}, "only one phase is trained (final), so there"),
        (["final/y"], {}, "the search varies only final, so no phase before or after it makes a"),
        (["draft/x"], {}, "the search varies only draft, so no phase before or after it makes a"),
        (
            BOTH,
            {"search": {"sampler": "grid", "grid": {"draft/x": [1.0]}, "reuse": 0.5}},
            "a grid tries every combination anyway",
        ),
        (
            BOTH,
            {"objective": {"metric": "final/val/error", "also": [{"metric": "cost/epochs"}]}},
            "prefixes are ranked by a single objective, and objective/also names more; set it",
        ),
    ],
)
def test_reuse_is_refused_where_it_cannot_work(searched, changes, reason):
    with pytest.raises(ValueError) as refused:
        check(searched, **changes)
    assert str(refused.value).startswith(f"search/reuse: 0.5, but {reason}")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seeds": {"trials": [0, 1]}},
        {"search": {"trials": 4, "sampler": "random", "reuse": 1.0}},
        {"search": {"trials": 4}, "plan": ["final"]},
        {"search": {"trials": 0, "reuse": 0.5}, "plan": ["final"]},
    ],
)
def test_reuse_is_taken_where_it_works_or_is_not_asked_for(changes):
    check(**changes)

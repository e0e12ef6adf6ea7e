"""Whether a study's search can do what it says."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from sweep.search_check import check_objective, check_sampler
from sweep.study import Search, Study, Target
from sweep.study_check import check_study

METRIC = "finetune/val/root_epe_mm"
GRID = {"pretrain/loss/temperature": [0.1, 0.5], "finetune/epochs": [1, 2, 3]}


def make_study(**changes):
    fields = {
        "name": "mine",
        "question": "Which?",
        "data": {"name": "rendered_hands"},
        "plan": ["pretrain", "finetune"],
        "space": "composition",
        "arms": {"none": {"plan": ["finetune"]}},
        "objective": {"metric": METRIC},
        "search": {"trials": 2},
    }
    return Study.model_validate({**fields, **changes})


def gridded(grid=GRID, **search):
    return {"space": None, "search": {"sampler": "grid", "grid": grid, **search}}


def judged(**changes):
    return {"objective": {"metric": METRIC, **changes}}


def test_a_grid_has_as_many_trials_as_points_unless_fewer_are_asked_for():
    assert Search.model_validate({"sampler": "grid", "grid": GRID}).trials == 6
    assert Search.model_validate({"sampler": "grid", "grid": GRID, "trials": 4}).trials == 4
    assert Search().trials == 0
    checked = check_study(make_study(**gridded()))
    assert checked.searched_trials == 6
    assert checked.varied == set(GRID)
    assert checked.conditional == frozenset()


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "nsgaii", "random", "qmc"])
def test_every_sampler_takes_a_space_with_numbers(sampler):
    check_study(make_study(search={"sampler": sampler, "trials": 2}))


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsgaii", "random", "qmc"])
def test_every_sampler_but_cmaes_takes_several_objectives_and_constraints(sampler):
    also = [{"metric": "cost/slot_s"}]
    constraints = [{"metric": "cost/epochs", "at_most": 50}]
    check_study(
        make_study(
            search={"sampler": sampler, "trials": 2},
            **judged(also=also, constraints=constraints),
        )
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"space": None, "search": {"sampler": "grid", "trials": 2}},
            "search/grid: the sampler grid tries the values given there (path -> list of values), "
            "and there are none",
        ),
        (
            {"search": {"sampler": "tpe", "grid": GRID}},
            "search/grid: only the sampler grid tries these values, got tpe; set search/sampler to",
        ),
        (
            {"search": {"sampler": "grid", "grid": GRID}},
            "space: a grid says itself what is searched, got composition too; leave one out.",
        ),
        (
            gridded(reuse=0.5),
            "search/reuse: a grid tries each of its points once, so there is no choice left",
        ),
        (
            gridded(trials=7),
            "search/trials: the grid has 6 points, each tried once, got 7; leave it out for all",
        ),
        (
            gridded({"finetune/epochs": [1, 1]}),
            "search/grid: finetune/epochs: each value once, got 1 again.",
        ),
        (
            gridded({"finetune/epochs": [[1, 2]]}),
            "search/grid: finetune/epochs: values must be numbers, texts, true, false or null, got",
        ),
        (
            gridded({"finetune/epoch": [1]}),
            "search/grid: finetune/epoch: no phase of the plan has this setting; nearest are",
        ),
        (
            gridded({"finetune/epochs": [2, 1, 0]}),
            "search/grid: finetune/epochs: input should be greater than or equal to 1, got 0.",
        ),
        (
            {**gridded(), "settings": {"finetune/epochs": 2}},
            "settings: finetune/epochs would have no effect, because search/grid searches it;",
        ),
        (
            {**gridded(), "from_weights": {"pretrain": "x"}},
            "search/grid: pretrain/loss/temperature has no effect, because the given weights",
        ),
        (
            {
                "search": {"sampler": "cmaes", "trials": 2},
                **judged(also=[{"metric": "cost/epochs"}]),
            },
            "search/sampler: cmaes improves a single objective, and objective/also names more; "
            "choose one of tpe, gp, nsgaii, random, qmc, grid.",
        ),
        (
            {
                "search": {"sampler": "cmaes", "trials": 2},
                **judged(constraints=[{"metric": "cost/epochs", "at_most": 5}]),
            },
            "search/sampler: cmaes takes no account of objective/constraints; choose one of tpe,",
        ),
        (
            judged(also=[{"metric": "cost/slots"}]),
            "objective/also: cost/slots is not what the last phase of the plan reports; did you m",
        ),
        (
            judged(constraints=[{"metric": "finetune/val/x", "at_most": 1}]),
            "objective/constraints: finetune/val/x is not what the last phase of the plan reports",
        ),
        (
            {**judged(), "objective": {"metric": "cost/epochs"}},
            "objective/metric: cost/epochs is not what the last phase of the plan reports",
        ),
        (
            judged(also=[{"metric": METRIC}]),
            f"objective/also: each metric once, got {METRIC} again.",
        ),
        (
            judged(direction="maximize"),
            f"objective/direction: by its name {METRIC} is a number to minimize, got maximize;",
        ),
        (
            judged(also=[{"metric": "cost/slot_s", "direction": "maximize"}]),
            "objective/direction: by its name cost/slot_s is a number to minimize, got maximize;",
        ),
        (
            judged(constraints=[{"metric": "cost/epochs"}]),
            "objective/constraints: cost/epochs needs either at_most or at_least, got none;",
        ),
        (
            judged(constraints=[{"metric": "cost/epochs", "at_most": 5, "at_least": 1}]),
            "objective/constraints: cost/epochs needs either at_most or at_least, got both;",
        ),
        (
            judged(constraints=[{"metric": "cost/epochs", "at_most": 5}] * 2),
            "objective/constraints: each bound once.",
        ),
        (
            {
                **judged(also=[{"metric": "finetune/test/root_epe_mm"}]),
                "settings": {"finetune/score_test": True},
            },
            "objective/also: a search would choose its points by the test split",
        ),
    ],
)
def test_what_cannot_work_is_refused(changes, message):
    with pytest.raises(ValueError) as refused:
        check_study(make_study(**changes))
    assert str(refused.value).startswith(message)


def test_cmaes_needs_a_number_that_every_point_has():
    searched = {
        "a": CategoricalDistribution([True, False]),
        "a/strength": FloatDistribution(0.0, 1.0),
    }
    study = make_study(search={"sampler": "cmaes", "trials": 2})
    with pytest.raises(ValueError, match="cmaes adapts numbers that every point has"):
        check_sampler(study, searched, frozenset({"a/strength"}))
    check_sampler(study, searched, frozenset())


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("finetune/val/root_epe_mm", "minimize"),
        ("finetune/val/auc_20_50", "maximize"),
        ("segment/val/miou", "maximize"),
        ("cost/epochs", "minimize"),
    ],
)
def test_a_direction_that_is_left_out_is_read_off_the_name(metric, direction):
    assert Target(metric=metric).direction == direction
    assert Target(metric=metric, direction="minimize").direction == "minimize"


def test_a_name_that_does_not_say_its_direction_wants_one():
    content = {"metric": "finetune/val/sharpness"}
    said = "objective/direction: the name finetune/val/sharpness does not say whether"
    with pytest.raises(ValueError, match=said):
        check_objective(make_study(objective=content))
    check_objective(make_study(objective={**content, "direction": "maximize"}))

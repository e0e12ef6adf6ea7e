"""Points beside the best ones."""

import optuna
import pytest
from optuna.samplers import RandomSampler

from search_spaces.composition import Composition, Operation, at_most
from search_spaces.parameters import Real
from search_spaces.space import Space
from sweep.neighbours import FIRST_POINTS, NeighbourSampler, point_of, ranked
from sweep.search_check import check_sampler
from tests.sweep.engine_fakes import make_study

NAMES = "abcde"
COMPOSITION = Composition(
    path="x",
    operations=tuple(
        Operation(name, (Real("strength", 0.0, 1.0),), ordered=True) for name in NAMES
    ),
    bounds=(at_most(3, NAMES),),
    searches_order=True,
)
SPACE = Space(COMPOSITION.suggest, plan=("x",), about="", locate=COMPOSITION.locate)
BEST = {
    **{f"x/{name}/enabled": name in "ac" for name in NAMES},
    **{"x/a/strength": 0.5, "x/c/strength": 0.25, "x/a/order/key": 0.25, "x/c/order/key": 0.75},
}


def value(settings):
    """Return what is worst where everything is on at full strength."""
    return sum(
        settings.get(f"x/{name}/strength", 0.0) + settings[f"x/{name}/enabled"] for name in NAMES
    )


def study_of(share, *, trials, seed=0, directions=("minimize",)):
    """Return a study with random trials, and then one that is best by far."""
    sampler = NeighbourSampler(RandomSampler(seed=seed), space=SPACE, share=share, seed=seed)
    study = optuna.create_study(sampler=RandomSampler(seed=1), directions=directions)
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, [value(SPACE.suggest(trial))] * len(directions))
    study.enqueue_trial(BEST)
    trial = study.ask()
    SPACE.suggest(trial)
    study.tell(trial, [-100.0] * len(directions))
    study.sampler = sampler
    return study


def ask(study):
    trial = study.ask()
    SPACE.suggest(trial)
    return trial


def num_changes(params, other):
    names = params.keys() | other.keys()
    return sum(params.get(name) != other.get(name) for name in names)


def asked_from_inner(seed=0):
    return ask(study_of(0.0, trials=FIRST_POINTS, seed=seed)).params


def test_nothing_is_beside_the_best_before_enough_trials_are_complete():
    study = study_of(1.0, trials=FIRST_POINTS - 2)
    assert ranked(study) == []
    assert ask(study).params == ask(study_of(0.0, trials=FIRST_POINTS - 2)).params


def test_a_neighbour_changes_few_parameters_of_one_of_the_best():
    best = point_of(SPACE, BEST)
    beside_the_best = 0
    for seed in range(40):
        study = study_of(1.0, trials=FIRST_POINTS, seed=seed)
        params = ask(study).params
        known = [trial.params for trial in study.get_trials(deepcopy=False)[:-1]]
        nearest = min(known, key=lambda other: num_changes(params, other))
        # An operation that goes or comes takes or brings three parameters, and moves ranks.
        assert 1 <= num_changes(params, nearest) <= 3 * 3 + 3
        beside_the_best += num_changes(params, best) <= 2 * 3 + 2
    assert beside_the_best > 20, "the best of all is changed most often"


def test_no_known_point_is_suggested_again():
    study = study_of(1.0, trials=FIRST_POINTS)
    seen = {frozenset(SPACE.canonical(t.params).items()) for t in study.get_trials(deepcopy=False)}
    for _ in range(40):
        trial = ask(study)
        point = frozenset(SPACE.canonical(trial.params).items())
        assert point not in seen
        seen.add(point)
        study.tell(trial, 50.0)


def test_bounds_are_kept_and_what_a_change_brings_in_is_asked_for():
    for seed in range(40):
        params = ask(study_of(1.0, trials=FIRST_POINTS, seed=seed)).params
        settings = SPACE.settings(params)  # raises if one is missing
        on = [name for name in NAMES if settings[f"x/{name}/enabled"]]
        assert len(on) <= 3
        assert {f"x/{name}/strength" for name in on} <= params.keys()


def test_a_share_of_nothing_leaves_all_to_the_other_sampler():
    study = study_of(0.0, trials=FIRST_POINTS)
    plain = study_of(0.0, trials=FIRST_POINTS)
    plain.sampler = RandomSampler(seed=0)
    assert ask(study).params == ask(plain).params


def test_a_half_share_mixes_both():
    same = sum(
        ask(study_of(0.5, trials=FIRST_POINTS, seed=seed)).params == asked_from_inner(seed)
        for seed in range(40)
    )
    assert 10 <= same <= 30


def test_what_breaks_a_constraint_is_not_among_the_best():
    study = study_of(1.0, trials=FIRST_POINTS + 1)
    trial = study.ask()
    SPACE.suggest(trial)
    trial.set_constraint("cost", 1.0)
    study.tell(trial, -1000.0)
    assert trial.number not in [group[0].number for group in ranked(study)]


def test_the_best_of_a_maximum_is_the_largest():
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))
    for number in range(FIRST_POINTS):
        trial = study.ask()
        trial.suggest_float("x", 0.0, 1.0)
        study.tell(trial, float(number))
    assert [group[0].value for group in ranked(study)] == sorted(range(FIRST_POINTS), reverse=True)


def test_with_several_objectives_all_that_nothing_dominates_are_equally_good():
    study = optuna.create_study(directions=["minimize", "maximize"])
    for number in range(FIRST_POINTS):
        trial = study.ask()
        trial.suggest_float("x", 0.0, 1.0)
        study.tell(trial, [float(number), float(number % 5)])
    (front,) = ranked(study)
    assert [trial.values for trial in front] == [[n, n] for n in range(5)]


@pytest.mark.parametrize("sampler", ["cmaes", "nsgaii", "qmc"])
def test_a_sampler_whose_points_belong_together_takes_no_others_in(sampler):
    study = make_study(search={"trials": 3, "sampler": sampler, "neighbours": 0.5})
    with pytest.raises(ValueError, match=r"search/neighbours: .* choose one of tpe, gp, random"):
        check_sampler(study, {}, frozenset())


def test_a_lucky_seed_does_not_make_a_point_the_best():
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    for x, values in {0.5: (1.0, 1.0), 0.25: (-5.0, 9.0)}.items():
        for value_of_seed in values:
            study.enqueue_trial({"x": x})
            trial = study.ask()
            trial.suggest_float("x", 0.0, 1.0)
            study.tell(trial, value_of_seed)
    for number in range(FIRST_POINTS):
        trial = study.ask()
        trial.suggest_float("x", 0.0, 1.0)
        study.tell(trial, 100.0 + number)
    best, second, *_ = ranked(study)
    assert [trial.params["x"] for trial in best] == [0.5, 0.5]
    assert [trial.values[0] for trial in second] == [-5.0, 9.0]

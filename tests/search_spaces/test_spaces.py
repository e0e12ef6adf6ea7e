"""Every space suggests what the phases accept, and a name keeps one distribution."""

import optuna
import pytest

from hpe.phases.catalog import PHASES
from search_spaces.baselines import BASELINES
from search_spaces.space import SPACES
from trainables.plans import configure, parse_plan


def suggestions(name, count):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(count):
        trial = study.ask()
        yield trial, SPACES[name].suggest(trial)


@pytest.mark.parametrize("name", SPACES)
def test_every_suggestion_is_a_valid_setting(name):
    plan = parse_plan(SPACES[name].plan, PHASES)
    for _, settings in suggestions(name, 50):
        configure(plan, settings)


@pytest.mark.parametrize("name", SPACES)
def test_a_name_keeps_one_distribution(name):
    seen = {}
    for trial, _ in suggestions(name, 50):
        for path, distribution in trial.distributions.items():
            assert seen.setdefault(path, distribution) == distribution


@pytest.mark.parametrize("name", SPACES)
def test_a_strength_is_asked_for_only_where_its_operation_is_on(name):
    for trial, _ in suggestions(name, 50):
        for path in trial.params:
            operation = "/".join(path.split("/")[:3])
            if path.startswith("pretrain/augment/"):
                assert path.endswith("/enabled") or trial.params[f"{operation}/enabled"]


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_is_a_valid_setting(name):
    configure(parse_plan(["pretrain", "finetune"], PHASES), BASELINES[name].settings)


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("simclr", {"zoom", "hsv_jitter"}),
        ("peclr", {"zoom", "hsv_jitter", "rotate", "translate"}),
        ("supervised", {"zoom", "rotate", "translate"}),
    ],
)
def test_a_baseline_enables_the_published_operations(name, operations):
    enabled = {
        path.split("/")[2]
        for path, value in BASELINES[name].settings.items()
        if path.endswith("/enabled") and value
    }
    assert enabled == operations

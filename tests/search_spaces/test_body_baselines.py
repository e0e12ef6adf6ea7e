"""S4's ladder: each rung adds what its name says, and is trained as published in full."""

import pytest

from hpe.phases.catalog import PHASES
from search_spaces.baselines import BASELINES
from trainables.plans import configure, parse_plan

RUNGS = (
    "direct",
    "direct_o",
    "integral",
    "integral_o",
    "integral_oa",
    "integral_oah",
    "integral_oahe",
)


def config_of(rung):
    settings = BASELINES[f"s4_{rung}_full"].settings
    return configure(parse_plan(["body_pose"], PHASES), settings)["body_pose"]


def without(config, *sections):
    return config.model_dump(exclude=set(sections))


@pytest.mark.parametrize("rung", RUNGS)
def test_a_rung_is_trained_as_published(rung):
    config = config_of(rung)
    assert (config.epochs, config.batch_size, config.frozen_stages) == (65, 16, 4)
    assert config.optimizer.milestones == (55, 60)
    assert config.keep.best


@pytest.mark.parametrize(
    ("lower", "upper", "added"),
    [
        ("direct", "direct_o", {"augment"}),
        ("direct", "integral", {"head"}),
        ("integral", "integral_o", {"augment"}),
        ("integral_o", "integral_oa", {"augment", "encoder"}),
        ("integral_oa", "integral_oah", {"width_px", "height_px", "head"}),
    ],
)
def test_a_rung_adds_what_its_name_says(lower, upper, added):
    first, second = config_of(lower), config_of(upper)
    assert without(first, *added) == without(second, *added)
    for name in added:
        assert getattr(first, name) != getattr(second, name)


def test_the_last_rung_differs_by_its_data_alone():
    assert config_of("integral_oahe") == config_of("integral_oah")


def test_higher_resolution_is_s4s_volume():
    config = config_of("integral_oah")
    assert (config.width_px, config.height_px, config.head.depth) == (288, 384, 72)
    low = config_of("integral_oa").head
    assert (low.depth, low.first_depth_cell) == (64, 1)

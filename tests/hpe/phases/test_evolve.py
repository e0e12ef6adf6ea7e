"""The phase `evolve`: how the set grows, what it reports, and that it goes on bit for bit."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from hpe.config import identity_settings
from hpe.evolution.joint_limits import estimate_limits
from hpe.phases.evolve import evolve, spread_mm
from hpe.phases.evolve_config import EVOLVE_METRICS, EvolveConfig
from hpe.phases.state import join_state, split_state
from hpe.viz.stick_figures import draw_families
from tests.hpe.evolution.stick_bodies import stick_bodies
from tests.hpe.phases.stick_body_data import body_inputs

CONFIG = EvolveConfig(epochs=3, parents_share=0.2)
RECORDED = 48  # of 56, every seventh has no depth


def run(config, drain, *, each=lambda report: None, **inputs):
    return drain(evolve(config, body_inputs(**inputs)), each=each)


def test_the_set_grows_in_equal_steps_to_what_was_asked_for(drain):
    reports, end = run(CONFIG, drain)
    assert [report.metrics["train/poses"] for report in reports] == [72, 96, 120]
    assert end.tensors["evolved"]["joints_mm"].shape == (120, 17, 3)
    assert end.facts["recorded"] == RECORDED


def test_reports_what_it_says_it_does(drain):
    reports, _ = run(CONFIG, drain)
    for report in reports:
        assert set(report.metrics) == set(EVOLVE_METRICS)
        assert report.metrics["val/valid_share"] > report.metrics["train/random_valid_share"]
        assert 0 < report.metrics["train/valid_share"] <= 1


def test_the_recorded_poses_come_first_and_children_name_their_parents(drain):
    _, end = run(CONFIG, drain)
    evolved = end.tensors["evolved"]
    known = [index for index in range(56) if index % 7 != 6]
    recorded = stick_bodies(56, seed=2)[known]
    np.testing.assert_allclose(evolved["joints_mm"][:RECORDED], recorded, atol=1e-2)
    own = torch.arange(RECORDED)
    assert torch.equal(evolved["fathers"][:RECORDED], own)
    children = torch.arange(RECORDED, 120)
    assert bool((evolved["fathers"][children] < children).all())
    assert bool((evolved["fathers"][children] != evolved["mothers"][children]).all())


def test_every_child_keeps_to_the_limits_of_the_poses_in_use(drain):
    _, end = run(CONFIG, drain)
    known = [index for index in range(56) if index % 7 != 6]
    limits = estimate_limits(
        stick_bodies(56, seed=2)[known], coverage=0.99, smallest_deg=5.0, largest_deg=20.01
    )
    assert limits.satisfied(end.tensors["evolved"]["joints_mm"].double().numpy()).all()
    np.testing.assert_allclose(end.facts["tolerances_deg"], limits.tolerances_deg, atol=0.02)


@pytest.mark.parametrize("compat", ["none", "evoskeleton_v1"])
def test_it_goes_on_bit_for_bit(compat, drain):
    config = CONFIG.model_copy(update={"compat": compat})
    states = {}
    reports, whole = run(
        config,
        drain,
        each=lambda report: states.update({report.epoch: split_state(report.state())}),
    )
    for stop in (1, 2, 3):
        state = join_state(*states[stop])
        resumed, end = drain(evolve(config, body_inputs(), resume=state))
        assert [r.metrics for r in resumed] == [r.metrics for r in reports[stop:]]
        assert end.facts == whole.facts
        for group, tensors in whole.tensors.items():
            for name, value in tensors.items():
                assert torch.equal(value, end.tensors[group][name])


def test_another_seed_evolves_other_poses(drain):
    first, second = (
        run(CONFIG, drain, seed=seed)[1].tensors["evolved"]["joints_mm"] for seed in (3, 4)
    )
    assert torch.equal(first[:RECORDED], second[:RECORDED])
    assert not torch.equal(first[RECORDED:], second[RECORDED:])


def test_evolves_the_poses_of_the_chosen_people_only(drain):
    few = EvolveConfig.model_validate({"epochs": 1, "recorded": {"subjects": 2}})
    _, end = run(few, drain)
    assert end.facts["recorded"] == RECORDED // 2


def test_stops_after_as_many_generations_as_it_may_take(drain):
    config = EvolveConfig(epochs=1, limit_batches=1, parents_share=0.1)
    reports, end = run(config, drain)
    assert RECORDED < reports[0].metrics["train/poses"] <= RECORDED + 8
    assert draw_families(end.tensors["predictions"]).image.ndim == 3


def test_says_so_where_no_child_will_come(drain, monkeypatch):
    monkeypatch.setattr("hpe.phases.evolve.BARREN_GENERATIONS", 4)
    config = EvolveConfig.model_validate(
        {"limbs": {"prob": 1.0, "deg": 180.0}, "limits": {"largest_deg": 0.1, "smallest_deg": 0.1}}
    )
    with pytest.raises(ValueError, match="no child of 4 generations keeps to the joint limits"):
        run(config, drain)


def test_tells_who_watches_that_it_works(drain):
    signs = []
    run(CONFIG, drain, on_batch=lambda: signs.append(1))
    assert len(signs) > 3


def test_spread_is_the_distance_from_the_mean_pose():
    poses = np.zeros((2, 17, 3))
    poses[0, 1:, 0], poses[1, 1:, 0] = 10.0, -10.0
    assert spread_mm(poses + 500.0) == pytest.approx(10.0 * np.sqrt(16 / 17))


def test_the_published_way_does_not_read_what_it_replaces():
    first = EvolveConfig.model_validate({"compat": "evoskeleton_v1", "turn": {"deg": 5.0}})
    second = EvolveConfig.model_validate({"compat": "evoskeleton_v1"})
    assert identity_settings(first) == identity_settings(second)
    assert identity_settings(EvolveConfig()) != identity_settings(second)


def test_recorded_limits_do_not_read_how_limits_would_be_estimated():
    estimate = {"coverage": 0.9, "smallest_deg": 1.0, "largest_deg": 40.0}
    first = EvolveConfig.model_validate({"limits": {"folder": "/limits", **estimate}})
    second = EvolveConfig.model_validate({"limits": {"folder": "/limits"}})
    assert identity_settings(first) == identity_settings(second)
    estimated = EvolveConfig.model_validate({"limits": estimate})
    assert identity_settings(estimated) != identity_settings(EvolveConfig())


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"limits": {"smallest_deg": 30.0}}, "smallest_deg must be at most limits/largest_deg"),
        ({"growth": 1.0}, "greater than 1"),
        ({"parents_share": 0.6}, "less than or equal to 0.5"),
        ({"keep": {"metric": "val/mpjpe_mm"}}, "one that the phase reports"),
    ],
)
def test_refuses_settings_that_make_no_sense(raw, told):
    with pytest.raises(ValidationError, match=told):
        EvolveConfig.model_validate(raw)

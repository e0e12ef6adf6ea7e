"""The phase `lift`: what it trains on, what it scores, and that it goes on bit for bit."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from hpe.evolution.reprojection import NEAREST_MM
from hpe.phases.evolve_config import EvolveConfig
from hpe.phases.lift import lift
from hpe.phases.lift_batches import lift_batches, lifted_batch, seen_anew
from hpe.phases.lift_config import LiftConfig, lift_metrics, lift_workload
from hpe.phases.phase import Artifacts, Diverged
from hpe.phases.recorded_poses import read_poses
from hpe.phases.state import join_state, split_state
from hpe.viz.stick_figures import draw_lifted
from tests.hpe.evolution.stick_bodies import stick_bodies
from tests.hpe.phases.stick_body_data import StickBodySplit, body_inputs

SMALL = {"width": 32, "dropout": 0.1}
GRAPH = {"kind": "semantic_graph", "width": 8, "blocks": 1, "dropout": 0.0}
RECORDED = read_poses(StickBodySplit(2, 56))
EVOLVED = torch.from_numpy(stick_bodies(30, seed=9)).float()
PARENT = {"evolve": Artifacts(tensors={"evolved": {"joints_mm": EVOLVED}})}


def config(**changes):
    common = {"epochs": 3, "batch_size": 8, "network": SMALL}
    return LiftConfig.model_validate(common | changes)


def batches(settings, anew=RECORDED.joints_mm, epoch=1, steps=3, seed=5):
    return list(lift_batches(settings, RECORDED, anew, epoch=epoch, steps=steps, seed=seed))


@pytest.mark.parametrize("network", [SMALL, GRAPH])
def test_it_goes_on_bit_for_bit(network, drain):
    settings = config(network=network, score_test=True)
    states = {}
    reports, whole = drain(
        lift(settings, body_inputs(parents=PARENT)),
        each=lambda report: states.update({report.epoch: split_state(report.state())}),
    )
    for stop in (1, 2, 3):
        torch.manual_seed(stop)
        state = join_state(*states[stop])
        resumed, end = drain(lift(settings, body_inputs(parents=PARENT), resume=state))
        assert [r.metrics for r in resumed] == [r.metrics for r in reports[stop:]]
        assert end.facts == whole.facts
        for group, tensors in whole.tensors.items():
            for name, value in tensors.items():
                assert torch.equal(value, end.tensors[group][name])


def test_it_learns_to_be_better_than_one_constant_pose(drain):
    settings = config(
        epochs=1,
        steps_per_epoch=100,
        batch_size=32,
        network={"width": 64, "dropout": 0.0},
        optimizer={"lr": 5e-3},
    )
    reports, end = drain(lift(settings, body_inputs(train=140)))
    last = reports[-1].metrics
    assert set(last) == set(lift_metrics(settings))
    assert last["val/mpjpe_mm"] < 0.8 * last["val/template_mpjpe_mm"]
    assert last["val/pa_mpjpe_mm"] < last["val/mpjpe_mm"]
    sheet = draw_lifted(end.tensors["predictions"])
    assert len(sheet.rows) == 12


def test_scores_are_the_errors_of_what_it_predicts(drain):
    reports, end = drain(lift(config(epochs=1), body_inputs()))
    shown = end.tensors["predictions"]
    distance = (shown["predicted_mm"] - shown["joints_mm"]).norm(dim=-1)
    assert distance.shape == (12, 17)  # all of the validation poses that have depth
    assert reports[0].metrics["val/mpjpe_mm"] == pytest.approx(distance.mean().item(), rel=1e-5)


def test_template_is_the_mean_pose_of_the_people_in_use(drain):
    settings = config(epochs=1, recorded={"subjects": 1})
    reports, end = drain(lift(settings, body_inputs()))
    assert end.facts["recorded"] == 12
    assert reports[0].metrics["val/template_mpjpe_mm"] > 0
    mean = end.tensors["lifter"]["output_mean"]
    assert not torch.allclose(
        mean, torch.from_numpy(RECORDED.joints_mm - RECORDED.joints_mm[:, :1]).float().mean(0)
    )


def test_a_batch_is_recorded_poses_and_poses_seen_anew():
    settings = config(reprojected_share=0.25)
    anew = EVOLVED.double().numpy()
    recorded = lifted_batch(RECORDED, "camera").joints_mm
    evolved = torch.from_numpy(anew - anew[:, :1]).float()
    for batch in batches(settings, anew):
        known = [(recorded - joints).abs().amax((1, 2)).min() < 1e-3 for joints in batch.joints_mm]
        bred = [(evolved - joints).abs().amax((1, 2)).min() < 1e-3 for joints in batch.joints_mm]
        assert (sum(known), sum(bred)) == (6, 2)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_nothing_or_all(share):
    told = lifted_batch(RECORDED, "camera").inputs
    seen = [
        bool(((told - inputs).abs().amax((1, 2)) < 1e-6).any())
        for batch in batches(config(reprojected_share=share))
        for inputs in batch.inputs
    ]
    assert sum(seen) == 24 if share == 0 else sum(seen) < 4  # a camera may draw its own body


def test_batches_of_an_epoch_do_not_depend_on_those_before():
    settings = config()
    second = batches(settings, epoch=2)
    both = batches(settings, epoch=1, steps=3) + second
    again = batches(settings, epoch=1, steps=6)
    for batch, same in zip(both, again, strict=True):
        assert torch.equal(batch.inputs, same.inputs)
        assert torch.equal(batch.joints_mm, same.joints_mm)


def test_ranks_share_a_batch(monkeypatch):
    whole = batches(config())
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr("hpe.phases.lift_batches.own_rows", lambda r, k=rank: r[k::2])
        parts.append(batches(config()))
    for batch, first, second in zip(whole, *parts, strict=True):
        assert torch.equal(batch.inputs[0::2], first.inputs)
        assert torch.equal(batch.joints_mm[1::2], second.joints_mm)


def test_poses_are_seen_by_recorded_cameras_from_recorded_places():
    anew = seen_anew(stick_bodies(20, seed=9), RECORDED, np.random.default_rng(0))
    places = RECORDED.joints_mm[:, 0]
    found = [np.isclose(places, pelvis).all(axis=1).any() for pelvis in anew.joints_mm[:, 0]]
    assert all(found)
    assert anew.joints_mm[..., 2].min() >= NEAREST_MM


@pytest.mark.parametrize("kind", ["camera", "box"])
def test_a_pose_seen_anew_where_it_was_is_told_alike(kind):
    one = RECORDED[[4]]
    anew = seen_anew(one.joints_mm, one, np.random.default_rng(0))
    first, second = lifted_batch(one, kind), lifted_batch(anew, kind)
    torch.testing.assert_close(first.inputs, second.inputs)
    torch.testing.assert_close(first.joints_mm, second.joints_mm)


def test_2d_joints_are_told_as_rays_or_in_widths_of_the_box():
    one = RECORDED[[0]]
    x, y, z = one.joints_mm[0, 13]
    rays, boxed = (lifted_batch(one, kind).inputs[0] for kind in ("camera", "box"))
    torch.testing.assert_close(rays[13], torch.tensor([x / z, y / z]).float())
    pelvis = one.joints_mm[0, 0]
    shift = np.array([x / z - pelvis[0] / pelvis[2], y / z - pelvis[1] / pelvis[2]])
    expected = shift * pelvis[2] / 1485.0
    torch.testing.assert_close(boxed[13], torch.from_numpy(expected).float())
    torch.testing.assert_close(boxed[0], torch.zeros(2), atol=1e-6, rtol=0)


def test_the_workload_counts_what_is_done():
    sizes = {"train": 100, "val": 40, "test": 30, "unlabelled": 1}
    work = lift_workload(config(score_test=True), sizes)
    assert (work.steps_per_epoch, work.evaluations, work.scored) == (13, 3, 70)
    assert lift_workload(config(limit_batches=2), sizes).steps_per_epoch == 2


def test_says_which_splits_it_needs_in_space():
    assert config().depth_splits == ("train", "val")
    assert config(score_test=True).depth_splits == ("train", "val", "test")
    assert EvolveConfig().depth_splits == ("train", "val")


def test_says_that_it_diverged(drain):
    settings = config(optimizer={"lr": 1e30, "schedule": "constant"}, steps_per_epoch=60)
    with pytest.raises(Diverged, match="in epoch"):
        drain(lift(settings, body_inputs()))


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"reprojected_share": 1.5}, "less than or equal to 1"),
        ({"inputs": "pixels"}, "'camera' or 'box'"),
        ({"keep": {"metric": "test/mpjpe_mm"}}, "one that the phase reports"),
    ],
)
def test_refuses_settings_that_make_no_sense(raw, told):
    with pytest.raises(ValidationError, match=told):
        LiftConfig.model_validate(raw)

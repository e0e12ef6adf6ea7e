"""Training on a network's own confident labels: what they are, when they begin, and resuming."""

import numpy as np
import pytest
import torch

from hpe.config import identity_settings
from hpe.geometry.affine import similarity, transform
from hpe.phases.finetune import finetune
from hpe.phases.finetune_config import PSEUDO_METRICS, FinetuneConfig
from hpe.phases.pose_pseudo_labels import SemiSupervisedConfig, pseudo_labels

IMAGE_PX = 36
LOSS, SHARE = PSEUDO_METRICS
SETTINGS = {
    "epochs": 3,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "image_px": IMAGE_PX,
    "encoder": {"width": 4},
    "augment": {"rotate": {"enabled": True}, "color_jitter": {"enabled": True}},
    "semi_supervised": {"weight": 0.5, "start_share": 0.34, "max_disagreement_px": 100.0},
}


def config_of(**semi_supervised) -> FinetuneConfig:
    changed = {**SETTINGS["semi_supervised"], **semi_supervised}
    return FinetuneConfig.model_validate({**SETTINGS, "semi_supervised": changed})


def views_of_one_hand():
    """Where two views show the joints of a hand, and their affines."""
    rng = np.random.default_rng(0)
    reference = rng.uniform(-0.5, 0.5, (21, 2))
    affines = [
        similarity(angle_deg=30.0, zoom=1.5, shift=np.array([0.1, -0.2])),
        similarity(angle_deg=-70.0, zoom=0.5, shift=np.array([0.0, 0.3])),
    ]
    seen = [(transform(affine, reference) + 1) * IMAGE_PX / 2 for affine in affines]
    return torch.from_numpy(np.stack(seen)), torch.from_numpy(np.stack(affines))[None]


def labelled(keypoints_px, depth_rel, affine, most_px=3.0):
    return pseudo_labels(
        keypoints_px, depth_rel, affine, image_px=IMAGE_PX, max_disagreement_px=most_px
    )


def test_views_that_agree_are_labelled_with_what_they_say():
    seen_px, affine = views_of_one_hand()
    depth = torch.arange(42, dtype=torch.float64).reshape(2, 21)
    found = labelled(seen_px, depth, affine, most_px=1e-6)
    torch.testing.assert_close(found.keypoints_px, seen_px)
    torch.testing.assert_close(found.depth_rel, (depth[:1] + depth[1:]).expand(2, 21) / 2)
    assert found.valid.all()
    assert found.depth_valid.all()


def test_a_label_is_the_mean_in_the_reference_crop():
    seen_px, affine = views_of_one_hand()
    moved_px = seen_px.clone()
    moved_px[1, 5, 0] += 1.0  # 1 px of a view at half the size is 2 px of the reference crop
    found = labelled(moved_px, torch.zeros(2, 21, dtype=torch.float64), affine)
    # The mean lies 1 px of the reference crop away: 1.5 px of the first view, 0.5 of the second.
    apart_px = (found.keypoints_px - seen_px).norm(dim=-1)
    torch.testing.assert_close(apart_px[:, 5], torch.tensor([1.5, 0.5], dtype=torch.float64))
    assert apart_px[:, :5].max() < 1e-9


def test_joints_that_views_see_elsewhere_have_no_label():
    seen_px, affine = views_of_one_hand()
    zeros = torch.zeros(2, 21, dtype=torch.float64)
    moved_px = seen_px.clone()
    moved_px[1, 5, 0] += 1.0
    assert labelled(moved_px, zeros, affine, most_px=2.01).valid.all()
    found = labelled(moved_px, zeros, affine, most_px=1.99)
    assert found.valid.sum() == 2 * 20
    assert not found.valid[:, 5].any()
    moved_px[1, 0, 0] += 9.0
    found = labelled(moved_px, zeros, affine)
    assert found.valid.sum() == 2 * 20
    assert not found.depth_valid.any()


def test_begins_when_it_is_told_to_and_reports_what_it_labelled(make_inputs, drain):
    reports, artifacts = drain(finetune(config_of(), make_inputs()))
    assert [report.metrics[SHARE] > 0 for report in reports] == [False, True, True]
    assert [report.metrics[LOSS] > 0 for report in reports] == [False, True, True]
    plain, without = drain(finetune(config_of(weight=0.0), make_inputs()))
    assert SHARE not in plain[0].metrics
    assert plain[0].metrics["train/loss"] == reports[0].metrics["train/loss"]
    name = "linear.weight"
    assert not torch.equal(artifacts.tensors["head"][name], without.tensors["head"][name])


def test_views_that_never_agree_label_nothing(make_inputs, drain):
    reports, _ = drain(finetune(config_of(max_disagreement_px=1e-9, start_share=0), make_inputs()))
    assert [report.metrics[name] for report in reports for name in PSEUDO_METRICS] == [0.0] * 6


@pytest.mark.parametrize("changes", [{"accumulate": 2}, {"train_encoder": False}])
def test_a_resumed_run_equals_the_uninterrupted_one(changes, make_inputs, drain):
    config = FinetuneConfig.model_validate({**SETTINGS, **changes})
    states = {}
    reports, whole = drain(
        finetune(config, make_inputs()),
        lambda report: states.update({report.epoch: report.state()}),
    )
    for stop in (1, 2):
        torch.manual_seed(stop)
        resumed, end = drain(finetune(config, make_inputs(), states[stop]))
        assert [r.metrics for r in resumed] == [r.metrics for r in reports[stop:]]
        for name, values in whole.tensors["head"].items():
            assert torch.equal(values, end.tensors["head"][name])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": {"compat": "s0"}}, "needs the true length of a bone"),
        ({"augment": {}}, "both views of a hand would be the same"),
        ({"semi_supervised": {"weight": -1.0}}, "greater than or equal to 0"),
        ({"semi_supervised": {"weight": 1.0, "start_share": 1.0}}, "less than 1"),
        ({"semi_supervised": {"weight": 1.0, "max_disagreement_px": 0.0}}, "greater than 0"),
    ],
)
def test_refuses_settings_that_make_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        FinetuneConfig.model_validate({**SETTINGS, **changes})


def test_what_is_off_is_the_same_whatever_its_other_settings():
    off = FinetuneConfig(semi_supervised=SemiSupervisedConfig(start_share=0.9))
    assert identity_settings(off) == identity_settings(FinetuneConfig())
    assert SemiSupervisedConfig(start_share=0.9).first_epoch(1) == 1
    assert SemiSupervisedConfig(start_share=0.25).first_epoch(8) == 3

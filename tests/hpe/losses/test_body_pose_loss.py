"""S4's loss on bodies, by hand: what counts, what it is divided by, missing depth, bones."""

import pytest
import torch

from hpe.losses.body_pose import body_pose_loss, bone_lengths

ALL = torch.ones(2, 17, dtype=torch.bool)
DEEP = torch.ones(2, dtype=torch.bool)


def points(seed=0, batch=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 17, 3, generator=generator, dtype=torch.float64) - 0.5


def off_by(x=0.0, y=0.0, z=0.0):
    return points() + torch.tensor([x, y, z], dtype=torch.float64)


def loss(predicted, *, visible=ALL, has_depth=DEEP, **options):
    return body_pose_loss(
        predicted, true_points=points(), visible=visible, has_depth=has_depth, **options
    )


def test_errors_are_summed_over_joints_and_divided_by_samples():
    terms = loss(off_by(x=0.01, y=-0.02, z=0.05))
    assert terms.image.item() == pytest.approx(17 * 0.03)
    assert terms.depth.item() == pytest.approx(17 * 0.05)
    assert terms.total.item() == pytest.approx(17 * 0.08)


def test_samples_without_a_visible_joint_are_not_divided_by():
    visible = ALL.clone()
    visible[1] = False
    visible[0, 3:] = False
    terms = loss(off_by(x=0.01, z=0.05), visible=visible)
    assert terms.total.item() == pytest.approx(3 * 0.06)


def test_a_sample_without_depth_counts_in_the_image_and_is_divided_by():
    terms = loss(off_by(x=0.01, z=0.05), has_depth=torch.tensor([True, False]))
    assert terms.image.item() == pytest.approx(17 * 0.01)
    assert terms.depth.item() == pytest.approx(17 * 0.05 / 2)


def test_what_does_not_count_has_no_gradient_whatever_its_target():
    visible = ALL.clone()
    visible[0, 5] = False
    targets = points()
    targets[0, 5] = torch.nan
    targets[1, :, 2] = torch.nan
    predicted = off_by(x=0.1, y=0.1, z=0.1).requires_grad_()
    terms = body_pose_loss(
        predicted,
        true_points=targets,
        visible=visible,
        has_depth=torch.tensor([True, False]),
        bone_weight=1.0,
    )
    terms.total.backward()
    assert torch.isfinite(terms.total)
    assert not predicted.grad[0, 5].any()
    assert not predicted.grad[1, :, 2].any()
    assert predicted.grad[1, :, :2].all()


def test_a_batch_without_a_visible_joint_has_loss_0():
    assert loss(off_by(x=1.0), visible=~ALL).total.item() == 0


def test_terms_are_weighted():
    terms = loss(off_by(x=0.01, z=0.05), depth_weight=0.5)
    assert terms.total.item() == pytest.approx(17 * (0.01 + 0.025))


def test_parts_divided_by_the_whole_add_up_to_it():
    predicted = points(seed=1)
    whole = loss(predicted, bone_weight=0.3)
    parts = [
        body_pose_loss(
            predicted[i : i + 1],
            true_points=points()[i : i + 1],
            visible=ALL[:1],
            has_depth=DEEP[:1],
            num_samples=torch.tensor(2),
            bone_weight=0.3,
        ).total
        for i in range(2)
    ]
    torch.testing.assert_close(parts[0] + parts[1], whole.total)


def test_normalised_coordinates_count_by_their_proportions_alone():
    assert loss(3 * points(), normalised=True).total.item() == pytest.approx(0, abs=1e-12)
    half = points().clone()
    half[1] = 0  # what is left has a norm of its own
    expected = (half / half.abs().sum() - points() / points().abs().sum()).abs().sum() / 2
    assert loss(half, normalised=True).total.item() == pytest.approx(expected.item())


def test_bones_are_measured_in_shares_of_the_width():
    straight = torch.zeros(1, 17, 3, dtype=torch.float64)
    straight[0, 1] = torch.tensor([0.3, 0.0, 0.0])  # pelvis to right hip
    straight[0, 2] = straight[0, 1] + torch.tensor([0.0, 0.3, 0.0])  # hip to knee: 0.3 of 1980 mm
    straight[0, 3] = straight[0, 2] + torch.tensor([0.0, 0.0, 0.2])
    assert bone_lengths(straight)[0, :3].tolist() == pytest.approx([0.3, 0.4, 0.2])


def test_bone_lengths_do_not_mind_where_a_body_is():
    moved = loss(off_by(x=0.1, y=0.2, z=0.3), bone_weight=1.0)
    assert moved.bones.item() == pytest.approx(0, abs=1e-12)
    longer = points().clone()
    longer[0, 16] += 0.1 * (points()[0, 16] - points()[0, 15])  # the last bone of one of two
    expected = 0.1 * bone_lengths(points())[0, 15] / 2
    assert loss(longer, bone_weight=1.0).bones.item() == pytest.approx(expected.item())
    shallow = loss(longer, bone_weight=1.0, has_depth=torch.tensor([False, True]))
    assert shallow.bones.item() == 0

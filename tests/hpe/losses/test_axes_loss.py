import math

import pytest
import torch
from scipy.spatial.distance import jensenshannon

from hpe.losses.axes import distribution_loss, point_loss, soft_targets

ALL = torch.ones(2, 21, dtype=torch.bool)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_squared_and_absolute_errors_are_means_over_coordinates():
    true = torch.zeros(2, 21, 3)
    points = true.clone()
    points[0, 4] = torch.tensor([3.0, -4.0, 5.0])
    assert point_loss(points, true, valid=ALL, kind="mse").item() == pytest.approx(50 / 126)
    assert point_loss(points, true, valid=ALL, kind="l1").item() == pytest.approx(12 / 126)


def test_joints_that_are_not_annotated_neither_count_nor_get_a_gradient():
    points = random(2, 21, 3).requires_grad_()
    valid = ALL.clone()
    valid[1] = False
    loss = point_loss(points, torch.zeros(2, 21, 3).double(), valid=valid, kind="mse")
    assert loss.item() == pytest.approx(points[0].square().mean().item())
    loss.backward()
    assert not points.grad[1].any()
    assert point_loss(points, points * 2, valid=~ALL, kind="l1").item() == 0


def test_targets_are_gaussians_that_sum_to_one():
    targets = soft_targets(torch.full((1, 21, 3), 10.5 / 32).double(), bins=32, std_bins=2.0)
    heights = [math.exp(-((i - 10) ** 2) / 8) for i in range(32)]
    expected = torch.tensor([height / sum(heights) for height in heights]).double()
    torch.testing.assert_close(targets[0, 3, 1], expected)


def test_the_published_targets_are_nearly_flat():
    targets = soft_targets(
        torch.full((1, 21, 3), 10.5 / 32).double(),
        bins=32,
        std_bins=1.0,
        softening="as_published",
    )[0, 0, 0]
    assert targets.sum().item() == pytest.approx(1.0)
    assert (targets.max() / targets.min()).item() == pytest.approx(math.e, abs=1e-6)


def test_the_divergence_is_jensen_and_shannons():
    logits = random(2, 21, 3, 9)
    targets = random(2, 21, 3, 9, seed=1).softmax(-1)
    found = distribution_loss(logits, targets, valid=ALL, divergence="jensen_shannon")
    reference = jensenshannon(logits.softmax(-1).numpy(), targets.numpy(), axis=-1) ** 2
    assert found.item() == pytest.approx(reference.mean())


def test_as_written_by_s2_the_mixture_comes_first():
    p, q = [0.7, 0.2, 0.1], [0.1, 0.3, 0.6]
    m = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    expected = 0.5 * sum(
        c * math.log(c / a) + c * math.log(c / b) for a, b, c in zip(p, q, m, strict=True)
    )
    logits = torch.tensor(p).double().log().expand(2, 21, 3, 3)
    targets = torch.tensor(q).double().expand(2, 21, 3, 3)
    found = distribution_loss(logits, targets, valid=ALL, divergence="as_published")
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("divergence", ["jensen_shannon", "as_published"])
def test_equal_distributions_do_not_diverge_and_far_ones_stay_finite(divergence):
    logits = random(2, 21, 3, 9)
    same = distribution_loss(logits, logits.softmax(-1), valid=ALL, divergence=divergence)
    assert same.item() == pytest.approx(0, abs=1e-12)
    far = torch.zeros(2, 21, 3, 64)
    far[..., 0] = 80.0
    far.requires_grad_()
    targets = soft_targets(torch.ones(2, 21, 3), bins=64, std_bins=1.0)
    loss = distribution_loss(far, targets, valid=ALL, divergence=divergence)
    loss.backward()
    assert math.isfinite(loss.item())
    assert far.grad.isfinite().all()

"""The joint soft-argmax: T6, Sun et al.'s formula as written, its gradient, layouts and formats."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from hpe.geometry.volume import volume_means


def random_volume(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=generator, dtype=dtype)


def naive(logits):
    """The softmax over the whole volume, its three marginals and their expectations."""
    depth, height, width = logits.shape[2:]
    mass = logits.flatten(2).softmax(dim=-1).reshape(logits.shape)
    marginals = mass.sum((2, 3)), mass.sum((2, 4)), mass.sum((3, 4))
    sizes = width, height, depth
    return torch.stack(
        [m @ torch.arange(n, dtype=mass.dtype) for m, n in zip(marginals, sizes, strict=True)],
        dim=-1,
    )


def by_loops(volume):
    """The mean cell of one joint, one cell at a time."""
    weights = np.exp(volume - volume.max())
    total, mean = 0.0, np.zeros(3)
    for z, y, x in np.ndindex(volume.shape):
        total += weights[z, y, x]
        mean += weights[z, y, x] * np.array([x, y, z])
    return mean / total


def test_t6_a_peak_is_its_own_cell_with_x_first():
    logits = torch.zeros(1, 1, 64, 64, 64, dtype=torch.float64)
    logits[0, 0, 30, 7, 20] = 50.0
    assert volume_means(logits)[0, 0].tolist() == pytest.approx([20.0, 7.0, 30.0], abs=1e-6)


def test_t6_a_flat_volume_is_its_middle():
    flat = volume_means(torch.zeros(2, 3, 64, 32, 16, dtype=torch.float64))
    np.testing.assert_allclose(flat, np.broadcast_to([7.5, 15.5, 31.5], (2, 3, 3)), atol=1e-12)


def test_equals_a_loop_over_cells():
    logits = random_volume(1, 1, 3, 4, 5)
    assert volume_means(logits)[0, 0].tolist() == pytest.approx(by_loops(logits[0, 0].numpy()))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_the_formula_as_written(layout):
    maps = random_volume(3, 4 * 6, 7, 5).contiguous(memory_format=layout)
    given, expected = (maps.clone(memory_format=layout).requires_grad_() for _ in range(2))
    weights = random_volume(3, 4, 3, seed=1)
    ours, theirs = volume_means(given.unflatten(1, (4, 6))), naive(expected.unflatten(1, (4, 6)))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    torch.testing.assert_close(given.grad, expected.grad, rtol=1e-10, atol=1e-13)
    assert given.grad.is_contiguous(memory_format=layout)


def test_the_gradient_is_that_of_the_values():
    assert gradcheck(volume_means, random_volume(2, 2, 3, 2, 4).requires_grad_())


def test_large_logits_do_not_overflow():
    logits = 1e4 * random_volume(1, 2, 3, 4, 5, dtype=torch.float32).requires_grad_()
    logits.retain_grad()
    volume_means(logits).sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_half_precision_is_added_up_in_single():
    logits = random_volume(2, 3, 16, 24, 18, dtype=torch.float32).bfloat16()
    given = volume_means(logits)
    assert given.dtype == torch.float32
    torch.testing.assert_close(given, naive(logits.double()).float(), rtol=1e-5, atol=1e-4)


def test_a_sample_does_not_depend_on_its_batch():
    logits = random_volume(4, 2, 3, 4, 5, dtype=torch.float32)
    assert torch.equal(volume_means(logits)[2:3], volume_means(logits[2:3]))

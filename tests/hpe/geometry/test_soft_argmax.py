import numpy as np
import pytest
import torch

from hpe.geometry.soft_argmax import normalized_from_cells, soft_argmax


def by_loops(logits):
    """The mean cell under a softmax, one cell at a time."""
    weights = np.exp(logits - logits.max())
    x = y = total = 0.0
    for row in range(logits.shape[0]):
        for column in range(logits.shape[1]):
            x += weights[row, column] * column
            y += weights[row, column] * row
            total += weights[row, column]
    return x / total, y / total


def test_t6_a_peak_is_its_own_cell_with_x_before_y():
    logits = torch.zeros(64, 64, dtype=torch.float64)
    logits[7, 20] = 50.0
    assert soft_argmax(logits).tolist() == pytest.approx([20.0, 7.0], abs=1e-6)


def test_t6_a_flat_map_is_its_middle():
    flat = soft_argmax(torch.zeros(2, 64, 64, dtype=torch.float64))
    np.testing.assert_allclose(flat, 31.5, atol=1e-12)


def test_t6_a_share_of_the_width():
    cells = soft_argmax(50.0 * torch.eye(64, dtype=torch.float64)[20].repeat(64, 1))
    assert cells[0].item() / 64 - 0.5 == pytest.approx(-0.1875)


def test_equals_a_loop_over_cells():
    logits = torch.randn(5, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert soft_argmax(logits).tolist() == pytest.approx(by_loops(logits.numpy()))


def test_large_logits_do_not_overflow():
    assert torch.isfinite(soft_argmax(torch.tensor([[1e4, -1e4], [0.0, 9e3]]))).all()


def test_cells_lie_half_a_cell_inside_the_edges():
    corners = torch.tensor([[0.0, 0.0], [7.0, 3.0], [3.5, 1.5]])
    given = normalized_from_cells(corners, height=4, width=8)
    torch.testing.assert_close(given, torch.tensor([[-0.875, -0.75], [0.875, 0.75], [0.0, 0.0]]))

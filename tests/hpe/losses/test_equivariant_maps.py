"""Maps moved back to the reference crop, against bilinear look-ups one cell at a time."""

import math

import numpy as np
import torch

from hpe.geometry.affine import similarity
from hpe.losses.contrastive import nt_xent
from hpe.losses.equivariant_maps import aligned_rows, undo_affine_of_maps

STAY = np.eye(2, 3)


def looked_up(plane, x, y):
    """Bilinear value of a map at (x, y) in [-1, 1] from edge to edge; 0 outside of it."""
    height, width = plane.shape
    column, row = (x + 1) / 2 * width - 0.5, (y + 1) / 2 * height - 0.5
    total = 0.0
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < height and 0 <= c < width:
                total += plane[r, c] * (1 - abs(row - r)) * (1 - abs(column - c))
    return total


def moved_back(plane, affine):
    height, width = plane.shape
    back = np.zeros_like(plane)
    for row in range(height):
        for column in range(width):
            reference = np.array([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1])
            back[row, column] = looked_up(plane, *(affine[:, :2] @ reference + affine[:, 2]))
    return back


def random_maps(views, channels, height, width):
    rng = np.random.default_rng(0)
    return rng.normal(size=(views, channels, height, width))


def random_affines(views):
    rng = np.random.default_rng(1)
    return np.stack(
        [
            similarity(
                angle_deg=rng.uniform(-60, 60),
                zoom=rng.uniform(0.7, 1.5),
                shift=rng.uniform(-0.3, 0.3, 2),
            )
            for _ in range(views)
        ]
    )


def test_moves_back_as_a_loop_over_cells_does():
    maps, affines = random_maps(3, 2, 6, 9), random_affines(3)
    back, shown = undo_affine_of_maps(torch.from_numpy(maps), torch.from_numpy(affines))
    for view in range(3):
        for channel in range(2):
            expected = moved_back(maps[view, channel], affines[view])
            np.testing.assert_allclose(back[view, channel], expected, atol=1e-12)
        whole = moved_back(np.ones((6, 9)), affines[view])
        np.testing.assert_allclose(shown[view, 0], whole, atol=1e-12)


def test_a_shift_by_whole_cells_is_undone_to_the_bit():
    reference = torch.arange(16.0).reshape(1, 1, 4, 4)
    right = torch.zeros_like(reference)
    right[..., 1:] = reference[..., :-1]  # content one cell further right: x + 2 / 4
    affine = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])
    back, shown = undo_affine_of_maps(right, affine)
    assert torch.equal(back[..., :-1], reference[..., :-1])
    assert shown[0, 0].tolist() == [[1.0, 1.0, 1.0, 0.0]] * 4


def test_a_counter_clockwise_quarter_turn_is_undone():
    reference = torch.arange(9.0).reshape(1, 1, 3, 3)
    turned = torch.rot90(reference, 1, dims=(2, 3))  # counter-clockwise as displayed
    affine = torch.from_numpy(similarity(angle_deg=90.0, zoom=1.0, shift=np.zeros(2))[None]).float()
    back, _ = undo_affine_of_maps(turned, affine)
    torch.testing.assert_close(back, reference)


def test_rows_are_channels_of_what_both_views_show():
    maps, affines = random_maps(4, 3, 5, 5), random_affines(4)
    rows = aligned_rows(torch.from_numpy(maps), torch.from_numpy(affines))
    assert rows.shape == (12, 25)
    for pair in range(2):
        views = (2 * pair, 2 * pair + 1)
        both = np.prod([moved_back(np.ones((5, 5)), affines[view]) for view in views], axis=0)
        for channel in range(3):
            for place, view in enumerate(views):
                expected = moved_back(maps[view, channel], affines[view]) * both
                row = rows[6 * pair + 2 * channel + place]
                np.testing.assert_allclose(row, expected.ravel(), atol=1e-12)


def test_maps_that_moved_with_their_views_agree_and_others_do_not():
    rows, columns = torch.meshgrid(*[(torch.arange(32.0) + 0.5) / 16 - 1] * 2, indexing="ij")
    cells = torch.stack([columns, rows], dim=-1).double()
    centres = torch.tensor([[[0.2, -0.1], [-0.3, 0.3]], [[0.0, 0.4], [0.3, 0.0]]]).double()
    affine = torch.from_numpy(random_affines(4)).reshape(2, 2, 2, 3)
    seen = torch.einsum("nvij,nkj->nvki", affine[..., :2], centres) + affine[:, :, None, :, 2]
    zoom = torch.linalg.det(affine[..., :2]).sqrt()[:, :, None, None, None]
    squares = (cells - seen[:, :, :, None, None]).square().sum(-1) / zoom**2
    maps = torch.exp(-squares / 0.02).flatten(0, 1)  # a blob that moves, turns and grows with it
    aligned = aligned_rows(maps, affine.flatten(0, 1))
    unmoved = aligned_rows(maps, torch.from_numpy(np.tile(STAY, (4, 1, 1))))
    losses = [nt_xent(r[0::2], r[1::2], temperature=0.1).item() for r in (aligned, unmoved)]
    assert losses[0] < 0.1 < losses[1]
    similar = torch.cosine_similarity(aligned[0::2], aligned[1::2])
    assert (similar > 0.98).all()

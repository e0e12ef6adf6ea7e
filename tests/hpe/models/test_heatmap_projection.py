import numpy as np
import torch
from scipy.signal import correlate2d

from hpe.models.heatmap_projection import HeatmapProjection, PointProjection


def test_is_two_padded_convolutions_with_a_norm_and_relu_between():
    head = HeatmapProjection(2, hidden=3, out=4, seed=0).eval()
    maps = torch.randn(1, 2, 5, 6, generator=torch.Generator().manual_seed(0))
    first, _, _, second = (layer.state_dict() for layer in head.layers)
    hidden = [
        sum(correlate2d(maps[0, i], kernel[i], mode="same") for i in range(2))
        for kernel in first["weight"]
    ]
    hidden = [np.maximum(plane / np.sqrt(1 + 1e-5), 0) for plane in hidden]
    expected = [
        sum(correlate2d(hidden[i], kernel[i], mode="same") for i in range(3))
        for kernel in second["weight"]
    ]
    np.testing.assert_allclose(head(maps)[0].detach(), np.stack(expected), rtol=1e-4, atol=1e-5)


def test_points_lie_where_the_maps_have_their_mass_x_before_y():
    head = PointProjection(1, hidden=4, out=4, seed=0)

    def two_peaks(_maps):
        logits = torch.full((1, 2, 4, 8), -1e4)
        logits[0, 0, 0, 7] = logits[0, 1, 3, 0] = 0.0
        return logits

    head.heatmaps.forward = two_peaks
    points = head(torch.zeros(1, 1, 4, 8))
    assert points.tolist() == [[0.875, -0.75, -0.875, 0.75]]


def test_weights_depend_on_the_seed_alone():
    first, again, other = (
        PointProjection(2, hidden=3, out=4, seed=seed).state_dict()["heatmaps.layers.0.weight"]
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)

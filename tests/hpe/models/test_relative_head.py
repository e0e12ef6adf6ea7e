import numpy as np
import torch

from hpe.models.relative_head import RelativeHeads


def test_reads_both_views_of_a_pair_as_the_original_does():
    heads = RelativeHeads(3, ["color", "rotation"], hidden=6, seed=0).eval()
    features = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    given = heads(features)
    assert {name: tuple(rows.shape) for name, rows in given.items()} == {
        "color": (4, 4),
        "rotation": (4, 1),
    }
    layers = {name: value.numpy() for name, value in heads.heads["color"].state_dict().items()}
    for pair in range(4):
        both = np.concatenate([features[2 * pair], features[2 * pair + 1]])
        hidden = layers["0.weight"] @ both + layers["0.bias"]
        hidden = hidden / np.sqrt(1 + 1e-5)  # batch norm that has seen nothing yet
        expected = layers["3.weight"] @ np.maximum(hidden, 0)
        np.testing.assert_allclose(given["color"][pair].detach(), expected, rtol=1e-4, atol=1e-6)


def test_scales_start_at_one_and_are_learned():
    heads = RelativeHeads(3, ["scale"], hidden=4, seed=0)
    assert heads.log_scales["scale"].item() == 0.0
    assert heads.log_scales["scale"].requires_grad


def test_weights_depend_on_the_seed_alone():
    first, again, other = (
        RelativeHeads(3, ["scale"], hidden=4, seed=seed).state_dict()["heads.scale.0.weight"]
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from hpe.phases.precision import Numerics
from hpe.phases.probe import PROBE_METRICS, Probe, ProbeConfig, ridge_predictions


def made_up(seed, *, rows=40, features=6, targets=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)) * [1, 10, 0.1, 1, 5, 1] + 3
    y = x[:, :targets] * 0.3 + rng.normal(size=(rows, targets)) * 0.05 - 7
    return torch.from_numpy(x), torch.from_numpy(y)


def test_predictions_are_those_of_an_augmented_least_squares_problem():
    (x, y), (new, _) = made_up(0), made_up(1, rows=5)
    ridge = 0.3
    mean, deviation = x.numpy().mean(0), x.numpy().std(0)
    standard = (x.numpy() - mean) / deviation
    stacked = np.vstack([standard, np.sqrt(ridge * len(x)) * np.eye(x.shape[1])])
    centred = np.vstack([y.numpy() - y.numpy().mean(0), np.zeros((x.shape[1], y.shape[1]))])
    weights = np.linalg.lstsq(stacked, centred, rcond=None)[0]
    expected = (new.numpy() - mean) / deviation @ weights + y.numpy().mean(0)
    predicted = ridge_predictions(x, y, new, ridge=ridge)
    np.testing.assert_allclose(predicted.numpy(), expected, rtol=1e-10)


def test_the_scale_of_a_feature_does_not_matter():
    (x, y), (new, _) = made_up(0), made_up(1, rows=5)
    scales = torch.tensor([2.0, 3.0, 4.0, 0.5, 1.0, 7.0], dtype=torch.float64)
    torch.testing.assert_close(
        ridge_predictions(x, y, new, ridge=1.0),
        ridge_predictions(x * scales, y, new * scales, ridge=1.0),
        rtol=1e-6,
        atol=1e-6,
    )


def test_a_feature_that_is_constant_in_training_cannot_blow_up():
    (x, y), (new, _) = made_up(0), made_up(1, rows=5)
    dead, woken = torch.zeros(len(x), 1), torch.full((len(new), 1), 1e3)
    predicted = ridge_predictions(
        torch.cat([x, dead.double()], 1), y, torch.cat([new, woken.double()], 1), ridge=1.0
    )
    torch.testing.assert_close(predicted, ridge_predictions(x, y, new, ridge=1.0))


def test_a_huge_penalty_predicts_the_mean():
    (x, y), (new, _) = made_up(0), made_up(1, rows=5)
    predicted = ridge_predictions(x, y, new, ridge=1e12)
    torch.testing.assert_close(predicted, y.mean(0).expand(5, 3), rtol=1e-6, atol=1e-6)


def test_the_penalty_has_a_floor():
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        ProbeConfig(ridge=0.0)


@pytest.mark.parametrize(
    ("every", "due"), [(0, []), (1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])]
)
def test_a_probe_is_due_every_nth_epoch_and_after_the_last(every, due):
    config = ProbeConfig(every=every)
    assert [epoch for epoch in range(1, 6) if config.is_due(epoch, epochs=5)] == due


class _Blind(nn.Module):
    """Features that say nothing: the probe must then be the mean hand."""

    def forward(self, images):
        return torch.zeros(len(images), 4)


def test_features_without_information_score_like_the_mean_hand(make_inputs):
    numerics = Numerics(torch.device("cpu"), "fp32", channels_last=True)
    probe = Probe(
        make_inputs().data, ProbeConfig(labels=8), image_px=36, workers=0, limit_batches=None
    )
    scores = probe.scores(_Blind(), numerics)
    assert tuple(scores) == PROBE_METRICS
    assert scores[PROBE_METRICS[0]] == pytest.approx(scores[PROBE_METRICS[1]])

import numpy as np
import pytest

from hpe.data.weights import sampling_weights, weighted_pass


def passes(weights, count, seed=0):
    return [
        weighted_pass(np.asarray(weights, dtype=float), np.random.default_rng([seed, number]))
        for number in range(count)
    ]


def test_a_pass_has_as_many_draws_as_samples():
    for samples, uses in passes([1, 2, 0.1, 5, 1, 1, 1], 20):
        assert len(samples) == len(uses) == 7


def test_equal_weights_are_a_shuffle():
    for samples, uses in passes(np.full(50, 0.3), 5):
        assert sorted(samples) == list(range(50))
        assert not uses.any()


def test_sources_get_their_mass_in_every_pass_whatever_their_sizes():
    """30 and 170 samples at equal mass: 100 draws each, in each pass, give or take one."""
    weights = np.repeat([1 / 30, 1 / 170], [30, 170])
    for samples, _ in passes(weights, 20):
        assert abs((samples < 30).sum() - 100) <= 1


def test_a_sample_comes_as_often_as_it_is_due_on_average_and_never_far_from_it():
    weights = np.repeat([1 / 30, 1 / 170], [30, 170])
    counts = np.array([np.bincount(samples, minlength=200) for samples, _ in passes(weights, 600)])
    assert set(counts[:, :30].ravel()) == {3, 4}  # due 100 / 30 times
    assert set(counts[:, 30:].ravel()) == {0, 1}
    np.testing.assert_allclose(counts.mean(axis=0), weights * 100, atol=0.1)


def test_uses_of_a_sample_are_numbered_in_order_and_spread_over_the_pass():
    weights = np.repeat([1 / 10, 1 / 90], [10, 90])
    for samples, uses in passes(weights, 20):
        for sample in range(10):
            places = np.flatnonzero(samples == sample)
            assert uses[places].tolist() == list(range(5))
            assert np.diff(places).min() > 10  # 20 apart if the pass were even


def test_a_pass_is_a_function_of_its_generator():
    (one,), (same,), (other,) = (passes([1, 2, 3, 4], 1, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf])
def test_refuses_weights_that_are_no_shares(weight):
    with pytest.raises(ValueError, match="positive and finite"):
        weighted_pass(np.array([1.0, weight]), np.random.default_rng(0))


def test_a_split_without_weights_counts_all_samples_the_same():
    assert sampling_weights(()) is None

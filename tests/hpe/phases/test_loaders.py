import multiprocessing

import numpy as np
import pytest
import torch

from hpe.phases.loaders import endless_draws, epoch_draws, load, one_pass
from hpe.phases.randomness import seed_layers, shuffled, view_rng


def row(draw):
    rng = view_rng(draw, seed=5, view=0)
    return {"noise": rng.random(3), "index": np.array(draw[1])}


def flat(batches):
    return [draw for batch in batches for draw in batch]


def test_an_epoch_takes_no_sample_twice_and_drops_the_rest():
    batches = epoch_draws(10, seed=0, epoch=2, batch_size=4)
    assert [len(batch) for batch in batches] == [4, 4]
    assert len({index for _, index in flat(batches)}) == 8
    assert {number for number, _ in flat(batches)} == {2}


def test_orders_differ_between_epochs_and_seeds_and_repeat_otherwise():
    orders = [
        tuple(shuffled(50, seed=seed, pass_number=number))
        for seed, number in [(0, 0), (0, 1), (1, 0), (0, 0)]
    ]
    assert len(set(orders)) == 3
    assert orders[0] == orders[3]


def test_an_endless_stream_uses_every_sample_equally_often():
    batches = endless_draws(6, seed=0, first=0, batches=9, batch_size=4)
    assert [len(batch) for batch in batches] == [4] * 9
    assert sorted(flat(batches)) == [(p, i) for p in range(6) for i in range(6)]


@pytest.mark.parametrize("first", [0, 1, 2, 5, 8])
def test_an_endless_stream_can_be_entered_anywhere(first):
    whole = endless_draws(7, seed=3, first=0, batches=12, batch_size=5)
    assert (
        endless_draws(7, seed=3, first=first, batches=4, batch_size=5) == whole[first : first + 4]
    )


WEIGHTS = np.repeat([1 / 8, 1 / 32], [8, 32])
"""A small and a large source of equal mass."""


def test_weights_give_sources_their_share_of_every_pass():
    for epoch in range(3):
        batches = epoch_draws(40, seed=0, epoch=epoch, batch_size=10, weights=WEIGHTS)
        indices = np.array([index for _, index in flat(batches)])
        assert len(indices) == 40
        assert abs((indices < 8).sum() - 20) <= 1


def test_a_sample_that_comes_again_in_a_pass_is_seen_anew():
    draws = flat(epoch_draws(40, seed=0, epoch=1, batch_size=10, weights=WEIGHTS))
    assert len({index for _, index in draws}) < 40
    assert len({float(row(draw)["noise"][0]) for draw in draws}) == len(set(draws)) == 40


def test_equal_weights_use_every_sample_once():
    draws = flat(epoch_draws(12, seed=0, epoch=3, batch_size=4, weights=np.full(12, 0.1)))
    assert sorted(draws) == [(3, index) for index in range(12)]


@pytest.mark.parametrize("first", [0, 3, 11])
def test_a_weighted_stream_can_be_entered_anywhere(first):
    def stream(first, batches):
        return endless_draws(
            40, seed=3, first=first, batches=batches, batch_size=7, weights=WEIGHTS
        )

    assert stream(first, 4) == stream(0, 15)[first : first + 4]


def test_evaluation_takes_all_samples_in_order():
    assert one_pass(5, batch_size=2) == [[(0, 0), (0, 1)], [(0, 2), (0, 3)], [(0, 4)]]


def test_refuses_an_epoch_that_fills_no_batch():
    with pytest.raises(ValueError, match="at most the number of samples, got 8 for 7"):
        epoch_draws(7, seed=0, epoch=0, batch_size=8)


def test_refuses_to_draw_from_nothing():
    with pytest.raises(ValueError, match="at least one sample"):
        endless_draws(0, seed=0, first=0, batches=1, batch_size=2)


def test_streams_of_views_and_orders_are_all_different():
    draws = [
        view_rng((p, i), seed=s, view=v)
        for s in (0, 1)
        for p in (0, 1)
        for i in (0, 1)
        for v in (0, 1)
    ]
    firsts = {rng.random() for rng in draws}
    assert len(firsts) == 16


def test_layers_draw_alike_in_one_epoch_and_differently_in_the_next():
    def draw(epoch, rank=0):
        seed_layers(seed=2, epoch=epoch, rank=rank)
        return torch.rand(()).item()

    assert draw(1) == draw(1)
    assert len({draw(1), draw(2), draw(1, rank=1)}) == 3


@pytest.mark.slow
def test_child_processes_make_the_same_batches_and_end_with_the_generator():
    groups = epoch_draws(24, seed=0, epoch=0, batch_size=4)
    here = list(load(row, groups, workers=0))
    batches = load(row, groups, workers=2)
    first = next(batches)
    assert len(multiprocessing.active_children()) == 2
    assert torch.equal(first["noise"], here[0]["noise"])
    batches.close()
    assert multiprocessing.active_children() == []
    there = list(load(row, groups, workers=2))
    assert all(torch.equal(a["noise"], b["noise"]) for a, b in zip(here, there, strict=True))
    assert all(torch.equal(a["index"], b["index"]) for a, b in zip(here, there, strict=True))


@pytest.mark.slow
def test_child_processes_leave_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(())
    torch.manual_seed(0)
    list(load(row, epoch_draws(8, seed=0, epoch=0, batch_size=4), workers=1))
    assert torch.equal(torch.rand(()), expected)

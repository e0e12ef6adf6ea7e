"""When a worker tells its slot of batches."""

import pytest

from trainables.pulse import BEAT_S, Pulse


class Told:
    """A clock, and what was said by it."""

    def __init__(self) -> None:
        self.time_s = 0.0
        self.said: list[tuple[int, bool]] = []
        self.pulse = Pulse(
            lambda beat, on_batches: self.said.append((beat, on_batches)), now=lambda: self.time_s
        )


@pytest.fixture
def told() -> Told:
    return Told()


def test_the_first_batch_is_told_at_once_and_later_ones_now_and_then(told):
    for time_s in (0.0, 0.1, BEAT_S - 0.1, BEAT_S, BEAT_S + 0.1, 2 * BEAT_S):
        told.time_s = time_s
        told.pulse.beat()
    assert told.said == [(1, True), (2, True), (3, True)]


def test_after_a_rest_the_next_batch_is_told_at_once(told):
    told.pulse.beat()
    told.pulse.rest()
    told.pulse.beat()
    assert told.said == [(1, True), (2, False), (3, True)]


def test_who_never_tells_of_batches_never_tells_of_a_rest(told):
    told.pulse.rest()
    assert told.said == []

"""Which epochs are told of as they end."""

from trainables.rhythm import Rhythm


def told(every_s, ends, *, due=()):
    """Return which epochs are told of that end at these times; training begins at 0."""
    times = iter([0.0, *ends])
    rhythm = Rhythm(every_s, due=due, now=lambda: next(times))
    return [epoch for epoch in range(1, len(ends) + 1) if rhythm.is_due(epoch)]


def test_long_epochs_are_told_of_as_they_end():
    assert told(0.5, [0.5, 1.0, 9.0]) == [1, 2, 3]


def test_short_epochs_wait_until_the_time_is_up():
    assert told(0.5, [0.2, 0.4, 0.6, 0.8, 1.0, 1.2]) == [3, 6]


def test_epochs_that_decide_never_wait_and_begin_the_time_anew():
    assert told(0.5, [0.1, 0.2, 0.3, 0.65, 0.75], due={2}) == [2, 5]


def test_what_is_told_of_anyway_begins_the_time_anew():
    times = iter([0.0, 0.4, 0.7, 0.95])
    rhythm = Rhythm(0.5, due=(), now=lambda: next(times))
    assert rhythm.is_due(1, anyway=True)
    assert [rhythm.is_due(epoch) for epoch in (2, 3)] == [False, True]


def test_without_a_rhythm_every_epoch_is_told_of():
    assert told(0.0, [0.0, 0.0, 0.1]) == [1, 2, 3]

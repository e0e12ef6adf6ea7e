"""Whose values may be compared."""

from sweep.candidates import Candidate, of_equal_seeds


def candidate(name, *seeds):
    return Candidate(name, None, (), dict.fromkeys(seeds, 1.0))


def names(*found):
    return [candidate.name for candidate in of_equal_seeds(found)]


def test_who_misses_a_seed_that_others_have_is_left_out():
    assert names(candidate("a", 0, 1), candidate("b", 0), candidate("c", 1, 0)) == ["a", "c"]


def test_as_many_seeds_that_are_others_are_not_the_same():
    found = [candidate("a", 0, 2), candidate("b", 0, 1), candidate("c", 0, 1)]
    assert names(*found) == ["b", "c"]


def test_of_nobody_nobody_is_left():
    assert names() == []

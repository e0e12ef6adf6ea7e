"""Ray ends Tune's own actors when the head runs out of memory, and Tune has no words for that."""

from types import SimpleNamespace

import pytest
from ray import tune
from ray.exceptions import OutOfMemoryError

from sweep import tuner
from sweep.cluster import MachineFull


def tuner_that_ends_with(error, cause):
    class Tuner:
        def __init__(self, *_args, **_options):
            pass

        def fit(self):
            raise error from cause

    return Tuner


@pytest.mark.parametrize(
    ("cause", "expected"), [(OutOfMemoryError("2 killed"), MachineFull), (None, RuntimeError)]
)
def test_a_driver_whose_machine_is_full_says_so_and_other_errors_stay(
    monkeypatch, tmp_path, cause, expected
):
    unexpected = RuntimeError("Caught unexpected exception")
    monkeypatch.setattr(tune, "Tuner", tuner_that_ends_with(unexpected, cause))
    conductor, searcher = SimpleNamespace(interrupted=False), SimpleNamespace(fault=None)
    with pytest.raises(expected) as found:
        tuner._tune(conductor, searcher, tmp_path, num_slots=1)
    assert type(found.value) is expected

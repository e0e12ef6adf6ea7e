"""Each fault to survive has a test that is named after it."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FAULTS = range(1, 21)


@pytest.fixture(scope="module")
def named():
    """The faults that tests are named after: `test_f1_...`, `test_f2_f3_...`."""
    names = [
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^def test_((?:f\d+_)+)", path.read_text(), re.MULTILINE)
    ]
    return {int(number) for name in names for number in re.findall(r"\d+", name)}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_a_test_named_after_it(named, fault):
    assert fault in named

"""How durations are worded."""

import pytest

from sweep.messages import shown_duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.4, "8 s"), (95, "1 min 35 s"), (1800, "30 min"), (7260, "2 h 1 min")]
)
def test_durations_have_the_two_units_that_matter(seconds, text):
    assert shown_duration(seconds) == text

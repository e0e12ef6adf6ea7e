"""Parts of a search space."""

import pytest
from optuna.trial import FixedTrial

from search_spaces.parameters import Parts, Real


def test_parts_make_one_mapping():
    parts = Parts((Real("a/x", 0.0, 1.0), Real("a/y", 0.0, 1.0)))
    assert parts.suggest(FixedTrial({"a/x": 0.1, "a/y": 0.2})) == {"a/x": 0.1, "a/y": 0.2}


def test_two_parts_do_not_give_one_setting():
    parts = Parts((Real("a/x", 0.0, 1.0), Real("a/x", 0.0, 1.0)))
    with pytest.raises(ValueError, match="two parts of the space set a/x; leave it to one"):
        parts.suggest(FixedTrial({"a/x": 0.1}))

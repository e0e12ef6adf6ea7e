import pytest

from hpe.phases.keep import KeepConfig, epochs_to_keep

HISTORY = {epoch: {"val/error": value} for epoch, value in enumerate([5.0, 2.0, 4.0, 2.0, 3.0], 1)}


def kept(history=HISTORY, **settings):
    return epochs_to_keep(history, KeepConfig(**settings), default_metric="val/error")


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({}, {5}),
        ({"last": False}, set()),
        ({"last": False, "best": True}, {2}),
        ({"last": False, "top_k": 3}, {2, 4, 5}),
        ({"last": False, "best": True, "direction": "maximize"}, {1}),
        ({"last": False, "every": 2}, {2, 4}),
        ({"best": True, "every": 4}, {2, 4, 5}),
    ],
)
def test_keeps_what_the_settings_say(settings, epochs):
    assert kept(**settings) == epochs


def test_an_epoch_that_was_dropped_is_never_asked_for_again():
    dropped: set[int] = set()
    for last in range(1, 6):
        seen = {epoch: HISTORY[epoch] for epoch in range(1, last + 1)}
        now = kept(seen, last=False, top_k=2)
        assert not dropped & now
        dropped |= set(seen) - now


def test_epochs_without_the_metric_are_not_ranked():
    history = {1: {"val/error": 9.0}, 2: {"train/loss": 0.0}}
    assert kept(history, last=False, top_k=2) == {1}


def test_keeps_nothing_before_the_first_epoch():
    assert kept({}, best=True) == frozenset()


def test_refuses_a_metric_that_is_not_reported():
    with pytest.raises(ValueError, match="keep/metric must be one that the phase reports"):
        KeepConfig(metric="val/y").require_metric(["val/error"])


RISING = {1: {"val/pa_auc": 0.2}, 2: {"val/pa_auc": 0.6}, 3: {"val/pa_auc": 0.4}}


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [({}, {2}), ({"direction": "maximize"}, {2}), ({"direction": "minimize"}, {1})],
)
def test_the_best_epoch_of_a_score_is_the_highest_unless_told_otherwise(settings, epochs):
    config = KeepConfig(last=False, best=True, metric="val/pa_auc", **settings)
    assert epochs_to_keep(RISING, config, default_metric="val/error") == epochs


def test_refuses_a_metric_of_unknown_direction_unless_the_direction_is_given():
    unclear = KeepConfig(best=True, metric="train/collapse_share")
    with pytest.raises(ValueError, match="keep/direction must be minimize or maximize, because"):
        unclear.require_metric(["train/collapse_share"])
    KeepConfig(metric="train/collapse_share").require_metric(["train/collapse_share"])
    given = unclear.model_copy(update={"direction": "minimize"})
    given.require_metric(["train/collapse_share"])
    assert epochs_to_keep({1: {"train/collapse_share": 1.0}}, given, default_metric=None) == {1}


def test_the_best_epochs_of_a_phase_that_ranks_none_need_a_metric():
    with pytest.raises(ValueError, match="keep/metric must name a metric"):
        epochs_to_keep(HISTORY, KeepConfig(top_k=1), default_metric=None)

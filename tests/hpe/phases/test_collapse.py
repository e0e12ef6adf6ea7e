import logging

import pytest

from hpe.phases.collapse import CollapseAlarm


def alarms(shares, *, warmup_epochs=0.0):
    alarm = CollapseAlarm(warmup_epochs=warmup_epochs)
    return [alarm.sounds(share, epoch=epoch) for epoch, share in enumerate(shares, start=1)]


def test_sounds_after_three_epochs_at_the_level_of_equal_embeddings():
    assert alarms([1.0, 0.995, 1.004, 1.0]) == [False, False, True, True]


@pytest.mark.parametrize("share", [0.98, 0.9, 1.02, 1.3])
def test_is_silent_away_from_that_level(share):
    assert not any(alarms([share] * 6))


def test_is_silent_again_when_the_embeddings_part():
    assert alarms([1.0, 1.0, 1.0, 0.9, 1.0, 1.0]) == [False, False, True, False, False, False]


def test_a_warm_up_does_not_count():
    given = alarms([1.0] * 6, warmup_epochs=2.5)
    assert given == [False, False, False, False, True, True]


def test_goes_on_from_a_count():
    alarm = CollapseAlarm(warmup_epochs=0.0)
    alarm.epochs = 2
    assert alarm.sounds(1.0, epoch=9)


def test_says_once_in_words_what_it_saw(caplog):
    with caplog.at_level(logging.WARNING):
        alarms([1.0] * 6)
    assert len(caplog.messages) == 1
    assert "Epoch 3: for 3 epochs the contrastive loss has been 1.000" in caplog.text

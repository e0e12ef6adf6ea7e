"""Clocks that jump and trials that always fail: nothing else may feel them."""

import ast
import os
from pathlib import Path

import pytest

from sweep.book import Clock
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.trials import TrialState
from tests.sweep.engine_fakes import FakeClock, Play, make_study

ROOT = Path(__file__).parents[2]
WALL_CLOCKS = {"time", "time_ns"}
MAY_READ_THE_WALL_CLOCK = {
    "sweep/book.py",  # stamps records, for people
    "sweep/display.py",  # shows how long a trial has been running
    "sweep/notification.py",  # tells people when a study could not go on
    "sweep/status_page.py",  # shows when it was written, and how long is left
}


@pytest.fixture(autouse=True)
def quick_syncs(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0], ids=["forward", "back"])
def test_f13_a_clock_that_jumps_by_an_hour_uses_up_no_budget_of_a_driver_that_then_dies(
    tmp_path, jump_s
):
    wall, steady = FakeClock(), FakeClock()
    play = Play(make_study(), tmp_path, clock=Clock(wall=wall, monotonic=steady)).open()
    play.hand_out()
    play.step(0)
    play.step(0)
    wall.now_s += jump_s
    while 0 in play.training:
        play.step(0)
    play.journal.close()  # as a kill leaves it: no end of the session
    ledger = Ledger(read_journal(tmp_path / "journal.jsonl"))
    assert 0 < ledger.elapsed_s < 100, "a second per look at the clock"
    assert 0 < ledger.trials[0].duration_s < ledger.elapsed_s
    times = [record["time_s"] for record in play.records]
    assert times == sorted(times), "what came later is never older"


def test_f13_nothing_that_decides_reads_the_wall_clock():
    found = set()
    for package in ("sweep", "trainables", "hpe", "search_spaces"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Attribute)
                    and node.attr in WALL_CLOCKS
                    and isinstance(node.value, ast.Name)
                    and node.value.id == "time"
                ):
                    found.add(path.relative_to(ROOT).as_posix())
    assert found <= MAY_READ_THE_WALL_CLOCK


def test_f20_a_trial_that_poisons_every_worker_is_given_up_and_no_other_feels_it(tmp_path):
    study = make_study(search={"trials": 6})
    for name in ("healthy", "poisoned"):
        (tmp_path / name).mkdir()
    healthy = Play(study, tmp_path / "healthy").run()
    play = Play(study, tmp_path / "poisoned").open()
    poison = 3
    while play.hand_out() or play.training:
        for number in list(play.training):
            if number == poison:
                attempt = play.ledger.trials[poison].attempt
                del play.training[poison]
                play.conductor.on_lost(poison, attempt, "its worker was killed.")
            else:
                play.step(number)
    play.conductor.close()
    given_up = play.ledger.trials[poison]
    assert (given_up.state, given_up.error_class) == (TrialState.FAIL, "worker_lost")
    assert given_up.attempt == 3, "its class's retries and no more"
    for number, trial in healthy.trials.items():
        same = play.ledger.trials[number]
        assert (same.params, same.seed) == (trial.params, trial.seed)
        if number != poison:
            assert (same.state, same.objective) == (trial.state, trial.objective)

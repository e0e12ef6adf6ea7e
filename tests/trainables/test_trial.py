"""The trainable under Tune, and on its own."""

import errno
import json
from typing import Any

import pytest
import ray
from ray import tune
from slot_driver import Trial, assignment, lend, status, trial_config

from trainables.finished_stages import FinishedStages
from trainables.pool import SlotPool
from trainables.trial import SlotLost, TrialTrainable

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_a_trial_whose_slot_does_not_exist_raises(ray_cluster, tmp_path):
    trial = Trial("slot-9-gone", tmp_path, assignment(0))
    with pytest.raises(SlotLost, match=r"slot-9-gone does not exist .* needs another"):
        trial.step()


class DyingSlot:
    """A slot that takes whatever it is given, and reports nothing."""

    def post(self, assignment: dict[str, Any], next_seq: int, epoch: int) -> None:
        pass

    def events(self, assignment_id: str, after_seq: int, wait_s: float) -> dict[str, Any]:
        return {"known": True, "withdrawn": False, "reports": []}


def test_a_trial_whose_slot_is_gone_for_good_says_so_at_once(ray_cluster, tmp_path):
    slot = ray.remote(DyingSlot).options(name="slot-dying", num_cpus=0).remote()
    trial = Trial("slot-dying", tmp_path, assignment(0))
    assert trial.step() == []
    ray.kill(slot)
    with pytest.raises(SlotLost, match=r"slot-dying does not exist"):
        for _ in range(10):  # far fewer seconds than a slot that restarts is given
            trial.step()


def test_the_next_stage_is_on_the_slot_as_soon_as_one_has_finished(slot, store):
    trial = Trial(slot, store, assignment(53, epochs=1), assignment(53, epochs=2, rest_s=1.0))
    trial.until(lambda report: report["event"] == "finished")
    following = assignment(53, epochs=2, rest_s=1.0).id
    assert following in (status(slot)["assignment"] for _ in range(100))
    trial.run()
    assert trial.epochs() == [1, 1, 2]


def test_a_trial_of_nothing_has_ended(ray_cluster, tmp_path):
    config = {"trial": 0, "attempt": 1, "slot": "none", "store": str(tmp_path), "assignments": []}
    assert TrialTrainable(config).step() == {"reports": [], "ended": True}


@pytest.mark.parametrize("call", ["is_committed", "metrics"])
def test_a_store_that_does_not_answer_the_trial_is_left_to_the_worker(
    slot, store, monkeypatch, call
):
    finished = assignment(54, epochs=1)
    Trial(slot, store, finished).run()

    def silent(stages, key):
        raise OSError(errno.ESTALE, "Stale file handle")

    trial = Trial(slot, store, finished)
    monkeypatch.setattr(FinishedStages, call, silent)
    assert trial.run()[-1]["event"] == "finished"
    assert trial.events()[0] == ("started", 1), "the worker reads the store itself, and found it"


def test_reports_are_plain_data(slot, store):
    trial = Trial(slot, store, assignment(50))
    trial.run()
    assert json.loads(json.dumps(trial.reports)) == trial.reports
    assert {report["label"] for report in trial.reports} == {"count"}


def test_restored_after_a_pause_a_trial_goes_on_from_its_last_saved_epoch(pool, slot, store):
    job = assignment(51, epochs=4, decisions=(2,))
    paused = Trial(slot, store, job)
    paused.until(lambda report: report["epoch"] == 2)
    paused.trainable.cleanup()
    Trial(slot, store, assignment(52)).run()
    restored = Trial(slot, store, job)
    restored.trainable.load_checkpoint({})
    restored.run()
    assert restored.events() == [
        ("started", 2),
        ("epoch", 1),
        ("epoch", 2),
        ("epoch", 3),
        ("epoch", 4),
        ("finished", 4),
    ]
    assert restored.reports[-2]["metrics"]["val/total"] == 10.0


class Listed(tune.search.Searcher):
    """Suggest these configs, one after another."""

    def __init__(self, configs: list[dict[str, Any]]) -> None:
        super().__init__()
        self.configs = list(configs)

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        return self.configs.pop(0) if self.configs else self.FINISHED

    def on_trial_complete(self, *args: Any, **kwargs: Any) -> None:
        pass

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        return True

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        pass


class StopAt(tune.schedulers.FIFOScheduler):
    """Stop a trial at an epoch it names, or at its end, and keep all it reported."""

    def __init__(self, pool: SlotPool, slot: str) -> None:
        super().__init__()
        self.pool, self.slot = pool, slot
        self.reports: dict[int, list[dict[str, Any]]] = {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        number = trial.config["trial"]
        self.reports.setdefault(number, []).extend(result["reports"])
        last = max((report["epoch"] for report in self.reports[number]), default=0)
        if result["ended"]:
            return self.STOP
        if last >= trial.config["stop_at"]:
            self.pool.withdraw(self.slot, number)
            return self.STOP
        return self.CONTINUE


def test_tunes_actors_serve_trials_in_turn_and_stopped_ones_leave_nothing(
    pool, store, tmp_path, monkeypatch
):
    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    slot = lend(pool)
    before = status(slot)["pids"]
    jobs = [
        assignment(60),
        assignment(61, epochs=40, rest_s=0.2),
        assignment(62, trouble="diverge"),
        assignment(63),
    ]
    configs = [{**trial_config(slot, store, [job]), "stop_at": 99} for job in jobs]
    configs[1]["stop_at"] = 2
    scheduler = StopAt(pool, slot)
    tune.Tuner(
        # No CPU, and on the head, where the slot is.
        tune.with_resources(TrialTrainable, {"node:__internal_head__": 0.001}),
        tune_config=tune.TuneConfig(
            search_alg=Listed(configs),
            scheduler=scheduler,
            num_samples=-1,
            max_concurrent_trials=1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path), name="tune", verbose=0),
    ).fit()
    pool.give_back(slot)
    ends = {number: reports[-1]["event"] for number, reports in scheduler.reports.items()}
    assert ends == {60: "finished", 61: "epoch", 62: "failed", 63: "finished"}
    assert all(r["trial"] == number for number, rs in scheduler.reports.items() for r in rs)
    assert status(slot)["pids"] == before

"""Short epochs that a worker tells of together, on a real slot, when the worker is killed."""

import pytest
from slot_driver import Trial, assignment, kill, lend, small_pool, status

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_a_worker_killed_between_two_bundles_costs_and_doubles_no_reported_epoch(
    ray_cluster, tmp_path
):
    pool = small_pool(tmp_path / "stages", report_every_s=0.6)
    pool.start()
    job = assignment(0, epochs=30, rest_s=0.1, decisions=(20,))
    trial = Trial(lend(pool), tmp_path / "stages", job)
    trial.until(lambda report: report["epoch"] >= 3)
    told = trial.epochs()
    assert told[-1] > 3, "epochs of a tenth of a second came together"
    slot = trial.trainable.config["slot"]
    kill(status(slot)["pids"][0])
    trial.run()
    notes = status(slot)["notes"]
    pool.close()
    assert any("loss 1 of 3" in note for note in notes), notes
    assert trial.epochs() == list(range(1, 31))
    assert trial.reports[-2]["metrics"]["val/total"] == sum(range(1, 31))
    starts = [epoch for event, epoch in trial.events() if event == "started"]
    assert starts[0] == 0
    assert starts[1] >= told[-1], "what was told of was saved"
    assert len(trial.pids()) == 2

"""A worker that hangs between two batches is replaced long before its epoch's time is up."""

from dataclasses import replace

import pytest
import slot_phases
from slot_driver import Trial, lend, small_pool, status

from trainables.assignment import Assignment, Stage

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_f15_a_worker_without_a_batch_is_replaced_and_its_trial_goes_on(ray_cluster, tmp_path):
    store = tmp_path / "stages"
    pool = small_pool(store, watchdog_s=3600.0, phases="hanging_phases:PHASES")
    pool._config = replace(pool._config, hang_s=3.0)
    pool.start()
    stage = Stage(
        key="f" * 64,
        label="hang",
        phase="hang",
        config={"mark": str(tmp_path / "mark")},
        parents={},
        data=slot_phases.stage_data(),
        seed=0,
        epochs=3,
    )
    trial = Trial(lend(pool), store, Assignment(trial=0, attempt=1, stage=stage))
    trial.run()
    assert trial.epochs() == [1, 2, 3]
    assert trial.reports[-1]["event"] == "finished"
    notes = status(trial.trainable.config["slot"])["notes"]
    pool.close()
    assert any("worker 0 worked on no batch for" in note for note in notes), notes

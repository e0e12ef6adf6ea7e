"""A slot that has served many trials holds no more memory than one that has served a few."""

import hashlib
from pathlib import Path

import pytest
from slot_driver import Trial, lend, status

from hpe.data.no_data import DIGEST
from hpe.phases.catalog import PHASES
from trainables.assignment import Assignment, Stage
from trainables.pool import SlotPool
from trainables.slot_config import SlotShape

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.soak]

SMALL, LARGE_BYTES = 4, 8_000_000
FEW, MANY, LARGE = 10, 60, 10


def job(trial: int, *, state_bytes: int) -> Assignment:
    config = PHASES["rehearse_last"].config.model_validate(
        {"epochs": 2, "load": {"state_bytes": state_bytes}}
    )
    stage = Stage(
        key=hashlib.sha256(f"memory {trial}".encode()).hexdigest(),
        label="rehearse_last",
        phase="rehearse_last",
        config=config.model_dump(mode="json"),
        parents={},
        data={"config": {"name": "none"}, "root": "", "digest": DIGEST},
        seed=trial,
        epochs=2,
    )
    return Assignment(trial=trial, attempt=1, stage=stage)


def anonymous_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("RssAnon:")]
    return int(line.split()[1]) * 1024


def test_memory_grows_by_less_than_a_tenth_over_many_trials(ray_cluster, tmp_path):
    store = tmp_path / "stages"
    pool = SlotPool(count=1, shape=SlotShape(cpus_per_worker=0.5), store_root=store)
    pool.start()
    slot = lend(pool)
    trial = Trial(slot, store, job(0, state_bytes=SMALL))
    sizes = [LARGE_BYTES] + (FEW - 1) * [SMALL] + MANY * [SMALL] + LARGE * [LARGE_BYTES]
    held = []
    for number, state_bytes in enumerate(sizes):
        reports = trial.reset(slot, store, job(number, state_bytes=state_bytes)).run()
        assert reports[-1]["event"] == "finished", reports
        if number == FEW - 1:
            pids = [status(slot)["pid"], *status(slot)["pids"].values()]
            held = [anonymous_bytes(pid) for pid in pids]
    assert [status(slot)["pid"], *status(slot)["pids"].values()] == pids, "it was started afresh"
    for before, pid in zip(held, pids, strict=True):
        assert anonymous_bytes(pid) < 1.1 * before, (before, anonymous_bytes(pid))
    pool.close()

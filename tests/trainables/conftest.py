"""A local Ray instance for tests of slots, which see the tiny phases of `slot_phases`."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from trainables.pool import SlotPool

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """Start a Ray instance for a module's tests, and end it before another starts its own."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    import ray  # noqa: PLC0415  reads the environment when it is imported

    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=True,  # Ray Train's placement group cleaner asks it
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(HERE)}},
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the stage store that `pool` uses."""
    return tmp_path_factory.mktemp("runs") / "stages"


@pytest.fixture(scope="module")
def pool(ray_cluster: None, store: Path) -> "Iterator[SlotPool]":
    """Keep one slot of one worker for a module's tests."""
    from slot_driver import small_pool  # noqa: PLC0415  imports ray, see above

    from trainables.slot_config import SlotShape  # noqa: PLC0415  likewise

    pool = small_pool(
        store,
        shape=SlotShape(threads=1),
        report_every_s=0.0,  # tests strike between epochs that are short
    )
    pool.start()
    yield pool
    pool.close()


@pytest.fixture
def slot(pool: "SlotPool") -> Iterator[str]:
    """Lend the slot to one test."""
    from slot_driver import lend  # noqa: PLC0415  imports ray, see above

    slot = lend(pool)
    yield slot
    pool.give_back(slot)

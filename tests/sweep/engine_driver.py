"""A driver of studies of tiny phases; as a program, one that tests may kill.

usage: python -m tests.sweep.engine_driver STUDY_JSON RUNS_DIR ADDRESS|local
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from sweep.book import Listener, open_book
from sweep.cluster import connected_cluster, local_cluster
from sweep.folders import RunsDir
from sweep.ledger import Ledger
from sweep.study import Study
from sweep.tuner import Machinery, run_study
from trainables.slot_config import SlotShape


def run(
    study: Study,
    runs_dir: Path,
    *,
    slots: int = 1,
    listeners: Sequence[Listener] = (),
    watchdog_s: float | None = None,
    module: str = "tests.sweep.engine_phases",
    phases_at: str | None = None,
) -> Ledger:
    """Run what is left of a study on the cluster this process is connected to.

    Args:
        study: The study.
        runs_dir: The runs folder.
        slots: Worker groups.
        listeners: Told of every record.
        watchdog_s: See `Machinery`.
        module: Has PHASES, SPACES and open_nothing.
        phases_at: Where workers look for the phases instead.
    """
    tiny = importlib.import_module(module)
    runs = RunsDir(runs_dir)
    folder = runs.study(study.name)
    machinery = Machinery(
        store_root=runs.stages,
        data={"config": {}, "root": "", "digest": "0" * 8},
        slots=slots,
        shape=SlotShape(cpus_per_worker=0.5),
        watchdog_s=watchdog_s,
        report_every_s=0.0,  # tests strike between epochs that are short
        phases=tiny.PHASES,
        phases_at=phases_at or f"{module}:PHASES",
        spaces=tiny.SPACES,
        opener=f"{module}:open_nothing",
    )
    with open_book(folder) as book:
        return run_study(
            study,
            book=book,
            machinery=machinery,
            folder=folder,
            lineage={"git": None},
            listeners=listeners,
        )


if __name__ == "__main__":
    is_local = sys.argv[3] == "local"
    with local_cluster(cpus=2) if is_local else connected_cluster(sys.argv[3]):
        run(Study.model_validate_json(sys.argv[1]), Path(sys.argv[2]))

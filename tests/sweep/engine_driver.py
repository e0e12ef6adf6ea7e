"""A driver of studies whose phases compute a formula; as a program, one that tests may kill.

usage: python -m tests.sweep.engine_driver STUDY_JSON RUNS_DIR ADDRESS|local
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from sweep.book import Listener, open_book
from sweep.cluster import connected_cluster, local_cluster
from sweep.folders import RunsDir
from sweep.ledger import Ledger
from sweep.study import Study
from sweep.tuner import Machinery, run_study
from tests.sweep.engine_phases import PHASES, SPACES
from trainables.pool import SlotShape


def run(
    study: Study,
    runs_dir: Path,
    *,
    slots: int = 1,
    listeners: Sequence[Listener] = (),
    phases_at: str = "tests.sweep.engine_phases:PHASES",
) -> Ledger:
    """Run what is left of a study on the cluster this process is connected to."""
    runs = RunsDir(runs_dir)
    folder = runs.study(study.name)
    machinery = Machinery(
        store_root=runs.stages,
        data={"config": {}, "root": "", "digest": "0" * 8},
        slots=slots,
        shape=SlotShape(cpus_per_worker=0.5),
        phases=PHASES,
        phases_at=phases_at,
        spaces=SPACES,
        opener="tests.sweep.engine_phases:open_nothing",
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

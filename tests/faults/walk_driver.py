"""A driver of studies of `walk_phase`; as a program, one that tests may kill and interrupt.

usage: python -m tests.faults.walk_driver STUDY_JSON RUNS_DIR
It tracks in MLflow, as the command does.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from hpe.phases.phase import PhaseInputs
from sweep.book import Listener
from sweep.cluster import ClusterLost, local_cluster
from sweep.folders import RunsDir
from sweep.interruption import Interrupted, terminable
from sweep.journal import read_journal
from sweep.ledger import Ledger, Record
from sweep.study import Study
from sweep.tracking import MlflowTracker
from sweep.trials import Trial
from sweep.tuner import StudyInterrupted
from tests.faults.walk_phase import WalkConfig, open_nothing, walk
from tests.sweep import engine_driver


def make_study(**changes: Any) -> Study:
    """Return a search of two trials beside one arm."""
    content = {
        "name": "walk",
        "question": "How fast may one walk?",
        "data": {"name": "nothing"},
        "plan": ["walk"],
        "space": "walk",
        "arms": {"slow": {"settings": {"walk/lr": 0.01}}},
        "objective": {"metric": "walk/val/error"},
        "search": {"sampler": "tpe", "trials": 2},
        "settings": {"walk/rest_s": 0.3},
        **changes,
    }
    return Study.model_validate(content)


def run(
    study: Study,
    runs_dir: Path,
    *,
    slots: int = 1,
    listeners: Sequence[Listener] = (),
    watchdog_s: float | None = None,
) -> Ledger:
    """Run what is left of a study on the cluster this process is connected to."""
    return engine_driver.run(
        study,
        runs_dir,
        slots=slots,
        listeners=listeners,
        watchdog_s=watchdog_s,
        module="tests.faults.walk_phase",
    )


def journal_of(runs_dir: Path) -> list[Record]:
    """Return the journal so far."""
    path = RunsDir(runs_dir).study("walk").journal
    return read_journal(path) if path.exists() else []


def is_undisturbed(trial: Trial) -> bool:
    """Say whether a trial reported what its phase reports where nothing happens, bit by bit."""
    (stage,) = trial.stages
    config = WalkConfig.model_validate({**stage.config, "rest_s": 0.0})
    data = open_nothing({"digest": "0" * 8})
    inputs = PhaseInputs(data=data, parents={}, seed=stage.seed, device=torch.device("cpu"))
    alone = [(report.epoch, dict(report.metrics)) for report in walk(config, inputs)]
    return [(epoch.epoch, dict(epoch.metrics)) for epoch in stage.epochs] == alone


def main() -> int:
    """Run the study on a cluster of this process's own and return the command's exit code."""
    runs = RunsDir(Path(sys.argv[2]))
    tracker = MlflowTracker(
        study="walk",
        uri=runs.mlflow_uri,
        memory=runs.study("walk").tracking,
        artifacts=runs.mlflow_artifacts.absolute(),
        past=journal_of(runs.root),
    )
    try:
        with terminable(), local_cluster(cpus=2):
            run(Study.model_validate_json(sys.argv[1]), runs.root, listeners=[tracker])
    except Interrupted as end:
        return end.exit_code
    except StudyInterrupted as end:
        return 128 + end.signum
    except ClusterLost as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        tracker.close(20.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())

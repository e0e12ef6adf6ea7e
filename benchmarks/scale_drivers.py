"""The drivers that `scale.py` watches beside the command: the peer, and the engine without Ray.

python benchmarks/scale_drivers.py tune ADDRESS TRIALS AT_A_TIME CPUS ENDS_FILE
python benchmarks/scale_drivers.py engine RUNS_FOLDER TRIALS AT_A_TIME
"""

import os
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import optuna
import ray
import torch
from ray import tune
from ray.tune.search.optuna import OptunaSearch

from hpe.data.catalog import data_config, data_root, open_data
from hpe.phases.catalog import PHASES
from search_spaces.space import SPACES
from sweep.book import open_book
from sweep.conductor import FINISHED, Conductor
from sweep.folders import RunsDir
from sweep.grid import space_of
from sweep.optuna_log import OptunaLog
from sweep.study_file import load_study
from sweep.tuner import Machinery
from trainables.assignment import Assignment, Directive, Event, SlotReport
from trainables.claims import Claims
from trainables.saved_states import History
from trainables.slot_config import SlotShape
from trainables.stage_data import open_stage_data
from trainables.stages import StageStore
from trainables.training import Seat, train_stage
from trainables.worker_group import News

SEED = 0


def empty_function(config: dict[str, Any]) -> None:
    """Do what the study's phases do: report once for each of two phases."""
    for epoch in (1, 2):
        tune.report({"error": (config["x"] - 0.3) ** 2 + 1 / epoch})


class Ends(tune.Callback):  # type: ignore[misc]  # Ray leaves it untyped
    """Writes down when trials ended."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:  # noqa: ARG002  Tune's interface
        """Take note of the time."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{time.time()}\n")


def run_tune(address: str, *, trials: int, at_a_time: int, cpus: int, ends: Path) -> None:
    """Run no-op trials under Tune with Optuna, as documented, on actors that are reused.

    Args:
        address: The cluster.
        trials: How many.
        at_a_time: How many at once.
        cpus: Cores that each asks for.
        ends: Where to write when each ended.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ray.init(address=address, log_to_driver=False)
    space = {
        "x": tune.uniform(0.0, 1.0),
        "y": tune.uniform(0.0, 1.0),
        "rate": tune.loguniform(1e-4, 1.0),
    }
    with tempfile.TemporaryDirectory() as folder:
        results = tune.Tuner(
            tune.with_resources(empty_function, {"CPU": cpus}),
            param_space=space,
            tune_config=tune.TuneConfig(
                metric="error",
                mode="min",
                search_alg=OptunaSearch(sampler=optuna.samplers.RandomSampler(seed=SEED)),
                num_samples=trials,
                max_concurrent_trials=at_a_time,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                storage_path=folder, name="peer", verbose=0, callbacks=[Ends(ends)]
            ),
        ).fit()
    ray.shutdown()
    assert results.num_errors == 0


class StoodInSlots:
    """Slots that are ready whenever they are not lent."""

    def __init__(self, count: int) -> None:
        self._free = deque(f"slot-{index}" for index in range(count))

    def lend(self, wanted: int) -> str | None:
        """See `sweep.resources.Slots`."""
        return self._free.popleft() if wanted > 0 and self._free else None

    def give_back(self, slot: str) -> None:
        """See `sweep.resources.Slots`."""
        self._free.append(slot)

    def withdraw(self, slot: str, trial: int) -> None:
        """Do nothing: a trial that is over is asked for no more reports."""

    def is_free(self, slot: str) -> bool:
        """Say whether it is not lent."""
        return slot in self._free

    def poll(self) -> list[str]:
        """Return nothing: these need no care."""
        return []


class Desk:
    """Collects what a worker would tell its slot; nobody has it wait or stop."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self.reports: list[dict[str, Any]] = []

    def begin(self, epoch: int, history: History) -> Directive:  # noqa: ARG002  the protocol's
        """See `trainables.training.Desk`."""
        self._tell(Event.STARTED, epoch)
        return Directive.CONTINUE

    def working(self, beat: int, on_batches: bool) -> None:
        """Tell nobody: there is no watchdog."""

    def report(self, epochs: News) -> Directive:
        """See `trainables.training.Desk`."""
        for epoch, metrics in epochs:
            self._tell(Event.EPOCH, epoch, metrics)
        return Directive.CONTINUE

    def finish(self, history: History) -> None:  # noqa: ARG002  the protocol's
        """See `trainables.training.Desk`."""
        event = Event.FINISHED if self.reports else Event.REUSED
        self._tell(event, self._assignment.stage.epochs)

    def _tell(self, event: Event, epoch: int, metrics: Mapping[str, float] | None = None) -> None:
        assignment = self._assignment
        report = SlotReport(
            assignment=assignment.id,
            seq=len(self.reports),
            event=event,
            epoch=epoch,
            epochs=assignment.stage.epochs,
            metrics=metrics or {},
        )
        numbers = {"trial": assignment.trial, "attempt": assignment.attempt}
        self.reports.append({**asdict(report), **numbers, "label": assignment.stage.label})


def reports_of(config: Mapping[str, Any], store: StageStore) -> Iterator[dict[str, Any]]:
    """Train a trial's stages in this process, each when its first report is asked for."""
    for data in config["assignments"]:
        assignment = Assignment.from_json(data)
        desk = Desk(assignment)
        train_stage(
            assignment,
            store=store,
            phases=PHASES,
            open_data=open_stage_data,
            desk=desk,
            seat=Seat(rank=0, world_size=1, device=torch.device("cpu")),
            lineage={},
        )
        yield from desk.reports


def run_engine(runs: RunsDir, *, trials: int, at_a_time: int) -> None:
    """Run the study `overhead` with stood-in slots, whichever of which is fast just now."""
    study = load_study("overhead", trials=trials, sets=("search/sampler=random",))
    config = data_config(study.data)
    root = data_root(config, data_dir=None, made_dir=runs.data)
    data = {
        "config": config.model_dump(mode="json"),
        "root": str(root.resolve()),
        "digest": open_data(config, root).digest,
    }
    machinery = Machinery(runs.stages.resolve(), data=data, slots=at_a_time, shape=SlotShape())
    store, folder = StageStore(machinery.store_root), runs.study(study.name)
    store.root.mkdir(parents=True)
    with (
        open_book(folder) as book,
        closing(OptunaLog(folder.optuna_log, study)) as copy,
        closing(Claims(store.root)) as claims,
    ):
        book.listen(copy)
        conductor = Conductor(
            study,
            phases=PHASES,
            space=space_of(study, SPACES),
            stages_of=machinery.stages_of,
            stages=store,
            slots=StoodInSlots(at_a_time),
            num_slots=at_a_time,
            store_root=str(store.root),
            book=book,
            claims=claims,
        )
        conductor.open({})
        _play(conductor, store, random.Random(SEED))
        conductor.close()


def _play(conductor: Conductor, store: StageStore, chance: random.Random) -> None:
    """Keep the slots full; let one running trial after another, by chance, report its next."""
    running: dict[int, tuple[int, Iterator[dict[str, Any]]]] = {}
    while True:
        while isinstance(config := conductor.next_config(), dict):
            running[config["trial"]] = (config["attempt"], reports_of(config, store))
        if not running:
            assert config == FINISHED
            return
        number = chance.choice(list(running))
        attempt, reports = running[number]
        if conductor.on_reports(number, attempt, [next(reports)]):
            del running[number]


def main() -> None:
    """Run the driver that is asked for."""
    match sys.argv[1:]:
        case ["tune", address, trials, at_a_time, cpus, ends]:
            run_tune(
                address,
                trials=int(trials),
                at_a_time=int(at_a_time),
                cpus=int(cpus),
                ends=Path(ends),
            )
        case ["engine", runs, trials, at_a_time]:
            run_engine(RunsDir(Path(runs)), trials=int(trials), at_a_time=int(at_a_time))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()

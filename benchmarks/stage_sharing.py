"""Count the optimizer steps of a study whose trials share a pretraining, with sharing and without.

The study is `label_fractions`: one pretraining per seed x 4 label fractions x 3 seeds, with the
real phases on a small rendered data set. Shared: the study as it is run, by conductor, Tune and
warm slots. Sharing off: every trial alone, its stages trained one after another in this process
into a store of its own, so that nothing is found and no slot has a past. Every process counts the
steps its optimizers take and writes the count down when a phase ends, however it ends; so work done
twice counts twice. The minimal tree is one run of each stage that differs from all others.

Claim: sharing executes at most 1.02 times the steps of the minimal tree, and every metric of every
epoch of every trial equals the unshared one to the bit (CPU).

    python benchmarks/stage_sharing.py [--slots 2]
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from hpe.data.catalog import data_config, open_data, prepare_data
from hpe.phases import catalog
from hpe.phases.phase import Phase, PhaseFunction, PhaseInputs, State
from sweep.book import open_book
from sweep.cluster import local_cluster
from sweep.folders import RunsDir
from sweep.points import arm_point
from sweep.study import Study
from sweep.study_file import load_study
from sweep.trials import TrialState
from sweep.tuner import Machinery, run_study
from trainables.assignment import Assignment, Directive
from trainables.clean_room import CleanRoom
from trainables.keys import canonical_json
from trainables.saved_states import History
from trainables.slot_config import SlotShape
from trainables.stage_data import open_stage_data
from trainables.stages import StageStore
from trainables.training import Seat, train_stage
from trainables.worker_group import News

COUNTS = (
    "STAGE_SHARING_COUNTS"  # the workers' phases are found by name, so no argument reaches them
)
SMALL = (
    "data/image_px=64",
    "data/unlabelled=192",
    "data/train=160",
    "data/val=32",
    "data/test=8",
    "pretrain/encoder/width=8",
    "pretrain/epochs=4",
    "pretrain/batch_size=16",
    "pretrain/probe/labels=32",
    "pretrain/probe/val_samples=32",
    "pretrain/precision=fp32",
    "finetune/batch_size=16",
    "finetune/epochs=2",
    "finetune/steps_per_epoch=8",
    "finetune/precision=fp32",
)


def counted(run: PhaseFunction) -> PhaseFunction:
    """Return the same phase, which writes down how many steps its optimizers took."""

    @wraps(run)
    def counting(config: Any, inputs: PhaseInputs, resume: State | None = None) -> Phase:
        steps = 0

        def count(*_: Any) -> None:
            nonlocal steps
            steps += 1

        hook = register_optimizer_step_post_hook(count)
        try:
            return (yield from run(config, inputs, resume))
        finally:
            hook.remove()
            line = {"stage": [inputs.seed, config.model_dump(mode="json")], "steps": steps}
            with Path(os.environ[COUNTS]).open("a") as file:
                file.write(canonical_json(line) + "\n")

    return counting


PHASES = {name: replace(spec, run=counted(spec.run)) for name, spec in catalog.PHASES.items()}


Metrics = Mapping[tuple[str | None, int, str, int], Mapping[str, float]]
"""(arm, seed, label, epoch) -> what was reported."""


@dataclass(frozen=True)
class Outcome:
    """What runs of the study did.

    Attributes:
        steps: Optimizer steps of all workers, by stage (as JSON), each time it was run.
        metrics: Every metric of every epoch.
    """

    steps: list[tuple[str, int]]
    metrics: Metrics

    @property
    def total(self) -> int:
        """Return all steps that were executed."""
        return sum(steps for _, steps in self.steps)

    @property
    def stages(self) -> int:
        """Return how many stages were trained, those trained again counted again."""
        return len(self.steps)

    @property
    def minimal(self) -> int:
        """Return the steps of running each different stage once."""
        return sum(dict(self.steps).values())


@dataclass
class NoDesk:
    """Takes a worker's messages where there is no slot."""

    def begin(self, epoch: int, history: History) -> Directive:  # noqa: ARG002  `training.Desk`
        """Go on."""
        return Directive.CONTINUE

    def working(self, beat: int, on_batches: bool) -> None:
        """Take note of nothing."""

    def report(self, epochs: News) -> Directive:  # noqa: ARG002
        """Go on."""
        return Directive.CONTINUE

    def finish(self, history: History) -> None:
        """Take note of nothing."""


def run_shared(study: Study, machinery: Machinery, runs: RunsDir) -> Metrics:
    """Run the study, and return what the journal has of it."""
    folder = runs.study(study.name)
    with open_book(folder) as book:
        ledger = run_study(study, book=book, machinery=machinery, folder=folder, lineage={})
    for trial in ledger.trials.values():
        assert trial.state is TrialState.COMPLETE, trial.message
    return {
        (trial.arm, trial.seed, stage.label, epoch.epoch): epoch.metrics
        for trial in ledger.trials.values()
        for stage in trial.stages
        for epoch in stage.epochs
    }


def run_alone(study: Study, machinery: Machinery, stores: Path) -> Metrics:
    """Train every trial with a store of its own, and return what the stores have of it."""
    metrics: dict[tuple[str | None, int, str, int], Mapping[str, float]] = {}
    room = CleanRoom(threads=machinery.shape.threads)
    for arm, seed in itertools.product(study.arms, study.seeds.trials):
        store = StageStore(stores / f"{arm}-{seed}")
        for stage in machinery.stages_of(arm_point(study, arm, machinery.phases), seed):
            room.restore(stage.seed)
            train_stage(
                Assignment(trial=0, attempt=1, stage=stage),
                store=store,
                phases=machinery.phases,
                open_data=open_stage_data,
                desk=NoDesk(),
                seat=Seat(rank=0, world_size=1, device=torch.device("cpu")),
                lineage={},
            )
            for entry in store.metrics(stage.key):
                metrics[arm, seed, stage.label, entry["epoch"]] = entry["metrics"]
    return metrics


def steps_of(run: Callable[[], Metrics]) -> Outcome:
    """Run something and return what it did."""
    counts = Path(os.environ[COUNTS])
    counts.write_text("")
    metrics = run()
    lines = [json.loads(line) for line in counts.read_text().splitlines()]
    return Outcome([(canonical_json(line["stage"]), line["steps"]) for line in lines], metrics)


def main() -> int:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--slots", type=int, default=2)
    slots: int = parser.parse_args().slots
    study = load_study("label_fractions", sets=SMALL)
    with tempfile.TemporaryDirectory(prefix="stage-sharing-") as name:
        folder = Path(name)
        os.environ[COUNTS] = str(folder / "counts.jsonl")
        config = data_config(study.data)
        prepare_data(config, folder / "data", processes=2, progress=lambda *_: None)
        digest = open_data(config, folder / "data").digest
        data = {
            "config": config.model_dump(mode="json"),
            "root": str(folder / "data"),
            "digest": digest,
        }
        runs = RunsDir(folder / "runs")
        machinery = Machinery(
            store_root=runs.stages,
            data=data,
            slots=slots,
            shape=SlotShape(threads=1),
            phases=PHASES,
            phases_at="stage_sharing:PHASES",
        )
        unshared = steps_of(lambda: run_alone(study, machinery, folder / "alone"))
        with local_cluster(cpus=slots):
            shared = steps_of(lambda: run_shared(study, machinery, runs))
    print(f"{len(study.arms)} label fractions x {len(study.seeds.trials)} seeds, {slots} slots\n")
    print(f"{'':<30}{'stages trained':>16}{'steps executed':>16}{'of minimal tree':>17}")
    minimal = unshared.minimal
    for title, outcome in (("shared", shared), ("sharing off", unshared)):
        share = f"{outcome.total / minimal:.3f}x"
        print(f"{title:<30}{outcome.stages:>16}{outcome.total:>16}{share:>17}")
    print(f"{'minimal tree':<30}{len(dict(unshared.steps)):>16}{minimal:>16}{'1.000x':>17}")
    same = sum(shared.metrics.get(at) == values for at, values in unshared.metrics.items())
    is_same = shared.metrics == unshared.metrics
    print(f"\nbit-equal epochs: {same} of {len(unshared.metrics)}")
    return 0 if is_same and shared.total <= 1.02 * minimal else 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
    )
    sys.exit(main())

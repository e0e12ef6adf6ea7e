"""A runs folder in which studies were run, for what looks after runs folders."""

import torch

from hpe.phases.phase import Artifacts
from sweep.folders import RunsDir
from sweep.journal import Journal
from sweep.ledger import FIRST_REPLICATE
from trainables.assignment import Stage
from trainables.stages import StageStore


def key_of(name):
    return name.encode().hex().ljust(64, "0")


class Lab:
    """A runs folder in which studies were run."""

    def __init__(self, root):
        self.runs = RunsDir(root)
        self.store = StageStore(self.runs.stages)

    def stage(self, name, **parents):
        return Stage(
            key=key_of(name),
            label=name,
            phase="phase",
            config={},
            parents={phase: key_of(parent) for phase, parent in parents.items()},
            data={},
            seed=0,
            epochs=2,
        )

    def finish(self, name, **parents):
        artifacts = Artifacts(tensors={"net": {"w": torch.zeros(100)}})
        self.store.commit(self.stage(name, **parents), artifacts, [], lineage={})

    def begin(self, name):
        self.store.save_state(self.stage(name), {"epoch": 1}, epoch=1, history=[])

    def study(self, name, trials, *, replicates=(), **study):
        """Write a journal; `trials` is (state, stages) or (state, stages, stages it began with).

        `replicates` are of trial 0 and as `trials`.
        """
        folder = self.runs.study(name)
        folder.root.mkdir(parents=True)
        with Journal(folder.journal) as journal:
            journal.open()
            journal.append([{"kind": "study", "study": study, "lineage": {}, "time_s": 0.0}])
            for number, (state, *plans) in enumerate(trials):
                journal.append(list(_trial(number, state, *plans)))
            for number, (state, *plans) in enumerate(replicates, start=FIRST_REPLICATE):
                journal.append(list(_trial(number, state, *plans, replicate_of=0)))
        return folder

    def stages(self):
        return {
            bytes.fromhex(path.name.rstrip("0")).decode()
            for path in self.runs.stages.iterdir()
            if len(path.name) == 64
        }


def _trial(number, state, plan, first=None, replicate_of=None):
    yield {
        "kind": "trial",
        "number": number,
        "replicate_of": replicate_of,
        "arm": "a",
        "seed": 0,
        "params": {},
        "distributions": {},
        "settings": {},
        "stages": _entries(first or plan),
        "time_s": 0.0,
    }
    if first:
        yield {"kind": "restage", "trial": number, "stages": _entries(plan), "time_s": 0.0}
    if state != "RUNNING":
        end = {"objective": None, "error_class": None, "message": None}
        yield {"kind": "end", "trial": number, "state": state, **end, "time_s": 0.0}


def _entries(plan):
    return [
        {"label": name, "key": key_of(name), "phase": name, "epochs": 2, "config": {}, "seed": 0}
        for name in plan
    ]

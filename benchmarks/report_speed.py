"""How long a report of many trials takes to build, and what the landscape figures add to it.

    python benchmarks/report_speed.py [--trials 1000] [--repeats 3]

The journal is made up: a search over ten parameters, two of them conditional, with arms, stopped
and failed trials, and epochs of two phases with their whole configurations. Compositions are drawn
on rendered hands, and predictions of the best trial and its control from a store in memory;
replicates and ablation there are none. Prints one line of JSON: median seconds with and without the
figures below the leaderboard, and their ratio; seconds of the process's own core time, so that
other work on the machine does not count, and of the clock on the wall.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402 - after the path is right
import torch  # noqa: E402 - the same
from optuna.distributions import (  # noqa: E402 - after the path is right
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    distribution_to_json,
)

from benchmarks.result_table import show_result  # noqa: E402 - the same
from hpe.data.catalog import data_config, open_data, prepare_data  # noqa: E402 - the same
from hpe.data.hands import HandData, HandSample  # noqa: E402 - the same
from hpe.data.opened import SPLITS  # noqa: E402 - the same
from hpe.models.encoders import EncoderConfig, build_encoder  # noqa: E402 - the same
from hpe.phases.catalog import PHASES  # noqa: E402 - the same
from hpe.phases.phase import Artifacts  # noqa: E402 - the same
from sweep.ledger import Ledger, Record  # noqa: E402 - the same
from sweep.report import write_report, writing  # noqa: E402 - the same
from sweep.report.landscape import Landscape  # noqa: E402 - the same
from sweep.study import Study  # noqa: E402 - the same

EPOCHS = {"pretrain": 10, "finetune": 10}
CONFIGS = {label: PHASES[label].config().model_dump(mode="json") for label in EPOCHS}
OPERATIONS = ("rotate", "blur")
SPACE: dict[str, BaseDistribution] = {
    "pretrain/loss/temperature": FloatDistribution(0.05, 1.0, log=True),
    "finetune/optimizer/lr": FloatDistribution(1e-5, 1e-1, log=True),
    "pretrain/optimizer/name": CategoricalDistribution(["adam", "lars"]),
    **{f"pretrain/augment/{o}/enabled": CategoricalDistribution([True, False]) for o in OPERATIONS},
    **{f"pretrain/augment/{o}/strength": FloatDistribution(0.0, 1.0) for o in OPERATIONS},
    **{f"pretrain/augment/p{i}": FloatDistribution(0.0, 1.0) for i in range(3)},
}
STUDY: dict[str, Any] = {
    "name": "many_trials",
    "question": "How long does a report take?",
    "data": {"name": "rendered_hands", "train": 1000},
    "plan": list(EPOCHS),
    "space": "composition",
    "arms": {"peclr": {}},
    "objective": {"metric": "finetune/val/root_epe_mm", "direction": "minimize"},
    "seeds": {"study": 0, "trials": [0]},
}


def main() -> None:
    """Build the report both ways and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write the line to results/")
    options = parser.parse_args()
    study = {**STUDY, "search": {"sampler": "tpe", "trials": options.trials}}
    records = list(_records(study, options.trials))
    data = _rendered_hands()
    _timed_s(records, data)  # imports, fonts
    full = [_timed_s(records, data) for _ in range(options.repeats)]
    with mock.patch.object(writing, "landscape_of", lambda *_: Landscape((), None)):
        bare = [_timed_s(records, data) for _ in range(options.repeats)]
    core_s, wall_s = (statistics.median(seconds) for seconds in zip(*full, strict=True))
    bare_core_s, bare_wall_s = (statistics.median(seconds) for seconds in zip(*bare, strict=True))
    record = {
        "trials": options.trials,
        "report_core_s": round(core_s, 2),
        "report_wall_s": round(wall_s, 2),
        "without_landscape_core_s": round(bare_core_s, 2),
        "without_landscape_wall_s": round(bare_wall_s, 2),
        "ratio": round(core_s / bare_core_s, 2),
    }
    show_result("report_speed", __doc__, [json.dumps(record)], write=options.write, as_text=True)


class Store:
    """A stage store in which every stage left the same predictions, and an encoder as it began."""

    def __init__(self, hands: Sequence[HandSample]) -> None:
        keypoints_px = torch.tensor(np.stack([hand.keypoints_px for hand in hands]))
        joints_m = torch.tensor(np.stack([hand.joints_m for hand in hands]))
        predictions = {
            "images": torch.tensor(np.stack([hand.image for hand in hands])),
            "keypoints_px": keypoints_px,
            "predicted_px": keypoints_px + 3.0,
            "joints_m": joints_m,
            "predicted_m": joints_m * 1.1,
        }
        weights = dict(build_encoder(EncoderConfig(name="resnet18"), seed=0).state_dict())
        self._artifacts = Artifacts({"encoder": weights, "predictions": predictions})

    def metrics(self, key: str) -> list[dict[str, Any]]:
        """Know of no epochs but those in the journal."""
        raise FileNotFoundError(key)

    def artifacts(self, key: str) -> Artifacts:  # noqa: ARG002  the same of all
        """Return what every stage left."""
        return self._artifacts


def _rendered_hands() -> HandData:
    config = data_config({"name": "rendered_hands", **dict.fromkeys(SPLITS, 16)})
    with tempfile.TemporaryDirectory() as folder:
        prepare_data(config, Path(folder), processes=1, progress=lambda *_: None)
        data = open_data(config, Path(folder))
        splits = {
            name: [split[i] for i in range(len(split))] for name, split in data.splits.items()
        }
        return replace(data, splits=splits)


def _timed_s(records: Sequence[Record], data: HandData) -> tuple[float, float]:
    """Return the seconds of a core and of the clock that writing the report takes."""
    ledger = Ledger(records)
    study = Study.model_validate(ledger.study)
    store = Store([data.splits["test"][index] for index in range(16)])
    with tempfile.TemporaryDirectory() as folder:
        core_s, wall_s = time.process_time(), time.perf_counter()
        write_report(
            ledger, study, Path(folder) / "report", store=store, data=data, records=records
        )
        return time.process_time() - core_s, time.perf_counter() - wall_s


def _records(study: dict[str, Any], num_trials: int) -> Iterator[Record]:
    """Yield a journal: a trial in five stopped early, one in fifty failed."""
    rng = random.Random(0)
    yield {"kind": "study", "time_s": 0.0, "study": study, "lineage": {}}
    yield {"kind": "session", "time_s": 0.0, "event": "opened", "host": "here", "pid": 1}
    for number in range(num_trials):
        for second, record in enumerate(_trial(number, rng)):
            yield {"time_s": 100.0 * number + second, **record}


def _trial(number: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    params = _point(rng)
    state = "FAIL" if number % 50 == 49 else "PRUNED" if number % 5 == 4 else "COMPLETE"
    ends_in = {"FAIL": "pretrain", "PRUNED": "finetune", "COMPLETE": ""}[state]
    stages = [
        {
            "label": label,
            "key": f"{number:05d}{label}".ljust(64, "0"),
            "phase": label,
            "epochs": epochs,
            "config": CONFIGS[label],
            "seed": number,
        }
        for label, epochs in EPOCHS.items()
    ]
    yield {
        "kind": "trial",
        "number": number,
        "arm": "peclr" if number == 0 else None,
        "seed": 0,
        "params": params,
        "distributions": {path: distribution_to_json(SPACE[path]) for path in params},
        "settings": params,
        "stages": stages,
    }
    error_mm = 40 + 10 * params["pretrain/loss/temperature"] + rng.gauss(0, 1.0)
    error_mm -= 5 * params["pretrain/augment/rotate/enabled"]
    for label, epochs in EPOCHS.items():
        about = {"trial": number, "label": label}
        yield {"kind": "stage", **about, "status": "running", "resumed_from": 0}
        last = 3 if label == ends_in else epochs
        for epoch in range(1, last + 1):
            value = error_mm + 20 / epoch
            name = "val/probe_root_epe_mm" if label == "pretrain" else "val/root_epe_mm"
            metrics = {"train/loss": value / 50, name: value}
            yield {"kind": "epoch", **about, "epoch": epoch, "metrics": metrics}
        if label == ends_in:
            break
        yield {"kind": "stage", **about, "status": "done", "resumed_from": 0}
    yield {
        "kind": "end",
        "trial": number,
        "state": state,
        "objective": error_mm if state == "COMPLETE" else None,
        "error_class": "diverged" if state == "FAIL" else None,
        "message": "train/loss is nan in epoch 3." if state == "FAIL" else None,
    }


def _point(rng: random.Random) -> dict[str, Any]:
    params: dict[str, Any] = {
        "pretrain/loss/temperature": 0.05 * 20 ** rng.random(),
        "finetune/optimizer/lr": 1e-5 * 10 ** (4 * rng.random()),
        "pretrain/optimizer/name": rng.choice(["adam", "lars"]),
        **{f"pretrain/augment/p{i}": rng.random() for i in range(3)},
    }
    for operation in OPERATIONS:
        enabled = rng.random() < 0.5
        params[f"pretrain/augment/{operation}/enabled"] = enabled
        if enabled:
            params[f"pretrain/augment/{operation}/strength"] = rng.random()
    return params


if __name__ == "__main__":
    main()

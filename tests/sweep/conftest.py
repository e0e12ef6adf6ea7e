"""Journals of studies that never ran, for what reads journals."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

Records = list[dict[str, Any]]

START_S = 1_800_000_000.0
EPOCHS = {"pretrain": 4, "finetune": 3}
TEMPLATE_MM = 70.0


class JournalScript:
    """Writes the records a driver would write, with a clock of its own."""

    def __init__(self, study: dict[str, Any]) -> None:
        self.records: Records = []
        self.time_s = START_S
        lineage = {
            "git": {"commit": "0123abcd" * 5, "dirty": False},
            "packages": {"torch": "2.13.0", "ray": "2.60.0"},
            "lock": {"ray": "2.60.0", "torch": "2.13.0", "triton": "3.6.0"},
            "data": {"digest": "d" * 64, "train": 1000},
            "hardware": {"cpu": "2 cores"},
        }
        self.write("study", study=study, lineage=lineage)
        self.write("session", event="opened", host="lab", pid=1)

    def slots(self, *, workers: int = 1, cores: int = 2, gpus: float = 0.0) -> "JournalScript":
        """Have trials run on such slots from here on; of each worker its cores and GPUs."""
        last = next(r for r in reversed(self.records) if r["kind"] == "study")
        slots = {"workers": workers, "cpus_per_worker": cores, "gpus_per_worker": gpus}
        self.write("study", study=last["study"], lineage={**last["lineage"], "slots": slots})
        return self

    def write(self, kind: str, **values: Any) -> None:
        """Append a record and let a second pass."""
        self.records.append({"kind": kind, "time_s": self.time_s, **values})
        self.time_s += 1.0

    def trial(
        self,
        number: int,
        *,
        arm: str | None = None,
        seed: int = 0,
        params: dict[str, Any] | None = None,
        plan: Sequence[str] = ("pretrain", "finetune"),
        state: str = "COMPLETE",
        error_mm: float = 50.0,
        reused: Sequence[str] = (),
        stop_at: tuple[str, int] | None = None,
        keys: dict[str, str] | None = None,
    ) -> None:
        """Write a whole trial; `stop_at` names the phase and epoch after which it ends."""
        params = params or {}
        stages = [
            {
                "label": label,
                "key": (keys or {}).get(label, f"{number:02d}{label}".ljust(64, "0")),
                "phase": label,
                "epochs": EPOCHS[label],
                "config": {"epochs": EPOCHS[label]},
                "seed": 1000 + seed,
            }
            for label in plan
        ]
        self.write(
            "trial",
            number=number,
            arm=arm,
            seed=seed,
            params=params,
            distributions={},
            settings={"finetune/epochs": 3, **params},
            stages=stages,
        )
        self.write("attempt", trial=number, attempt=1)
        objective = self._run(number, plan, reused=reused, stop_at=stop_at, error_mm=error_mm)
        self.write(
            "end",
            trial=number,
            state=state,
            objective=objective if state == "COMPLETE" else None,
            error_class="diverged" if state == "FAIL" else None,
            message="train/loss is nan in epoch 2." if state == "FAIL" else None,
        )

    def _run(
        self,
        number: int,
        plan: Sequence[str],
        *,
        reused: Sequence[str],
        stop_at: tuple[str, int] | None,
        error_mm: float,
    ) -> float:
        for label in plan:
            if label in reused:
                self.write("stage", trial=number, label=label, status="reused", resumed_from=0)
                continue
            self.write("stage", trial=number, label=label, status="running", resumed_from=0)
            for epoch in range(1, EPOCHS[label] + 1):
                value = error_mm + 12.0 * (EPOCHS[label] - epoch)
                self._epoch(number, label, epoch, value)
                if stop_at == (label, epoch):
                    self.write(
                        "rung",
                        trial=number,
                        label=label,
                        rung=0,
                        epoch=epoch,
                        value=value,
                        decision="stop",
                    )
                    return value
            self.write("stage", trial=number, label=label, status="done", resumed_from=0)
        return error_mm

    def _epoch(self, number: int, label: str, epoch: int, value: float) -> None:
        metrics = {
            "pretrain": {"train/loss": 5.0 - 0.3 * epoch, "val/probe_root_epe_mm": 1.1 * value},
            "finetune": {
                "train/loss": 2.0 / epoch,
                "val/root_epe_mm": value,
                "val/template_root_epe_mm": TEMPLATE_MM,
            },
        }[label]
        self.write("epoch", trial=number, label=label, epoch=epoch, metrics=metrics)


def _study(**changes: Any) -> dict[str, Any]:
    return {
        "name": "toy",
        "question": "Which augmentations help?",
        "data": {"name": "rendered_hands", "train": 1000},
        "plan": ["pretrain", "finetune"],
        "settings": {"finetune/epochs": 3},
        "space": "composition",
        "arms": {"no_pretraining": {"plan": ["finetune"]}, "peclr": {}},
        "objective": {"metric": "finetune/val/root_epe_mm", "direction": "minimize"},
        "search": {"sampler": "tpe", "trials": 8},
        "seeds": {"study": 0, "trials": [0]},
        **changes,
    }


def of_two_versions(script: JournalScript) -> Records:
    """Return a study whose best trial was trained by other code than those after it."""
    script.trial(0, error_mm=40.0)
    first = script.records[0]
    git = {"commit": "fedcba987654" * 4, "dirty": False}
    script.write("study", study=first["study"], lineage={**first["lineage"], "git": git})
    script.write("session", event="opened", host="lab", pid=2)
    script.trial(1, error_mm=50.0)
    script.trial(2, error_mm=51.0)
    script.write("session", event="closed", host="lab", pid=2)
    return script.records


@pytest.fixture
def journal_script() -> Callable[..., JournalScript]:
    """Start a journal; keyword arguments change the study."""
    return lambda **changes: JournalScript(_study(**changes))


@pytest.fixture
def searched_records(journal_script: Callable[..., JournalScript]) -> Records:
    """A small search: two arms, eight points, of which one fails and two are stopped early."""
    script = journal_script()
    rng = random.Random(0)
    script.trial(0, arm="no_pretraining", plan=("finetune",), error_mm=58.0)
    script.trial(1, arm="peclr", error_mm=54.0, params={"pretrain/augment/rotate/enabled": True})
    for number in range(2, 10):
        turned = rng.random() < 0.6
        params: dict[str, Any] = {
            "pretrain/augment/rotate/enabled": turned,
            "pretrain/loss/temperature": round(rng.uniform(0.1, 1.0), 3),
            "pretrain/optimizer/name": rng.choice(["adam", "lars"]),
        }
        if turned:
            params["pretrain/augment/rotate/max_deg"] = round(rng.uniform(10, 180), 1)
        error_mm = 60 - 9 * turned + rng.uniform(-3, 3)
        if number == 4:
            script.trial(
                number, params=params, state="FAIL", error_mm=error_mm, stop_at=("pretrain", 1)
            )
        elif number in (5, 8):
            script.trial(
                number, params=params, state="PRUNED", error_mm=75.0, stop_at=("finetune", 1)
            )
        else:
            reused = ("pretrain",) if number == 9 else ()
            script.trial(number, params=params, error_mm=error_mm, reused=reused)
    script.write("note", message="slot 1 was replaced: its worker ended.")
    script.write("session", event="closed", host="lab", pid=1)
    return script.records


@pytest.fixture
def compared_records(journal_script: Callable[..., JournalScript]) -> Records:
    """Three arms by three seeds with differences that can be worked out by hand."""
    script = journal_script(
        space=None,
        search={"sampler": "tpe", "trials": 0},
        arms={"none": {"plan": ["finetune"]}, "simclr": {}, "peclr": {}},
        seeds={"study": 0, "trials": [0, 1, 2]},
    )
    errors = {"none": [56.0, 58.0, 57.0], "simclr": [53.0, 54.0, 55.0], "peclr": [52.5, 55.5, 54.0]}
    number = 0
    for arm, values in errors.items():
        plan = ("finetune",) if arm == "none" else ("pretrain", "finetune")
        for seed, error_mm in enumerate(values):
            script.trial(number, arm=arm, seed=seed, plan=plan, error_mm=error_mm)
            number += 1
    script.write("session", event="closed", host="lab", pid=1)
    return script.records

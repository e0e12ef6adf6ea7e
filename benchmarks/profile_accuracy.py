"""How well `--dry-run --profile` foretells what a study takes, beside what people do by hand.

Claim: the hours it prints before anything runs hold between their bounds. Method: a small study
(two arms and three searched points, pretraining and finetuning) is profiled, then run, on an idle
machine; the slot seconds and the wall clock are those of its journal. The alternative is the usual
guess: wait for the first trial, then multiply by the number of trials. Also printed are the two
constants of `sweep/pricing/profile.py`: seconds until the first stage starts, and from one trial's
end to the next one's start on a slot.

Run from the repository's root: `python benchmarks/profile_accuracy.py [--slots 1]` (5 minutes).
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console

from sweep.job import make_job
from sweep.journal import read_journal
from sweep.ledger import Ledger, Record
from sweep.machine import see_machine
from sweep.options import parse_options
from sweep.pricing.estimate import Interval, Price
from sweep.pricing.profile import BETWEEN_TRIALS_S, SESSION_START_S, profile_study
from sweep.slot_fit import fit_slots, resources_here
from sweep.study_file import load_study

ROOT = Path(__file__).resolve().parent.parent

STUDY = """\
question: How well is the price of this study foretold?
data: {name: rendered_hands, image_px: 64, unlabelled: 1200, train: 300, val: 100, test: 50}
plan: [pretrain, finetune]
settings:
  pretrain/epochs: 3
  pretrain/image_px: 48
  pretrain/batch_size: 64
  finetune/epochs: 3
  finetune/image_px: 48
  finetune/steps_per_epoch: 20
space: composition
arms:
  no_pretraining: {plan: [finetune]}
  simclr: {baseline: simclr}
objective: {metric: finetune/val/root_epe_mm}
search: {sampler: random, trials: 3}
"""


def main() -> None:
    """Profile, run, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "priced.yaml"
        path.write_text(STUDY)
        typed = [str(path), "--runs-dir", str(Path(folder) / "runs")]
        typed += ["--set", f"slots/count={arguments.slots}", "--set", "slots/gpu=0"]
        price = foretold(typed)
        load = os.getloadavg()[0]
        subprocess.run(
            [sys.executable, str(ROOT / "sweep" / "run.py"), *typed],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        records = read_journal(Path(folder) / "runs" / "priced" / "journal.jsonl")
    print_comparison(price, records, slots=arguments.slots)
    print(f"load of the machine before the study ran: {load:.1f} on {os.cpu_count()} cores")


def foretold(typed: Sequence[str]) -> Price:
    """Return the study's price."""
    options = parse_options(typed)
    assert options.study is not None
    study = load_study(options.study, size=None, sets=options.sets, trials=None)
    job = make_job(study, options, tracking_uri="")
    machine = see_machine()
    has = resources_here(machine, cuda_devices=torch.cuda.device_count())
    fit = fit_slots(job.scope.study.slots, has)
    quiet = Console(file=io.StringIO())
    profile = profile_study(job, Ledger([]), fit=fit, machine=machine, console=quiet)
    assert profile.price is not None, profile.text
    return profile.price


def print_comparison(price: Price, records: Sequence[Record], *, slots: int) -> None:
    """Print what was foretold, guessed and found."""
    begun = first(records, "stage")["time_s"]
    ended = [record["time_s"] for record in records if record["kind"] == "end"]
    busy_s, gaps_s = busy_seconds(records)
    after_first_s = min(ended) - begun
    guess_s = after_first_s * len(ended)
    print(f"{len(ended)} trials on {slots} slot(s), seconds")
    print(f"{'':12} {'foretold':>24} {'x first trial':>14} {'found':>8}")
    rows = [
        ("slots busy", price.slot_s, guess_s, busy_s),
        ("wall clock", price.wall_s, guess_s / slots, max(ended) - begun),
    ]
    for name, interval, guess, found in rows:
        print(f"{name:12} {shown(interval):>24} {guess:>14.0f} {found:>8.0f}")
    opened = first(records, "session")["time_s"]
    print(f"until the first stage starts {begun - opened:.1f} s (assumed {SESSION_START_S:g})")
    if gaps_s:
        print(f"between trials, median {median(gaps_s):.2f} s (assumed {BETWEEN_TRIALS_S:g})")


def busy_seconds(records: Sequence[Record]) -> tuple[float, list[float]]:
    """Return the seconds in which stages trained, and those from a trial's end to the next start.

    The gaps are those of one slot; with several they are left out.
    """
    running: dict[tuple[int, str], float] = {}
    busy_s, gaps_s = 0.0, []
    last_end_s: float | None = None
    for record in records:
        if record["kind"] == "stage":
            stage = (record["trial"], record["label"])
            if record["status"] == "running":
                if last_end_s is not None and not running:
                    gaps_s.append(record["time_s"] - last_end_s)
                last_end_s = None
                running[stage] = record["time_s"]
            elif stage in running:
                busy_s += record["time_s"] - running.pop(stage)
        elif record["kind"] == "end":
            last_end_s = record["time_s"]
    return busy_s, gaps_s


def first(records: Sequence[Record], kind: str) -> dict[str, Any]:
    """Return the first record of a kind."""
    return dict(next(record for record in records if record["kind"] == kind))


def shown(interval: Interval) -> str:
    """Return the expected value and its bounds."""
    return f"{interval.expected:.0f} ({interval.low:.0f}..{interval.high:.0f})"


if __name__ == "__main__":
    main()

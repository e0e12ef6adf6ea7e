"""How much memory a study takes, and that it takes no more after many trials. Linux only.

Runs the same tiny study with one and with two slots and prints the largest sum of proportional set
sizes (shared pages counted once) over the command and everything it started. Then runs 200 trials
of the study `overhead` on one slot, each of which allocates and saves tensors, and prints what
every kind of process held (memory of its own, not shared with any file) after the first trials and
near the end. The worker may grow by less than 10 %. A process per trial, which is what Tune makes
of a `TorchTrainer` in each trial, cannot grow, and pays for it with what `overhead.py` prints.

    python benchmarks/slot_memory.py [--trials 200]
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from sweep.journal import read_journal

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_S = 1.0
MIB = 1024

FIRST_TRIALS = 20
STATE_BYTES = 1_000_000
MOST_GROWTH = 0.1
PROCESSES = {
    "worker": "ray::RayTrainWorker",
    "slot": "ray::SlotActor",
    "Tune's actor": "ray::TrialTrainable",
}
"""What a process is called here -> how its command line begins."""

STUDY = """\
question: How much memory does a study take?
data: {name: rendered_hands, image_px: 64, unlabelled: 512, train: 64, val: 32, test: 32}
plan: [pretrain, finetune]
settings: {pretrain/epochs: 4, pretrain/image_px: 48, finetune/epochs: 4, finetune/image_px: 48}
arms:
  one: {}
  two: {settings: {pretrain/loss/temperature: 0.3}}
objective: {metric: finetune/val/root_epe_mm}
"""


def main() -> None:
    """Print the peak for one and two slots, what follows, and how much many trials add."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200, help="on one slot")
    arguments = parser.parse_args()
    peaks = [peak_mib(slots) for slots in (1, 2)]
    print(f"{'slots':>6} {'peak, MiB':>10}")
    for slots, peak in enumerate(peaks, start=1):
        print(f"{slots:>6} {peak:>10.0f}")
    print(f"each slot {peaks[1] - peaks[0]:.0f} MiB, the rest {2 * peaks[0] - peaks[1]:.0f} MiB")
    growth = print_growth(arguments.trials)
    if growth["worker"] >= MOST_GROWTH:
        sys.exit(f"a worker should grow by less than {MOST_GROWTH:.0%}.")


def print_growth(trials: int) -> dict[str, float]:
    """Run the trials on one slot; print and return by what share every process grew."""
    early, late, seen = held_mib(trials)
    print(f"\n{'process':>14} {f'after {FIRST_TRIALS}':>10} {f'after {seen}':>10} {'growth':>8}")
    growth = {name: late[name] / early[name] - 1 for name in early}
    for name, share in growth.items():
        print(f"{name:>14} {early[name]:>10.1f} {late[name]:>10.1f} {share:>8.1%}")
    return growth


def held_mib(trials: int) -> tuple[dict[str, float], dict[str, float], int]:
    """Return what processes held after the first trials and near the end, and when that was."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "sweep" / "run.py"), "overhead"]
        command += ["--runs-dir", folder, "--trials", str(trials)]
        command += ["--set", "slots/count=1", "--set", "slots/gpu=0"]
        for phase in ("rehearse_first", "rehearse_last"):
            command += ["--set", f"settings/{phase}/load/state_bytes={STATE_BYTES}"]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        journal = Path(folder) / "overhead" / "journal.jsonl"
        early: dict[str, float] = {}
        late: dict[str, float] = {}
        seen = 0
        while running.poll() is None:
            ended = ended_trials(journal)
            held = by_process(running.pid)
            if ended >= FIRST_TRIALS and len(held) == 1 + len(PROCESSES):
                early, late, seen = early or held, held, ended
            time.sleep(SAMPLE_S)
        if running.returncode != 0:
            raise SystemExit(f"the study ended with {running.returncode}")
    return early, late, seen


def ended_trials(journal: Path) -> int:
    """Return how many trials of a running study have ended."""
    if not journal.exists():
        return 0
    return sum(record["kind"] == "end" for record in read_journal(journal))


def by_process(command: int) -> dict[str, float]:
    """Return the memory of its own that each kind of process holds, in MiB."""
    held = {"the command": anonymous_mib(command)}
    for pid in family(command):
        try:
            title = Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            continue  # it has just ended
        for name, start in PROCESSES.items():
            if title.startswith(start):
                held[name] = anonymous_mib(pid)
    return held


def anonymous_mib(pid: int) -> float:
    """Return a process's memory that belongs to no file; 0 if it has just ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^RssAnon:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / MIB if found else 0.0


def peak_mib(slots: int) -> float:
    """Run the study and return the largest sum of its processes' memory."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "memory.yaml").write_text(STUDY)
        command = [sys.executable, str(ROOT / "sweep" / "run.py"), "memory.yaml"]
        command += ["--set", f"slots/count={slots}", "--set", "slots/gpu=0"]
        running = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        peak = 0.0
        while running.poll() is None:
            peak = max(peak, sum(memory_mib(pid) for pid in family(running.pid)))
            time.sleep(SAMPLE_S)
        if running.returncode != 0:
            raise SystemExit(f"the study ended with {running.returncode}")
    return peak


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    children = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has just ended
            children[parent].append(int(folder.name))
    members = [pid]
    for member in members:
        members.extend(children[member])
    return members


def memory_mib(pid: int) -> float:
    """Return a process's proportional set size; 0 if it has just ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / MIB if found else 0.0


if __name__ == "__main__":
    main()

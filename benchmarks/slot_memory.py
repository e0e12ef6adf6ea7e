"""How much memory a study takes: what all its processes share and what each slot adds.

Runs the same tiny study with one and with two slots and prints the largest sum of proportional set
sizes (shared pages counted once) over the command and everything it started. Linux only.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_S = 1.0
MIB = 1024

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
    """Print the peak for one and two slots, and what follows."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    peaks = [peak_mib(slots) for slots in (1, 2)]
    print(f"{'slots':>6} {'peak, MiB':>10}")
    for slots, peak in enumerate(peaks, start=1):
        print(f"{slots:>6} {peak:>10.0f}")
    print(f"each slot {peaks[1] - peaks[0]:.0f} MiB, the rest {2 * peaks[0] - peaks[1]:.0f} MiB")


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

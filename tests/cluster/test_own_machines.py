"""A whole cluster over real SSH: `ray up`, a study across machines, and losses in its middle.

It takes minutes, root and Linux, so it is asked for: `pytest -m cluster tests/cluster`.
"""

import csv
import json
import os
import subprocess
import sys
import time

import pytest

from sweep.journal import read_journal
from tests.cluster.hosts import PROJECT, Rack, missing

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

PATIENCE_S = 900.0
STUDY = """\
question: Does a study outlive its machines?
data: {name: rendered_hands, image_px: 48, unlabelled: 32, train: 16, val: 8, test: 8}
plan: [pretrain, finetune]
settings:
  pretrain/epochs: 4
  pretrain/batch_size: 8
  pretrain/image_px: 36
  pretrain/probe/labels: 8
  pretrain/encoder/width: 8
  finetune/epochs: 2
  finetune/batch_size: 8
  finetune/image_px: 36
space: composition
arms:
  simclr: {baseline: simclr}
objective: {metric: finetune/val/root_epe_mm}
search: {trials: 3}
slots: {count: 1, workers: 2}
"""


@pytest.fixture(scope="module")
def rack(request, tmp_path_factory):
    if "cluster" not in (request.config.option.markexpr or ""):
        pytest.skip("a whole cluster takes minutes: ask for it with -m cluster")
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    rack = Rack(tmp_path_factory.mktemp("rack"))
    try:
        for _ in range(3):
            rack.add()
        yield rack
    finally:
        rack.close()


def cluster_file(rack):
    """Return cluster/local.yaml as somebody fills it in, with one core per machine.

    A slot of two workers then spans two machines, and a third stands by.
    """
    head, *workers = (host.address for host in rack.hosts)
    text = (PROJECT / "cluster" / "local.yaml").read_text()
    for before, after in {
        "192.0.2.10": head,
        "192.0.2.11, 192.0.2.12": ", ".join(workers),
        "ssh_user: me": "ssh_user: root",
        "~/.ssh/id_ed25519": str(rack.folder / "key"),
        "ray start": "ray start --num-cpus=1",
        "cluster_name: own-machines": f"cluster_name: rack-{os.getpid()}",
    }.items():
        assert before in text
        text = text.replace(before, after)
    path = rack.folder / "rack.yaml"
    path.write_text(text)
    return path


def sweep(rack, *arguments):
    """Type the command on the laptop."""
    laptop = rack.folder / "laptop"
    laptop.mkdir(exist_ok=True)
    environment = {**os.environ, "HOME": str(laptop), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "sweep/run.py", *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_until(happened, what):
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(1.0)


def trains(host):
    return "RayTrainWorker" in host.ssh("ps -eo args").stdout


def leaderboard(folder):
    """Return all of it but times."""
    with (folder / "report" / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name != "duration_s"} for row in rows]


def test_a_study_across_machines_outlives_machines_and_its_driver(rack, tmp_path):
    study = PROJECT / "build" / f"rack-{os.getpid()}.yaml"
    study.parent.mkdir(exist_ok=True)
    study.write_text(STUDY)
    rack_yaml = cluster_file(rack)
    head, *workers = rack.hosts
    runs = head.home / "hand-pose-sweeps" / "runs"
    folder = runs / study.stem
    typed = [str(study), "--cluster", str(rack_yaml), "--storage", "/srv"]
    there = head.home / "hand-pose-sweeps" / "build"  # which is not synced
    there.mkdir(parents=True)
    (there / study.name).write_text(STUDY)
    try:
        sweep(rack, *typed, "--nodes", "3")

        def records(kind):
            journal = folder / "journal.jsonl"
            return (
                [r for r in read_journal(journal) if r["kind"] == kind] if journal.exists() else []
            )

        wait_until(lambda: len(records("epoch")) >= 2, "the second epoch")
        lost, *_ = [host for host in workers if trains(host)]
        (other,) = [host for host in workers if host is not lost]
        lost.end()
        wait_until(lambda: len(records("end")) >= 1, "the end of a trial without that machine")
        assert trains(other), "a slot of two workers spans two machines with a core each"
        other.end()  # no room for a slot is left
        lost.start()
        wait_until(lambda: trains(lost), "training on the machine that came back")
        driver = json.loads((folder / "driver.lock").read_text())["pid"]
        assert head.ssh(f"kill -9 {driver}").returncode == 0
        sweep(rack, *typed)
        wait_until(lambda: (folder / "report" / "leaderboard.csv").exists(), "the report")
        wait_until(lambda: len(leaderboard(folder)) == 4, "the end")
        result = leaderboard(folder)
        assert sorted(path.name for path in (rack.shared / "studies").iterdir()) == [study.stem]
    finally:
        study.unlink()
    here = tmp_path / "here.yaml"
    here.write_text(STUDY)
    sweep(rack, str(here), "--runs-dir", str(tmp_path / "runs"))
    assert result == leaderboard(tmp_path / "runs" / "here")

"""A study on real Ray by the Slurm and LSF scripts; only the batch systems are stood in for."""

import os
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from sweep.folders import RunsDir
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.trials import TrialState
from tests.faults.processes import wait_until

pytestmark = [pytest.mark.ray, pytest.mark.soak]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 280.0
ENDING_S = 30.0
MARK = "BATCH_STUDY_MARK"
SCONTROL = "#!/usr/bin/env bash\nhostname\n"


@pytest.fixture
def allocation(tmp_path):
    """Return the surroundings of a job that was given this machine."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "scontrol").write_text(SCONTROL)
    (programs / "scontrol").chmod(0o755)
    (tmp_path / "hosts").write_text(f"{socket.gethostname()}\n" * 2)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return inherited | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),  # the token is made there
        MARK: uuid.uuid4().hex,
        "SWEEP_PYTHON": sys.executable,
        "SWEEP_RAY": str(Path(sys.executable).with_name("ray")),
    }


@pytest.fixture
def members(allocation):
    """Return a function that lists the processes of the job; those left at the end are killed."""
    mark = f"{MARK}={allocation[MARK]}".encode()

    def listed():
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    yield listed
    for pid in listed():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.timeout(PATIENCE_S + 2 * ENDING_S)
@pytest.mark.parametrize("system", ["slurm", "lsf"])
def test_an_allocation_brings_ray_up_runs_the_study_and_ends_every_process(
    system, allocation, members, tmp_path
):
    runs = tmp_path / "runs"
    arguments = f"quickstart --smoke --runs-dir {runs}"
    script = ROOT / "cluster" / f"{system}.sh"
    job = str(os.getpid())
    if system == "slurm":  # runs the script
        command = ["bash", str(script), *arguments.split()]
        told = {"SLURM_JOB_ID": job, "SLURM_JOB_NODELIST": "this", "SLURM_CPUS_PER_TASK": "2"}
        told |= {"SLURM_SUBMIT_DIR": str(ROOT)}
    else:  # reads it
        command = ["bash", "-c", script.read_text()]
        told = {"LSB_JOBID": job, "LSB_DJOB_HOSTFILE": str(tmp_path / "hosts")}
        told |= {"LS_SUBCWD": str(ROOT), "STUDY": arguments}
    log = tmp_path / "study.log"
    with log.open("w") as output:
        done = subprocess.run(
            command,
            env=allocation | told,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 0, log.read_text()[-4000:]
    trials = Ledger(read_journal(RunsDir(runs).study("quickstart-smoke").journal)).trials
    assert {trial.state for trial in trials.values()} == {TrialState.COMPLETE}
    wait_until(lambda: not members(), patience_s=ENDING_S)

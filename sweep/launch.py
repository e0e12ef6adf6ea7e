"""`--cluster FILE`: bring a cluster up and start a study on its head, which goes on without us."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from sweep.auth_token import ensure_token, token_file
from sweep.cluster_check import check_cluster
from sweep.findings import Level
from sweep.folders import TRACKING_URI
from sweep.lineage import PROJECT
from sweep.options import Options, command
from sweep.yaml_file import read_yaml
from trainables.remote_folder import is_uri

FOLDER = "hand-pose-sweeps"
PROGRAMS = "~/venv/bin"
"""Where cluster files put the project, below the home of the user there, and its Python."""

MLFLOW_SCRIPT = "cluster/mlflow.sh"
MLFLOW_PORT = 5000
"""The program by which a cluster's head keeps MLflow's server running, and where that listens."""


class RunCommand(Protocol):
    """Runs a command and returns its exit code."""

    def __call__(
        self, command: Sequence[str], variables: Mapping[str, str], *, is_quiet: bool = False
    ) -> int:
        """Run it in the project's folder.

        Args:
            command: Program and arguments.
            variables: What it finds in its environment beside what is there.
            is_quiet: Whether nothing of what it says is shown.
        """


Tell = Callable[[str], None]


@dataclass(frozen=True)
class Cluster:
    """A cluster file that is fit to be used.

    Attributes:
        path: The file, as it was typed.
        user: Who logs in to its machines.
        key: With which SSH key; None: one that is Ray's own, or one that SSH finds.
        is_local: Whether its machines are one's own.
        has_mlflow: Whether its head keeps MLflow's server running.
    """

    path: Path
    user: str
    key: str | None
    is_local: bool
    has_mlflow: bool

    @property
    def file(self) -> str:
        """Return the file as it is found from everywhere."""
        return str(self.path.resolve())

    def ray(self, *arguments: str) -> list[str]:
        """Return a command of Ray's launcher."""
        program = Path(sys.executable).with_name("ray")
        return [str(program), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables for Ray's launcher."""
        # The second autoscaler does not bring up all machines of one's own (ray#57153).
        return {"RAY_UP_enable_autoscaler_v2": "0" if self.is_local else "1"}


def usable_cluster(path: Path, *, token: Path) -> Cluster:
    """Return a cluster, once its file has nothing wrong with it and there is a token.

    Raises:
        ValueError: If it has.
    """
    if path.is_file():
        ensure_token(token)
    failures = [f for f in check_cluster(path, token=token) if f.level is Level.FAIL]
    if failures:
        lines = "\n".join(f"  {f.message}{f' -> {f.remedy}' if f.remedy else ''}" for f in failures)
        raise ValueError(f"--cluster {path}: it cannot be used yet:\n{lines}")
    config = read_yaml(path).data
    return Cluster(
        path,
        user=config["auth"]["ssh_user"],
        key=config["auth"].get("ssh_private_key"),
        is_local=config["provider"]["type"] == "local",
        has_mlflow=any(MLFLOW_SCRIPT in line for line in config["head_start_ray_commands"]),
    )


def launch(
    options: Options, name: str, *, run: RunCommand, tell: Tell, token: Path | None = None
) -> int:
    """Bring the cluster up, start the study in tmux on its head, and say how to go on from here.

    A cluster that is up is not restarted: studies on it go on, and the project is synced again.

    Args:
        options: What was typed, with `cluster`.
        name: What the study is called, and so the folder of its results.
        run: Runs Ray's commands.
        tell: Shows lines to people.
        token: Where the token lies, if not where Ray looks for it.

    Raises:
        ValueError: If the file or the study cannot be used there.
    """
    assert options.cluster is not None
    cluster = usable_cluster(options.cluster, token=token or token_file())
    there = replace(options, cluster=None, address="auto", study=_study_there(options.study))
    file, environment = cluster.file, cluster.environment
    tell(f"Looking whether the cluster of {cluster.path} is up.")
    status = f"RAY_AUTH_MODE=token {PROGRAMS}/ray status"
    is_up = run(cluster.ray("exec", file, status), environment, is_quiet=True) == 0
    restart = ["--no-restart"] if is_up else []
    code = run(cluster.ray("up", "--yes", *restart, file), environment)
    if code != 0:
        tell(f"ray up ended with {code}; what it says above is why.")
        return 1
    typed = f"{PROGRAMS}/python {shlex.join(['sweep/run.py', *there.arguments])}"
    tracked = f"{TRACKING_URI}=http://127.0.0.1:{MLFLOW_PORT} " if cluster.has_mlflow else ""
    detached = [] if options.dry_run else ["--tmux"]
    code = run(
        cluster.ray("exec", *detached, file, f"cd {FOLDER} && {tracked}{typed}"), environment
    )
    if code != 0:
        tell(f"ray exec ended with {code}; what it says above is why.")
        return 1
    if not options.dry_run:
        tell(how_to_go_on(options, name, cluster))
    return 0


def how_to_go_on(options: Options, name: str, cluster: Cluster) -> str:
    """Return the lines that watch a study on a cluster, look into it, fetch it and end it."""
    file = shlex.quote(str(cluster.path))
    runs = PurePosixPath(FOLDER, options.runs_dir.as_posix())  # as it is, where it is absolute
    ui = (
        f"mlflow ui --host 127.0.0.1 --port {MLFLOW_PORT} "
        f"--backend-store-uri sqlite:///{runs}/mlflow.db"
    )
    mlflow = "sleep infinity" if cluster.has_mlflow else ui  # the tunnel lasts as long as this
    lines = {
        "watch": f"ray attach --tmux {file}",
        "dashboard": f"ray dashboard {file}",
        "MLflow": f"ray exec -p {MLFLOW_PORT} {file} {shlex.quote(mlflow)}",
        "bring home": _bring_home(name, options.storage, f"{runs}", cluster),
        "tear down": f"ray down --yes {file}",
    }
    return "\n".join(f"{what:<12} {line}" for what, line in lines.items())


def _bring_home(study: str, storage: str | None, runs: str, cluster: Cluster) -> str:
    """Return the line that copies a study here: from object storage, or from the head's disk.

    A folder that the machines share is not looked for here, where nobody may see it.
    """
    if storage is not None and is_uri(storage):
        return command(study, storage, "runs", script="copy.py")
    head = f"$(ray get-head-ip {shlex.quote(str(cluster.path))} | tail -1)"
    key = "" if cluster.key is None else f"RSYNC_RSH={shlex.quote(f'ssh -i {cluster.key}')} "
    source = f'{shlex.quote(cluster.user)}@"{head}":{shlex.quote(runs)}'
    return f"{key}{command(study, script='copy.py')} {source} runs"


def run_command(
    command: Sequence[str], variables: Mapping[str, str], *, is_quiet: bool = False
) -> int:
    """Run one of Ray's commands in this terminal.

    It runs in the project's folder, which cluster files call `.` where they sync it.
    """
    shown = subprocess.DEVNULL if is_quiet else None
    return subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, **variables},
        stdout=shown,
        stderr=shown,
        check=False,
    ).returncode


def _study_there(study: str | None) -> str:
    """Return what the study is called on the head, to which the project's folder is synced."""
    assert study is not None
    if re.fullmatch(r"[A-Za-z0-9._-]+", study) and not study.endswith((".yaml", ".yml")):
        return study
    path = Path(study).resolve()
    if not path.is_relative_to(PROJECT):
        raise ValueError(
            f"{study}: only the project's folder is taken to the cluster; put the file below "
            f"{PROJECT}."
        )
    return str(path.relative_to(PROJECT))

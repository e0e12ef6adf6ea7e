"""Machines made of namespaces, each with a network, processes, temporary files and a home.

They are reached by SSH with a key, over a bridge, as machines in a rack are. They share the
project, its packages and one folder, `/srv`.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 20.0
NETWORK = "10.231.77"
PROJECT = Path(__file__).resolve().parents[2]

SSHD = """\
Port 22
HostKey /root/sshd/host_key
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
MaxSessions 50
MaxStartups 100
"""

INIT = """\
set -e
mount --make-rprivate /
hostname {name}
mount --bind {shared} /srv
mount --rbind {home} /root
mount -t tmpfs tmpfs /tmp
mount -t proc proc /proc
mkdir -p /run/sshd
exec /usr/sbin/sshd -D -f /root/sshd/config
"""


def missing() -> str | None:
    """Return why this system cannot have such machines, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it needs root on Linux"
    own = [Path("/tmp"), Path("/root")]
    for path in (PROJECT, Path(sys.prefix)):
        if any(path.is_relative_to(folder) for folder in own):
            return f"{path} must lie outside /tmp and /root, of which each machine has its own"
    for program in ("ip", "unshare", "rsync", "ssh", "/usr/sbin/sshd", "tmux"):
        if shutil.which(program) is None:
            return f"{program} is not installed (iproute2 openssh-server rsync tmux)"
    probe = subprocess.run(["ip", "netns", "add", "swprobe"], capture_output=True, check=False)
    if probe.returncode != 0:
        return "network namespaces are not allowed here"
    _run("ip", "netns", "del", "swprobe")
    return None


class Host:
    """One machine."""

    def __init__(self, rack: "Rack", number: int) -> None:
        """Build it; `start` switches it on."""
        self.name, self.address = f"sw{number}", f"{NETWORK}.{10 + number}"
        self.home = rack.folder / self.name
        self._rack = rack
        self._make_home(rack)

    def start(self) -> None:
        """Wire it up, start its sshd and wait until that answers.

        What its disk held before it ended is there again; its temporary files are not.
        """
        _run("ip", "netns", "add", self.name)
        _run(
            "ip", "link", "add", f"{self.name}v", "type", "veth", "peer", "eth0", "netns", self.name
        )
        _run("ip", "link", "set", f"{self.name}v", "master", self._rack.bridge, "up")
        inside = ("ip", "-n", self.name)
        _run(*inside, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _run(*inside, "link", "set", device, "up")
        _run(*inside, "route", "add", "default", "via", f"{NETWORK}.1")
        init = INIT.format(
            name=self.name,
            shared=shlex.quote(str(self._rack.shared)),
            home=shlex.quote(str(self.home)),
        )
        self._log = (self._rack.folder / f"{self.name}.log").open("a")
        self._process = subprocess.Popen(
            [
                *("ip", "netns", "exec", self.name, "unshare", "--pid", "--mount", "--uts"),
                *("--fork", "--kill-child", "bash", "-c", init),
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait_for_ssh()

    def ssh(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the machine."""
        settings = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        options = [word for setting in settings for word in ("-o", setting)]
        key = str(self.home.parent / "key")
        return subprocess.run(
            [
                "ssh",
                *options,
                "-o",
                "LogLevel=ERROR",
                "-i",
                str(key),
                f"root@{self.address}",
                command,
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    def end(self) -> None:
        """Pull the plug: all its processes are killed, its network is gone; `start` undoes it."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", f"{self.name}v"], capture_output=True, check=False)

    def _wait_for_ssh(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.ssh("true").returncode != 0:
            assert time.monotonic() < deadline, f"{self.name} does not answer"
            time.sleep(0.2)

    def _make_home(self, rack: "Rack") -> None:
        """Lay out a home in which the project's packages are installed already."""
        home = self.home
        for folder in (".ssh", "sshd", ".local/bin", "venv"):
            (home / folder).mkdir(parents=True)
        (home / ".ssh" / "authorized_keys").write_text((rack.folder / "key.pub").read_text())
        (home / "sshd" / "config").write_text(SSHD)
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "sshd" / "host_key"))
        (home / ".local" / "bin" / "uv").symlink_to("/bin/true")
        for part in ("bin", "lib", "pyvenv.cfg"):
            (home / "venv" / part).symlink_to(Path(sys.prefix) / part)
        shutil.copy(PROJECT / "requirements.txt", home / "venv" / "installed")
        (home / ".bashrc").write_text("export PYTHONPATH=$HOME/hand-pose-sweeps\n")
        base = Path(sys.base_prefix)
        if base.is_relative_to("/root"):  # Python itself must be seen below the new home
            inside = home / base.relative_to("/root")
            inside.mkdir(parents=True)
            _run("mount", "--bind", str(base), str(inside))
            rack.mounts.append(inside)


class Rack:
    """Machines on one bridge, and the laptop, which is this machine."""

    def __init__(self, folder: Path) -> None:
        """Lay the wires.

        Args:
            folder: Where homes and the shared folder lie.
        """
        self.folder, self.bridge, self.hosts = folder, "swrack", list[Host]()
        self.mounts: list[Path] = []
        self.shared = folder / "shared"
        self.shared.mkdir()
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key"))
        _run("ip", "link", "add", self.bridge, "type", "bridge")
        _run("ip", "addr", "add", f"{NETWORK}.1/24", "dev", self.bridge)
        _run("ip", "link", "set", self.bridge, "up")

    def add(self) -> Host:
        """Put one more machine in."""
        host = Host(self, len(self.hosts))
        self.hosts.append(host)
        host.start()
        return host

    def close(self) -> None:
        """Take everything apart."""
        for host in self.hosts:
            host.end()
        for mount in self.mounts:
            _run("umount", "--lazy", str(mount))
        _run("ip", "link", "del", self.bridge)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)

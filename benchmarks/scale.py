"""Whether a driver stays as it is while thousands of trials finish: its memory and its time.

On one machine `ray.cluster_utils.Cluster` stands for a cluster of many nodes with logical cores and
GPUs. Three drivers run the same number of trials in which nothing is trained, one after another,
each in a process of its own that is watched from outside:

- the command with the study `overhead`, on real slots of that cluster, with its stages, journal,
  Optuna log, status page and MLflow;
- the peer: Ray Tune with `OptunaSearch` and the same sampler, a function per trial on actors that
  are reused, as many at a time, on the same cluster;
- the engine with as many slots as the cluster has GPUs. So many real ones take more processes than
  a machine can hold; here Ray, Tune and the workers are stood in for within the driver's process,
  and all else is as in a study: conductor, sampler, journal, Optuna log, claims, stage store.

All draw their points at random: TPE reads every earlier trial for each suggestion, whoever asks it,
so that it takes longer from trial to trial (`suggestion_cost.py` has how long).

Slots and the peer's trials ask for logical cores, all of a node: Ray Train sets up NCCL for a
worker that asks for a GPU, which a machine without one cannot.

    python benchmarks/scale.py
    python benchmarks/scale.py --trials 20 --gpus 16 --slots 2 --table /tmp/scale.md \\
        --picture /tmp/scale.png

Writes a table and a picture as each of the drivers ends. Whatever ends the script ends them and the
cluster too.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.logical_cluster import LogicalCluster  # noqa: E402 - after variables and path
from benchmarks.result_table import provenance  # noqa: E402 - after the path is right
from benchmarks.scale_page import Measured, Sample, page, picture  # noqa: E402 - after the path is right
from hpe.whole_file import write_text  # noqa: E402 - the same
from sweep.folders import RunsDir  # noqa: E402 - the same
from sweep.journal import read_journal  # noqa: E402 - the same

DRIVERS = Path(__file__).with_name("scale_drivers.py")
STUDY = "overhead"
SAMPLE_S = 0.5
END_S = 60.0  # for a driver to end by itself once it was told to


@dataclass(frozen=True)
class Sizes:
    """How large a run is.

    Attributes:
        trials: Of each driver.
        gpus: Logical GPUs of the cluster, and slots of the engine without Ray.
        gpus_per_node: Of them on each node, which has as many logical cores.
        slots: Real slots of the command, and trials of the peer at a time.
    """

    trials: int
    gpus: int
    gpus_per_node: int
    slots: int

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.gpus % self.gpus_per_node or not 1 <= self.slots <= self.nodes:
            raise ValueError(
                f"--gpus must be a multiple of --gpus-per-node, and --slots at most the number of "
                f"nodes, got {self.gpus}, {self.gpus_per_node} and {self.slots}."
            )

    @property
    def nodes(self) -> int:
        """Return how many nodes there are beside the head."""
        return self.gpus // self.gpus_per_node


def watched(command: Sequence[str], log: Path) -> list[Sample]:
    """Run a driver to its end; return what its process took.

    Raises:
        RuntimeError: If it fails; the message is the end of what it said.
    """
    samples: list[Sample] = []
    with log.open("w") as said:
        driver = subprocess.Popen(
            command, cwd=ROOT, env=_environment(os.environ), stdout=said, stderr=said
        )
        try:
            while driver.poll() is None:
                if (sample := sample_of(driver.pid)) is not None:
                    samples.append(sample)
                time.sleep(SAMPLE_S)
        finally:
            _end(driver)
    if driver.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{log.read_text()[-3000:]}")
    return samples


def sample_of(pid: int) -> Sample | None:
    """Return what a process has taken so far; None once it has ended."""
    try:
        process = psutil.Process(pid)
        cpu, resident = process.cpu_times(), process.memory_info().rss
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return None
    return Sample(time.time(), resident, cpu.user + cpu.system) if resident else None


def the_command(sizes: Sizes, address: str, folder: Path) -> Measured:
    """Run the study on real slots of the cluster."""
    runs = RunsDir(folder / "command")
    command = [sys.executable, str(ROOT / "sweep" / "run.py"), STUDY]
    command += ["--runs-dir", str(runs.root), "--trials", str(sizes.trials), "--address", address]
    command += ["--set", f"slots/count={sizes.slots}", "--set", "slots/gpu=0"]
    command += ["--set", "search/sampler=random"]
    samples = watched(command, folder / "command.log")
    return Measured(
        name="this engine",
        is_real=f"the whole command on {sizes.slots} real slots, each a worker group of Ray Train "
        f"that holds a node; every trial commits two stages and is logged to MLflow.",
        at_a_time=sizes.slots,
        ends_s=_ends(runs),
        samples=samples,
    )


def the_peer(sizes: Sizes, address: str, folder: Path) -> Measured:
    """Run as many trials under Tune with Optuna."""
    ends = folder / "ends.txt"
    command = [sys.executable, str(DRIVERS), "tune", address, str(sizes.trials)]
    command += [str(sizes.slots), str(sizes.gpus_per_node), str(ends)]
    samples = watched(command, folder / "peer.log")
    return Measured(
        name="Ray Tune with OptunaSearch",
        is_real=f"real trials, functions on {sizes.slots} actors that are reused; no stages, no "
        f"journal, no MLflow, no training workers.",
        at_a_time=sizes.slots,
        ends_s=sorted(float(line) for line in ends.read_text().split()),
        samples=samples,
    )


def without_ray(sizes: Sizes, folder: Path) -> Measured:
    """Run the study with as many slots as the cluster has GPUs, all stood in for."""
    runs = RunsDir(folder / "stood_in")
    command = [sys.executable, str(DRIVERS), "engine", str(runs.root)]
    command += [str(sizes.trials), str(sizes.gpus)]
    samples = watched(command, folder / "stood_in.log")
    return Measured(
        name=f"this engine, {sizes.gpus} slots stood in for",
        is_real="real conductor, sampler, journal, Optuna log, claims, phases and stage store; "
        "Ray, Tune and the workers' processes are stood in for by one loop in the driver's "
        "process, whose time and memory therefore hold the workers' part too.",
        at_a_time=sizes.gpus,
        ends_s=_ends(runs),
        samples=samples,
    )


def main() -> None:
    """Run the drivers, and write the page as each of them ends."""
    options = _parser().parse_args()
    try:
        sizes = Sizes(options.trials, options.gpus, options.gpus_per_node, options.slots)
    except ValueError as error:
        sys.exit(str(error))
    signal.signal(signal.SIGTERM, _leave)
    setting = _setting(sizes)
    done: list[Measured] = []

    def write(run: Measured) -> None:
        done.append(run)
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        options.picture.write_bytes(picture(done))
        write_text(options.table, page(done, setting=setting))
        print(f"{run.name}: {len(run.ends_s)} trials")

    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        folder = Path(name)
        each = {"cores": sizes.gpus_per_node, "gpus": sizes.gpus_per_node}
        with LogicalCluster(folder / "ray", nodes=sizes.nodes, **each) as cluster:
            write(the_command(sizes, cluster.address, folder))
            write(the_peer(sizes, cluster.address, folder))
        write(without_ray(sizes, folder))
    print(page(done, setting=setting))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000, help="of each driver")
    parser.add_argument("--gpus", type=int, default=200, help="logical ones, of all nodes")
    parser.add_argument("--gpus-per-node", type=int, default=25)
    parser.add_argument("--slots", type=int, default=4, help="real ones, 1.6 GiB each")
    parser.add_argument("--table", type=Path, default=ROOT / "benchmarks" / "scale.md")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "images" / "scale.png")
    return parser


def _setting(sizes: Sizes) -> list[str]:
    command = (
        f"python benchmarks/scale.py --trials {sizes.trials} --gpus {sizes.gpus} "
        f"--gpus-per-node {sizes.gpus_per_node} --slots {sizes.slots}"
    )
    return [
        *provenance(command),
        f"cluster: {sizes.nodes} logical nodes of {sizes.gpus_per_node} cores and "
        f"{sizes.gpus_per_node} GPUs each, {sizes.gpus} GPUs in all, and a head without any",
    ]


def _ends(runs: RunsDir) -> list[float]:
    """Return when each trial of the study ended, in order."""
    records = read_journal(runs.study(STUDY).journal)
    return sorted(record["time_s"] for record in records if record["kind"] == "end")


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    paths = [str(ROOT), *given.get("PYTHONPATH", "").split(os.pathsep)]
    return {**given, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _end(driver: subprocess.Popen[bytes]) -> None:
    """See to it that a driver has ended: told first, killed if that does not help."""
    if driver.poll() is None:
        driver.terminate()
        try:
            driver.wait(END_S)
        except subprocess.TimeoutExpired:
            driver.kill()
            driver.wait()


def _leave(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  Python's name
    sys.exit(128 + signum)


if __name__ == "__main__":
    main()

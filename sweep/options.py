"""The command line of `sweep/run.py`."""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.hooks import check_hook
from sweep.messages import shown_path

RUN = Path(__file__).with_name("run.py")
RUNS_DIR = Path("runs")

ABOUT = "Run a study: search, train, track and report. Running it again continues it."
EXIT_CODES = (
    "exit codes: 0 done; 1 more trials failed than the study allows; 2 bad input; "
    "130 or 143 interrupted (the same command continues)"
)


@dataclass(frozen=True)
class Options:
    """What was typed.

    Attributes:
        study: A name, or the path of a YAML file; None with `--list` and `--gc`.
        arm: The one arm to run, or None for all and the search.
        from_weights: `PHASE=FILE|RUN` texts.
        data_dir: Where data sets lie that are not made here, or are kept for several projects.
        address: A Ray cluster to use; None for a local one.
        nodes: Machines the cluster is to have before the study starts.
        storage: Where machines find each other's stages: a path or a URI; None: as before.
        cluster: A cluster file: bring that cluster up and run the study there.
        notify: Commands and addresses that are told of a new best, a failure and the end.
    """

    study: str | None
    show_list: bool
    collect: bool
    trials: int | None
    size: str | None
    sets: tuple[str, ...]
    arm: str | None
    from_weights: tuple[str, ...]
    runs_dir: Path
    data_dir: Path | None
    address: str | None
    nodes: int
    storage: str | None
    cluster: Path | None
    notify: tuple[str, ...]
    fresh: bool
    yes: bool
    dry_run: bool
    profile: bool
    smoke: bool

    @property
    def again(self) -> str:
        """Return the command that goes on with what this one does."""
        return command(*self._what_stays)

    @property
    def arguments(self) -> list[str]:
        """Return all that was typed."""
        once = {
            "--fresh": self.fresh,
            "--yes": self.yes,
            "--dry-run": self.dry_run,
            "--profile": self.profile,
        }
        return [*self._what_stays, *(name for name, given in once.items() if given)]

    @property
    def places(self) -> list[str]:
        """Return the options that say where things lie, which other commands take as well."""
        return places(self.runs_dir, self.data_dir)

    @property
    def _what_stays(self) -> list[str]:
        arguments = [
            *([] if self.study is None else [self.study]),
            *_given({"--trials": self.trials, "--size": self.size, "--arm": self.arm}),
            *self.places,
            *_given(
                {
                    "--address": self.address,
                    "--nodes": None if self.nodes == 1 else self.nodes,
                    "--storage": self.storage,
                    "--cluster": self.cluster,
                }
            ),
        ]
        several = {
            "--set": self.sets,
            "--from-weights": self.from_weights,
            "--notify": self.notify,
        }
        for name, values in several.items():
            for value in values:
                arguments += [name, value]
        return [*arguments, *(["--smoke"] if self.smoke else [])]


def parse_options(arguments: Sequence[str]) -> Options:
    """Return the options; argparse ends the process with 2 where they cannot be understood."""
    parser = _parser()
    found = parser.parse_args(arguments)
    if found.gc and found.study is not None:
        parser.error("--gc is about all studies of the runs folder: leave the study out.")
    if found.study is None and not (found.list or found.gc):
        parser.error("which study? Give a name (--list shows them) or the path of a YAML file.")
    if found.profile and not found.dry_run:
        parser.error("--profile tells a price before anything runs: give it with --dry-run.")
    if found.cluster is not None and (found.address or found.list or found.gc):
        parser.error("--cluster runs the study on the cluster's head: leave the other option out.")
    try:
        for hook in found.notify:
            check_hook(hook, runs_here=found.cluster is None)
    except ValueError as error:
        parser.error(str(error))
    if found.nodes < 1:
        parser.error(f"--nodes: a cluster has at least 1 machine, got {found.nodes}.")
    return Options(
        study=found.study,
        show_list=found.list,
        collect=found.gc,
        trials=found.trials,
        size=found.size,
        sets=tuple(found.set),
        arm=found.arm,
        from_weights=tuple(found.from_weights),
        runs_dir=found.runs_dir,
        data_dir=found.data_dir,
        address=found.address,
        nodes=found.nodes,
        storage=found.storage,
        cluster=found.cluster,
        notify=tuple(found.notify),
        fresh=found.fresh,
        yes=found.yes,
        dry_run=found.dry_run,
        profile=found.profile,
        smoke=found.smoke,
    )


def command(*arguments: str, script: str = RUN.name) -> str:
    """Return the command with these arguments, as it would be typed here."""
    return shlex.join(["python", shown_path(RUN.with_name(script)), *arguments])


def places(runs_dir: Path, data_dir: Path | None) -> list[str]:
    """Return the options by which a command finds runs and data where this one does."""
    return _given(
        {"--runs-dir": None if runs_dir == RUNS_DIR else runs_dir, "--data-dir": data_dir}
    )


def _given(options: Mapping[str, object]) -> list[str]:
    """Return those options that have a value, with it."""
    found = [[name, str(value)] for name, value in options.items() if value is not None]
    return [text for pair in found for text in pair]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python sweep/run.py", description=ABOUT, epilog=EXIT_CODES, allow_abbrev=False
    )
    add = parser.add_argument
    add("study", nargs="?", help="a name (see --list) or the path of a YAML file")
    add("--list", action="store_true", help="show the studies, one line each")
    add("--trials", type=int, metavar="N", help="points to search; arms are not counted")
    add("--size", metavar="NAME", help="a size of the study, such as small or full")
    add(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="change one value, such as pretrain/epochs=20 or search/sampler=random; repeatable",
    )
    add("--arm", metavar="NAME", help="run one arm alone, without the search")
    add(
        "--from-weights",
        action="append",
        default=[],
        metavar="PHASE=FILE|RUN",
        help="start the plan after PHASE, from a .safetensors file, a stage's key, "
        "STUDY/TRIAL or an MLflow run id",
    )
    add(
        "--runs-dir",
        type=Path,
        default=RUNS_DIR,
        metavar="DIR",
        help="where studies, stages and tracking are kept (default: runs, where you are)",
    )
    add("--data-dir", type=Path, metavar="DIR", help="where data sets lie that you bring")
    add("--address", metavar="ADDR", help="a Ray cluster to use (default: a local one of its own)")
    add("--nodes", type=int, default=1, metavar="N", help="wait until the cluster has N machines")
    add(
        "--storage",
        metavar="URI",
        help="where a cluster's machines share stages and data: a path that all of them see, "
        "s3://BUCKET/... or gs://BUCKET/...; remembered in the runs folder",
    )
    add(
        "--cluster",
        type=Path,
        metavar="FILE",
        help="bring up the cluster of this file (see docs/cluster.md) and run the study there",
    )
    add(
        "--notify",
        action="append",
        default=[],
        metavar="CMD|URL",
        help="a command, or a web address, that gets a JSON object when there is a new best, when "
        "a trial fails, and when the study is done (docs/reproduce.md); repeatable",
    )
    add("--fresh", action="store_true", help="start the study over; asks for --yes")
    add(
        "--gc",
        action="store_true",
        help="show what no study of the runs folder needs any more; asks for --yes to delete it",
    )
    add("--yes", action="store_true", help="do delete what --fresh starts over or --gc found")
    add("--dry-run", action="store_true", help="check everything, show it, train nothing")
    add(
        "--profile",
        action="store_true",
        help="with --dry-run: try some configurations for a few steps, and tell hours, GPU-hours, "
        "memory and storage",
    )
    add("--smoke", action="store_true", help="every phase for two steps, in a folder of its own")
    return parser

"""Core-seconds to the same score: this engine against Ray Tune with OptunaSearch and ASHA.

Claim: half of the peer's core-seconds at most.

Both search the same space (augmentation composition and loss weights of pretraining, loss weight
and optimizer of finetuning) over the same phases, seeds of training and rendered hands, two trials
at a time on a core each. The peer is what Ray's guides say: a function per trial on reused actors,
`OptunaSearch` over the space as a function with the multivariate TPE that the engine has too,
`ASHAScheduler` with the same share kept. Tune knows one metric: it is the probe's error while a
trial is pretrained (rungs after 2, 4 and 8 epochs) and the validation error afterwards, and of a
trial that was stopped the last value is what Optuna is told. It saves nothing. The engine runs as
the command does, with stage store, journal and MLflow, asks after 2 and 4 epochs of pretraining and
1 and 2 of finetuning, and takes finished pretrainings again (`search: {reuse: 0.75}`). Both are in
`score_drivers.py`.

Method: seed by seed, each driver gets two cores for the same time, from the start of its process
until it and all that it started are killed; which goes first alternates. A score is the validation
error of a trial that was trained to its end. The score to come to is the worse of the two best
ones after that time, so that both have come to it; its cost is the time until then, with the
start, times two cores. The ratio is that of summed costs, the interval from 10,000 bootstrap
samples over seeds.

    python benchmarks/to_the_same_score.py [--seeds 5] [--seconds 180] [--write]
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from crash_sessions import started_driver
from prefix_search import ratio_interval
from result_table import show_result
from score_drivers import DATA, NAME, SLOTS

from hpe.data.catalog import data_config, prepare_data
from sweep.folders import RunsDir
from sweep.journal import read_journal

ROLES = ("engine", "ray")
Score = tuple[float, float]
"""(seconds since the driver's start, error in mm) of a trial that was trained to its end."""


@dataclass(frozen=True)
class Search:
    """What a driver came to in its time."""

    scores: Sequence[Score]

    @property
    def best(self) -> float:
        """Return the lowest error."""
        return min(error for _, error in self.scores)

    def seconds_to(self, score: float) -> float:
        """Return when an error as low as this was reached first."""
        return min(seconds for seconds, error in self.scores if error <= score)


def search(role: str, folder: Path, seed: int, seconds: float) -> Search:
    """Let a driver search for so long, and kill it.

    Raises:
        RuntimeError: If it ends by itself, or no trial came to its end.
    """
    log = folder / f"{role}-{seed}.log"
    began_s = time.time()
    with started_driver("score_drivers", [role, str(folder), str(seed)], log=log) as running:
        if running.ends_within(seconds):
            raise RuntimeError(f"{role} ended early:\n{log.read_text()[-3000:]}")
        running.kill()
    scores = [
        (ended_s - began_s, error)
        for ended_s, error in SCORES[role](folder, seed)
        if ended_s - began_s <= seconds
    ]
    if not scores:
        raise RuntimeError(f"{role} trained no trial to its end in {seconds:g} s; give it more.")
    return Search(scores)


def scores_of_engine(folder: Path, seed: int) -> list[Score]:
    """Return when which trials of the study ended with what error."""
    journal = RunsDir(folder / f"engine-{seed}").study(NAME).journal
    return [
        (record["time_s"], record["objective"])
        for record in read_journal(journal)
        if record["kind"] == "end" and record["state"] == "COMPLETE"
    ]


def scores_of_ray(folder: Path, seed: int) -> list[Score]:
    """Return what the peer's trials wrote down."""
    path = folder / f"ray-{seed}" / "scores.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(line["time_s"], line["score"]) for line in map(json.loads, lines)]


SCORES = {"engine": scores_of_engine, "ray": scores_of_ray}


def table(searches: Sequence[Mapping[str, Search]], seconds: float) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{len(searches)} seeds, {seconds:g} s each on {SLOTS} cores"
    yield f"{'':>4}{'trained to the end':>22}{'best error in mm':>20}{'core-seconds to worse':>24}"
    yield f"{'seed':>4}" + f"{'engine':>14}{'Tune':>8}" + f"{'engine':>12}{'Tune':>8}" * 2
    costs = []
    for seed, of in enumerate(searches):
        engine, ray = (of[role] for role in ROLES)
        score = max(engine.best, ray.best)
        costs.append([SLOTS * each.seconds_to(score) for each in (engine, ray)])
        yield (
            f"{seed:>4}{len(engine.scores):>14}{len(ray.scores):>8}"
            f"{engine.best:>12.1f}{ray.best:>8.1f}{costs[-1][0]:>16.0f}{costs[-1][1]:>8.0f}"
        )
    ours, theirs = np.array(costs).T
    low, high = ratio_interval(ours, theirs)
    yield f"ratio of core-seconds: {ours.sum() / theirs.sum():.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Run all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=180.0, help="that each driver gets")
    parser.add_argument("--write", action="store_true", help="write the table under results/")
    options = parser.parse_args()
    searches = []
    with tempfile.TemporaryDirectory(prefix="same-score-") as name:
        folder = Path(name)
        prepare_data(
            data_config(DATA),
            folder / "data",
            processes=os.cpu_count() or 1,
            progress=lambda *_: None,
        )
        for seed in range(options.seeds):
            order = ROLES if seed % 2 == 0 else ROLES[::-1]
            searches.append({role: search(role, folder, seed, options.seconds) for role in order})
            found = ", ".join(f"{role} {searches[-1][role].best:.1f} mm" for role in ROLES)
            print(f"seed {seed}: {found}", flush=True)
    show_result(
        "to_the_same_score",
        __doc__,
        table(searches, options.seconds),
        write=options.write,
        as_text=True,
    )


if __name__ == "__main__":
    main()

"""Core-seconds to the same score: this engine against Ray Tune with OptunaSearch and ASHA.

All search the same space (augmentation composition and loss weights of pretraining, loss weight and
optimizer of finetuning) over the same phases, seeds of training and rendered hands, two trials at a
time on a core each. The peer is Tune as Ray's guides have it: `OptunaSearch` over the space as a
function with the engine's own TPE, and `ASHAScheduler` with the engine's share kept, at the same
epochs: after 2 and 4 of pretraining, by the probe's error, and after 1 and 2 of finetuning. Of a
trial that was stopped Optuna is told the last value. It saves nothing, and runs twice: each trial a
function on an actor that is used again, which trains on one process whatever there is, and each a
`TorchTrainer`, which like a slot of the engine could train on several. The engine runs as the
command does, with stage store, journal and MLflow. What it has beyond its defaults: every second
point comes from one of the best (`neighbours: 0.5`), finished pretrainings are taken again
(`reuse: 0.75`), and rungs stop nobody before two trials came to them (`grace: 2`; the peer's do).
All are in `score_drivers.py`.

Method: seed by seed, each driver gets two cores for the same time, from the moment when its first
trial begins until it and all that it started are killed; which goes first changes. How long it took
to begin is told beside it: that is paid once a study, which lasts hours, and not minutes as here. A
score is the validation error of a trial that was trained to its end. The score to come to is, for
the engine and one peer, the worse of their two best ones after that time, so that both have come to
it; its cost is the time until then times two cores. The ratio is that of summed costs, the interval
from 10,000 bootstrap samples over seeds. Nobody who searches knows, though, that what there is will
not be improved on, and stops then; and which score that is, is chance. So below it stand the means
over seeds of the best errors, while time goes by, and after what share of its time one's mean is as
low as the other's when all of the time is over, with its interval from as many samples.

    python benchmarks/to_the_same_score.py [--seeds 5] [--seconds 300] [--peers function] [--write]

Seeds begin at 20; the settings were chosen while looking at 0 and 1, and how the search takes over
pretrainings while looking at 0 and 10.
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from crash_sessions import started_driver
from prefix_search import RESAMPLES, ratio_interval
from result_table import show_result
from score_drivers import DATA, NAME, SLOTS

from hpe.data.catalog import data_config, prepare_data
from sweep.folders import RunsDir
from sweep.journal import read_journal

PEERS = {"function": "Tune, a function per trial", "trainer": "Tune, a TorchTrainer per trial"}
FIRST_SEED = 20
COLUMNS = ("s until it began", "trained to the end", "best error in mm")
START_S = 120.0  # for the first trial to begin
LOOK_S = 2.0
STEPS = 10  # of the time, of which the table has a line each
Score = tuple[float, float]
"""(seconds, error in mm) of a trial that was trained to its end."""


@dataclass(frozen=True)
class Search:
    """What a driver came to in its time.

    Attributes:
        start_s: From the start of its process until its first trial began.
        scores: Counted from then.
    """

    start_s: float
    scores: Sequence[Score]

    @property
    def best(self) -> float:
        """Return the lowest error."""
        return min(error for _, error in self.scores)

    def best_after(self, seconds: float) -> float:
        """Return the lowest error by then; infinity if there was none."""
        return min((error for at_s, error in self.scores if at_s <= seconds), default=math.inf)

    def seconds_to(self, score: float) -> float:
        """Return when an error as low as this was reached first."""
        return min(seconds for seconds, error in self.scores if error <= score)


@dataclass(frozen=True)
class Record:
    """What a driver has written down so far.

    Attributes:
        begun_s: When its first trial began, in seconds since the epoch; None: none has.
        ends: When trials were trained to their end, and with what error.
    """

    begun_s: float | None
    ends: Sequence[Score]


def search(role: str, folder: Path, seed: int, seconds: float) -> Search:
    """Let a driver search for so long, and kill it.

    Raises:
        RuntimeError: If it ends by itself, or no trial came to its end.
    """
    log = folder / f"{role}-{seed}.log"
    started_s = time.time()
    with started_driver("score_drivers", [role, str(folder), str(seed)], log=log) as running:
        begun_s = None
        while begun_s is None and time.time() < started_s + START_S:
            if running.ends_within(LOOK_S):
                break
            begun_s = record_of(role, folder, seed).begun_s
        left_s = 0.0 if begun_s is None else begun_s + seconds - time.time()
        if running.ends_within(left_s):
            raise RuntimeError(f"{role} ended early:\n{log.read_text()[-3000:]}")
        running.kill()
    if begun_s is None:
        raise RuntimeError(f"{role} began no trial in {START_S:g} s:\n{log.read_text()[-3000:]}")
    ends = [(at_s - begun_s, error) for at_s, error in record_of(role, folder, seed).ends]
    scores = [(after_s, error) for after_s, error in ends if after_s <= seconds]
    if not scores:
        raise RuntimeError(f"{role} trained no trial to its end in {seconds:g} s; give it more.")
    return Search(begun_s - started_s, scores)


def record_of(role: str, folder: Path, seed: int) -> Record:
    """Return what a driver has written down."""
    place = folder / f"{role}-{seed}"
    if role == "engine":
        path = RunsDir(place).study(NAME).journal
        records = read_journal(path) if path.exists() else []
        begun = [record["time_s"] for record in records if record["kind"] == "attempt"]
        ends = [
            (record["time_s"], record["objective"])
            for record in records
            if record["kind"] == "end" and record["state"] == "COMPLETE"
        ]
    else:
        path = place / "scores.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        told = [json.loads(line) for line in lines if line.endswith("}")]
        begun = [line["time_s"] for line in told if line["score"] is None]
        ends = [(line["time_s"], line["score"]) for line in told if line["score"] is not None]
    return Record(min(begun, default=None), ends)


def table(searches: Sequence[Mapping[str, Search]], seconds: float) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{len(searches)} seeds, {seconds:g} s each on {SLOTS} cores"
    roles = sorted(searches[0])
    width = 10 * len(roles)
    yield f"{'':>4}" + "".join(f"{what:>{width}}" for what in COLUMNS)
    yield f"{'seed':>4}" + "".join(f"{role:>10}" for role in roles) * len(COLUMNS)
    for seed, of in enumerate(searches, start=FIRST_SEED):
        starts = "".join(f"{of[role].start_s:>10.0f}" for role in roles)
        ended = "".join(f"{len(of[role].scores):>10}" for role in roles)
        yield f"{seed:>4}{starts}{ended}" + "".join(f"{of[role].best:>10.1f}" for role in roles)
    for peer in roles:
        if peer == "engine":
            continue
        pairs = [(of["engine"], of[peer]) for of in searches]
        costs = [[SLOTS * each.seconds_to(worse(pair)) for each in pair] for pair in pairs]
        ours, theirs = np.array(costs).T
        low, high = ratio_interval(ours, theirs)
        yield ""
        yield f"{PEERS[peer]}; core-seconds to the worse of both bests"
        yield f"{'seed':>4}{'score':>10}{'engine':>10}{peer:>10}"
        rows = zip(pairs, costs, strict=True)
        for seed, (pair, (our, their)) in enumerate(rows, start=FIRST_SEED):
            yield f"{seed:>4}{worse(pair):>10.1f}{our:>10.0f}{their:>10.0f}"
        yield f"ratio: {ours.sum() / theirs.sum():.2f} ({low:.2f} to {high:.2f})"
        yield ""
        yield "mean of the best errors in mm after so many core-seconds"
        yield f"{'':>6}{'engine':>10}{peer:>10}"
        for share in np.arange(1, STEPS + 1) / STEPS:
            means = [mean_best([pair[side] for pair in pairs], share * seconds) for side in (0, 1)]
            yield f"{SLOTS * share * seconds:>6.0f}" + "".join(f"{mean:>10.1f}" for mean in means)
        for one, other, sides in (("engine", peer, (0, 1)), (peer, "engine", (1, 0))):
            share, low, high = map(as_share, share_to_the_mean(pairs, sides, seconds))
            yield (
                f"share of the time until {one} has {other}'s last mean: {share} ({low} to {high})"
            )


def mean_best(searches: Sequence[Search], seconds: float) -> float:
    """Return the mean of the lowest errors by then; infinity while one has none."""
    return float(np.mean([search.best_after(seconds) for search in searches]))


def share_to_the_mean(
    pairs: Sequence[Sequence[Search]], sides: tuple[int, int], seconds: float
) -> tuple[float, float, float]:
    """Return the share of its time after which one's mean best is as low as the other's in the end.

    Args:
        pairs: By seed.
        sides: Which of a pair it is, and which the other.
        seconds: That each had.

    Returns:
        The share, and its 95 % interval over seeds; infinity: it never comes to it.
    """
    one, other = ([pair[side] for pair in pairs] for side in sides)
    times = np.array(sorted(at_s for search in one for at_s, _ in search.scores))
    bests = np.array([[search.best_after(at_s) for at_s in times] for search in one])
    levels = np.array([search.best for search in other])
    rows = np.random.default_rng(0).integers(0, len(pairs), (RESAMPLES, len(pairs)))
    rows = np.concatenate([[range(len(pairs))], rows])
    reached = bests[rows].mean(1) <= levels[rows].mean(1)[:, None]
    shares = np.where(reached.any(1), times[reached.argmax(1)] / seconds, math.inf)
    low, high = np.quantile(shares[1:], (0.025, 0.975), method="nearest")
    return float(shares[0]), float(low), float(high)


def as_share(share: float) -> str:
    """Return a share of the time as the table has it."""
    return f"{share:.2f}" if math.isfinite(share) else "never"


def worse(pair: Sequence[Search]) -> float:
    """Return the worse of their bests, to which all have come."""
    return max(search.best for search in pair)


def main() -> None:
    """Run all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=300.0, help="that each driver gets")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--write", action="store_true", help="write the table under results/")
    options = parser.parse_args()
    roles = ["engine", *options.peers]
    searches = []
    with tempfile.TemporaryDirectory(prefix="same-score-") as name:
        folder = Path(name)
        prepare_data(
            data_config(DATA),
            folder / "data",
            processes=os.cpu_count() or 1,
            progress=lambda *_: None,
        )
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            first = seed % len(roles)
            order = [*roles[first:], *roles[:first]]
            searches.append({role: search(role, folder, seed, options.seconds) for role in order})
            found = ", ".join(f"{role} {searches[-1][role].best:.1f} mm" for role in roles)
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

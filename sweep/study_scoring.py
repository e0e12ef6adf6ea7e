"""A study's networks on data of one's choice, arm against arm: what `evaluate.py STUDY` says.

A study ranks its arms by what its own data set says. Here every trial that completed is scored on
another one, such as photographs for networks that learnt from renders, and arms are compared over
the trial seeds that they share.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from hpe.evaluation.hand_pose_scores import BOX_SHARE, Score
from hpe.metrics.direction import direction_of
from hpe.whole_file import write_text
from sweep.candidates import Candidate, candidates, in_order
from sweep.ledger import Ledger
from sweep.report.comparison import PairedDifference, paired_difference
from sweep.report.ranking import write_csv
from sweep.report.words import difference_text, interval_text
from sweep.study import Objective
from sweep.trials import Trial, TrialState

VERDICTS: Mapping[bool | None, str] = {True: "yes", False: "not separated", None: "one seed"}
HEADLINES = (BOX_SHARE, "miou", "mpjpe_mm", "pa_mpjpe_mm", "pckh_50", "pckh_50_head_bone")
"""What arms are compared by where nothing is said: the first of these that there is."""

TrialScores = Mapping[int, Mapping[str, Score]]
"""Trial's number -> score's name -> score."""


@dataclass(frozen=True)
class ScoredStudy:
    """Arms, and searched points, by one score.

    Attributes:
        by: The score.
        ranked: Each with its values over trial seeds, best first.
        pairs: The best one against each of the others, as far as they share a seed.
    """

    by: Score
    ranked: Sequence[Candidate]
    pairs: Sequence[PairedDifference]


def scored_trials(ledger: Ledger) -> list[Trial]:
    """Return the trials that completed.

    Raises:
        ValueError: If none has.
    """
    trials = [t for t in ledger.trials.values() if t.state is TrialState.COMPLETE]
    if not trials:
        raise ValueError(
            "no trial of this study has completed; STUDY/TRIAL scores one that is still running."
        )
    return trials


def compare(ledger: Ledger, scores: TrialScores, *, by: str | None) -> ScoredStudy:
    """Return the study's arms and points by one score.

    Args:
        ledger: The study.
        scores: All scores of all trials that count.
        by: The score; None for the first of `HEADLINES` that there is.

    Raises:
        ValueError: If there is no such score, or it has no direction to be ranked in.
    """
    known = next(iter(scores.values()))
    rankable = {name: way for name in known if (way := direction_of(name)) is not None}
    name = next((n for n in HEADLINES if n in rankable), "nothing") if by is None else by
    if name not in rankable:
        raise ValueError(f"--by must be one of {', '.join(rankable)}; got {name}.")
    found = []
    for candidate in candidates(ledger):
        values = {
            t.seed: scores[t.number][name].value for t in candidate.trials if t.number in scores
        }
        if values:
            found.append(replace(candidate, values=values))
    found = in_order(found, Objective(metric=f"scored/{name}", direction=rankable[name]))
    pairs = [paired_difference(found[0], rival) for rival in found[1:]]
    return ScoredStudy(known[name], found, [pair for pair in pairs if pair is not None])


def ranked_table(scored: ScoredStudy) -> Table:
    """Return means and every seed's value."""
    seeds = sorted({seed for candidate in scored.ranked for seed in candidate.values})
    table = _table(scored.by.name, "mean", *(f"seed {seed}" for seed in seeds))
    for candidate in scored.ranked:
        values = (candidate.values.get(seed) for seed in seeds)
        table.add_row(
            candidate.name,
            _shown(candidate.mean),
            *("-" if v is None else _shown(v) for v in values),
        )
    return table


def pairs_table(scored: ScoredStudy) -> Table:
    """Return what the best one gains over each of the others, seed by seed."""
    table = _table(f"{scored.ranked[0].name} against", "difference", "95 % interval", "separated")
    for pair in scored.pairs:
        verdict = VERDICTS[pair.separated]
        table.add_row(pair.second, difference_text(pair), interval_text(pair), verdict)
    return table


def write_scored_study(
    folder: Path, about: Mapping[str, Any], ledger: Ledger, scores: TrialScores, scored: ScoredStudy
) -> list[Path]:
    """Write the comparison as JSON, and all scores of all trials as CSV; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {
        "about": dict(about),
        "by": {"name": scored.by.name, "protocol": scored.by.protocol, "hands": scored.by.count},
        "ranked": [
            {"name": c.name, "mean": c.mean, "values": dict(c.values)} for c in scored.ranked
        ],
        "differences": [
            {
                "first": pair.first,
                "second": pair.second,
                "mean": pair.mean,
                "interval": pair.interval,
                "separated": pair.separated,
            }
            for pair in scored.pairs
        ],
    }
    paths = [folder / "study.json", folder / "trials.csv"]
    write_text(paths[0], json.dumps(whole, indent=1))
    names = list(next(iter(scores.values())))
    rows = []
    for number, of_trial in scores.items():
        trial = ledger.trials[number]
        rows.append((number, trial.arm, trial.seed, *(of_trial[name].value for name in names)))
    write_csv(paths[1], ("trial", "arm", "seed", *names), rows)
    return paths


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(columns[0], no_wrap=True)
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _shown(value: float) -> str:
    return f"{value:.4g}"

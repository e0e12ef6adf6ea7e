"""A study's networks on data of one's choice, arm against arm: what `evaluate.py STUDY` says.

A study ranks its arms by what its own data set says. Here every trial that completed is scored on
another one, such as photographs for networks that learnt from renders, and arms are compared over
the trial seeds that they share.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from hpe.evaluation.hand_pose_scores import BOX_SHARE, Score
from hpe.metrics.direction import direction_of
from hpe.whole_file import write_text
from sweep.candidates import (
    Candidate,
    candidates,
    in_order,
    keeps_constraints,
    of_equal_seeds,
)
from sweep.ledger import Ledger
from sweep.report.comparison import Comparison, compared
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
        rivals: The best one against each of the others, as far as they share a seed.
        left_out: Those that may not be called the best, and so are compared with nobody: they have
            fewer trial seeds than others or not the same, or break a constraint of the study.
        without: Names of those that do not have this score, such as one of a part that they lack.
    """

    by: Score
    ranked: Sequence[Candidate]
    rivals: Sequence[Comparison]
    left_out: Sequence[Candidate] = ()
    without: Sequence[str] = ()


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
    """Return the study's arms and points by one score; what leads is told as in the report.

    Args:
        ledger: The study.
        scores: All scores of all trials that count.
        by: The score; None for that of `HEADLINES` which most trials have, the first of these.

    Raises:
        ValueError: If there is no such score, or it has no direction to be ranked in.
    """
    having = Counter(name for of_trial in scores.values() for name in of_trial)
    rankable = {name: way for name in having if (way := direction_of(name)) is not None}
    headlines = [name for name in HEADLINES if name in rankable]
    name = max(headlines, key=having.__getitem__, default="nothing") if by is None else by
    if name not in rankable:
        raise ValueError(f"--by must be one of {', '.join(rankable)}; got {name}.")
    known = {number: of_trial[name] for number, of_trial in scores.items() if name in of_trial}
    found, without = [], []
    for candidate in candidates(ledger):
        values = {t.seed: known[t.number].value for t in candidate.trials if t.number in known}
        if values:
            found.append(replace(candidate, values=values))
        else:
            without.append(candidate.name)
    scored = Objective(metric=f"scored/{name}", direction=rankable[name])
    found = in_order(found, scored)
    ranked = _comparable(found, _objective(ledger))
    return ScoredStudy(
        by=next(iter(known.values())),
        ranked=ranked,
        rivals=compared(ranked, scored),
        left_out=[candidate for candidate in found if candidate not in ranked],
        without=without,
    )


def _objective(ledger: Ledger) -> Objective:
    assert ledger.study is not None, "a study with trials was opened"
    return Objective.model_validate(ledger.study["objective"])


def _comparable(found: Sequence[Candidate], objective: Objective) -> list[Candidate]:
    """Return those that keep the constraints, or all where none does, and have the same seeds."""
    kept = [candidate for candidate in found if keeps_constraints(candidate, objective)]
    return of_equal_seeds(kept or found)


def ranked_table(scored: ScoredStudy) -> Table:
    """Return means and every seed's value, of those in brackets that may not be called the best."""
    shown = [(c, c.name) for c in scored.ranked] + [(c, f"({c.name})") for c in scored.left_out]
    seeds = sorted({seed for candidate, _ in shown for seed in candidate.values})
    table = _table(scored.by.name, "mean", *(f"seed {seed}" for seed in seeds))
    for candidate, name in shown:
        values = (candidate.values.get(seed) for seed in seeds)
        table.add_row(
            name,
            _shown(candidate.mean),
            *("-" if v is None else _shown(v) for v in values),
        )
    return table


def notes_on(scored: ScoredStudy) -> list[str]:
    """Return sentences on who is not compared, and on what the intervals are worth."""
    notes = []
    if scored.left_out:
        notes.append(
            "In brackets: not compared, for want of the trial seeds that others have or because a "
            "constraint of the study is broken."
        )
    if scored.without:
        notes.append(f"Without {scored.by.name}: {', '.join(scored.without)}.")
    if any(rival.p_value is not None for rival in scored.rivals):
        notes.append(
            f"p: of paired t tests, corrected for all pairs among these {len(scored.ranked)} that "
            "share seeds (Holm); an interval is of its pair alone."
        )
    return notes


def pairs_table(scored: ScoredStudy) -> Table:
    """Return what the best one gains over each of the others, seed by seed."""
    columns = ("difference", "95 % interval", "p", "separated")
    table = _table(f"{scored.ranked[0].name} against", *columns)
    for rival in scored.rivals:
        p_value = "-" if rival.p_value is None else f"{rival.p_value:.2g}"
        table.add_row(
            rival.pair.second,
            difference_text(rival.pair),
            interval_text(rival.pair),
            p_value,
            VERDICTS[rival.separated],
        )
    return table


def write_scored_study(
    folder: Path, about: Mapping[str, Any], ledger: Ledger, scores: TrialScores, scored: ScoredStudy
) -> list[Path]:
    """Write the comparison as JSON, and all scores of all trials as CSV; return the files.

    The cell of a score that a trial does not have is empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = {
        "about": dict(about),
        "by": {"name": scored.by.name, "protocol": scored.by.protocol, "hands": scored.by.count},
        "ranked": [_told(candidate) for candidate in scored.ranked],
        "left_out": [_told(candidate) for candidate in scored.left_out],
        "without": list(scored.without),
        "differences": [
            {
                "first": rival.pair.first,
                "second": rival.pair.second,
                "mean": rival.pair.mean,
                "interval": rival.pair.interval,
                "p_value": rival.p_value,
                "separated": rival.separated,
            }
            for rival in scored.rivals
        ],
    }
    paths = [folder / "study.json", folder / "trials.csv"]
    write_text(paths[0], json.dumps(whole, indent=1))
    names = list(dict.fromkeys(name for of_trial in scores.values() for name in of_trial))
    rows = []
    for number, of_trial in scores.items():
        trial = ledger.trials[number]
        values = (of_trial[name].value if name in of_trial else None for name in names)
        rows.append((number, trial.arm, trial.seed, *values))
    write_csv(paths[1], ("trial", "arm", "seed", *names), rows)
    return paths


def _told(candidate: Candidate) -> dict[str, Any]:
    return {"name": candidate.name, "mean": candidate.mean, "values": dict(candidate.values)}


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(columns[0], no_wrap=True)
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _shown(value: float) -> str:
    return f"{value:.4g}"

"""A finished study as a page of the documentation: Markdown, made of what its journal holds."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sweep.candidates import Candidate, candidates, in_order
from sweep.ledger import Ledger
from sweep.messages import counted, shown_duration, shown_size
from sweep.naming import metric_words, with_spread
from sweep.report.comparison import paired_difference
from sweep.report.result import StudyResult
from sweep.report.verdict import verdict_table
from sweep.report.words import (
    ALONE,
    codes_of,
    counts,
    difference_text,
    interval_text,
    template_sentence,
    verdict_text,
    what_it_has,
)

TOP = 10
"""How many candidates are shown beside the arms, all of which are."""

SHA_CHARS, DIGEST_CHARS = 12, 16

Table = Sequence[Sequence[str]]
"""The head, and the rows."""


def study_page(result: StudyResult, ledger: Ledger, *, changed: Sequence[str] | None) -> str:
    """Return the page.

    Args:
        result: What the study has come to.
        ledger: What happened.
        changed: What of the study file is not what it was when it ran; None where there is no such
            file.
    """
    study = result.study
    parts = [
        f"# {study.name}",
        f"*{study.question}*",
        result.answer.sentence,
        *([template] if (template := template_sentence(result)) else []),
        result.answer.certainty,
        *_verdict(result),
        *_candidates(result, ledger),
        *_pairs(result),
        "## What it cost",
        _table([("", ""), *_cost(result, ledger)]),
        "## Where the numbers come from",
        _table([("", ""), *_origin(result, ledger)]),
        _repeating(study.name, changed),
    ]
    return "\n\n".join(parts) + "\n"


def _verdict(result: StudyResult) -> Iterator[str]:
    """Yield the table of replicates on fresh seeds, if there are any."""
    verdict, replication = result.verdict, result.replication
    if verdict is None or replication is None:
        return
    head, *rows = verdict_table(replication, verdict, result.study.objective)
    bold = [(f"**{row[0]}**" if row[0] == verdict.winner else row[0], *row[1:]) for row in rows]
    yield "## Trained again on fresh seeds"
    yield _table([head, *bold])


def _candidates(result: StudyResult, ledger: Ledger) -> Iterator[str]:
    """Yield what the arms and the best points reached, with intervals where there are seeds."""
    objective = result.study.objective
    found = in_order(candidates(ledger), objective)
    if not found:
        return
    shown = [c for rank, c in enumerate(found, start=1) if rank <= TOP or c.arm is not None]
    first = found[0]
    rows = [
        (
            candidate.name,
            ", ".join(str(seed) for seed in sorted(candidate.values)),
            _mean(candidate),
            "" if candidate is first else _behind(candidate, first),
            what_it_has(candidate.trials[0], result.study),
        )
        for candidate in shown
    ]
    head = (
        "",
        "trial seeds",
        metric_words(objective.metric),
        f"minus {first.name}{', 95 % interval alone' if len(first.values) > 1 else ''}",
        "what it has",
    )
    yield "## Arms and searched points"
    yield _table(_without_empty_columns([head, *rows]))
    if len(shown) < len(found):
        yield f"The best {TOP} and all arms, of {counted(len(found), 'candidate')} that completed."


def _pairs(result: StudyResult) -> Iterator[str]:
    """Yield every paired difference between arms, to be unfolded, where seeds give intervals."""
    known = [pair for pair in result.pairs if pair.interval is not None]
    if not known:
        return
    rows = [
        (
            f"{pair.first} − {pair.second}".replace("arm ", ""),
            str(len(pair.differences)),
            difference_text(pair),
            interval_text(pair),
            verdict_text(pair),
        )
        for pair in known
    ]
    head = ("first − second", "seeds", "difference", "95 % interval", "")
    yield f"<details><summary>All paired differences between arms; {ALONE}</summary>"
    yield _table([head, *rows])
    yield "</details>"


def _mean(candidate: Candidate) -> str:
    return with_spread(candidate.mean, candidate.sd)


def _behind(candidate: Candidate, first: Candidate) -> str:
    pair = paired_difference(candidate, first)
    if pair is None:
        return "no seed in common"
    interval = "" if pair.interval is None else f" ({interval_text(pair)})"
    return f"{difference_text(pair)}{interval}"


def _cost(result: StudyResult, ledger: Ledger) -> Iterator[tuple[str, str]]:
    cost = result.cost
    stages = [stage for trial in ledger.everything() for stage in trial.stages]
    trained = sum(stage.status == "done" for stage in stages)
    saved = f", which saved {cost.told(cost.saved)}" if cost.saved else ""
    yield "wall", shown_duration(cost.elapsed_s)
    yield "training", cost.told(cost.trained)
    yield "trials", counts(result)
    if ledger.replicates:
        yield "replicates", str(len(ledger.replicates))
    yield "stages", f"{trained} trained, {cost.num_reused} reused{saved}"
    if result.known is not None:
        yield "begun with", result.known


def _origin(result: StudyResult, ledger: Ledger) -> Iterator[tuple[str, str]]:
    lineage, study = ledger.lineage, result.study
    if ledger.sessions:
        ended = datetime.fromtimestamp(ledger.sessions[-1]["time_s"], tz=UTC)
        yield "date", f"{ended:%-d %B %Y}"
    if codes := codes_of(ledger):
        yield "commit", "; ".join(codes)
    if hardware := _hardware(lineage.get("hardware") or {}):
        yield "hardware", hardware
    if slots := lineage.get("slots"):
        yield "slots", f"{slots['count']} of {counted(slots['workers'], 'worker')}"
    data: Mapping[str, Any] = lineage.get("data") or {}
    settings = ", ".join(f"{name} {value}" for name, value in study.data.items() if name != "name")
    digest = f", digest {data['digest'][:DIGEST_CHARS]}" if "digest" in data else ""
    yield "data", f"{study.data['name']}{f' ({settings})' if settings else ''}{digest}"
    packages: Mapping[str, Any] = lineage.get("packages") or {}
    if torch := packages.get("torch"):
        yield "PyTorch", str(torch)
    seeds = ", ".join(map(str, study.seeds.trials))
    yield "seeds", f"study {study.seeds.study}, trials {seeds}"


def _hardware(hardware: Mapping[str, Any]) -> str:
    """Return cores, memory and GPUs, as far as they are on record."""
    parts = [counted(hardware["cpus"], "core")] if "cpus" in hardware else []
    if "memory_bytes" in hardware:
        parts.append(f"{shown_size(hardware['memory_bytes'])} of memory")
    if "gpus" in hardware:
        parts.append(", ".join(gpu["name"] for gpu in hardware["gpus"]) or "no GPU")
    return ", ".join(parts)


def _repeating(name: str, changed: Sequence[str] | None) -> str:
    if changed is None:
        return "The study is no file of this project."
    if changed:
        return f"The study's file has changed since, in {', '.join(changed)}."
    return f"Run it again: `python sweep/run.py {name}`."


def _without_empty_columns(table: Table) -> Table:
    """Leave out columns that say nothing of any row."""
    kept = [i for i in range(len(table[0])) if any(row[i] for row in table[1:])]
    return [[row[i] for i in kept] for row in table]


def _table(table: Table) -> str:
    head, *rows = [[cell.replace("|", "\\|") for cell in row] for row in table]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

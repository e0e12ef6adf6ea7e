"""The verdict in sentences, as a figure and as a table."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from sweep.candidates import Candidate
from sweep.ledger import Ledger
from sweep.messages import counted, listed
from sweep.naming import metric_words, percent, shown_number, with_spread, with_unit
from sweep.report.answer import Answer
from sweep.report.style import (
    BEST,
    FAINT,
    INK,
    MUTED,
    Chart,
    arm_colors,
    as_png,
    label,
    new_figure,
)
from sweep.study import Objective, Study
from sweep.trials import TrialState
from sweep.verdict.race import Race
from sweep.verdict.replicates import Replication
from sweep.verdict.verdict import CONFIDENCE, Lead, Verdict


def verdict_answer(replication: Replication, verdict: Verdict, objective: Objective) -> Answer:
    """Return what the replicates say, in place of what the search alone would."""
    leader = _leader(replication, verdict, objective)
    return Answer(
        sentence=_sentence(replication, verdict, objective),
        certainty=_certainty(replication, verdict),
        separated=verdict.is_separated if verdict.leads or verdict.unknown else None,
        leader=leader,
    )


def verdict_chart(replication: Replication, verdict: Verdict, study: Study) -> Chart | None:
    """Draw what everyone reached on every fresh seed, the winner first; None before any did."""
    names = sorted(
        verdict.means,
        key=lambda name: (
            name != verdict.winner,
            name in replication.race.left,
            verdict.means[name] * (1 if study.objective.direction == "minimize" else -1),
        ),
    )
    if not names:
        return None
    figure, axes = new_figure(height_in=max(1.8, 0.5 * len(names) + 1.2))
    colors, rows = arm_colors(list(study.arms)), []
    for y, name in enumerate(names):
        source = replication.sources[name]
        color = BEST if name == verdict.winner else colors.get(source.arm or "", INK)
        values = [v for v in replication.values[name][: replication.race.rounds] if v is not None]
        axes.scatter(values, [y] * len(values), s=30, color=color, alpha=0.5, zorder=3)
        axes.plot(verdict.means[name], y - 0.22, "D", color=color, markersize=6, zorder=4)
        rows.append((name, len(values), verdict.means[name], *_beside(name, replication, verdict)))
    left = replication.race.left
    ticks = [f"{name} (left after {left[name].after})" if name in left else name for name in names]
    axes.set_yticks(range(len(names)), ticks)
    for tick, name in zip(axes.get_yticklabels(), names, strict=True):
        tick.set_color(MUTED if name in left else INK)
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.grid(visible=False, axis="y")
    label(axes, x=metric_words(study.objective.metric), y="")
    return Chart(
        name="verdict",
        title="The verdict: trained again on fresh seeds",
        caption="Dots are replicates, diamonds their mean; everyone had the same seeds in the same "
        "order. Who could not win any more left the race, so that its mean is of fewer seeds.",
        png=as_png(figure),
        columns=(
            "name",
            "rounds",
            "mean",
            "winner_ahead_by",
            "low",
            "high",
            "probability_best",
            "left",
        ),
        rows=tuple(rows),
    )


def verdict_table(
    replication: Replication, verdict: Verdict, objective: Objective
) -> list[tuple[str, ...]]:
    """Return a row for everyone who was trained again, best first, below a head.

    Leads over controls have the verdict's interval. That over another finalist has none: the winner
    was picked as the best of them. Rounds that are not finished do not count.
    """
    leads = {lead.control: lead for lead in verdict.leads}
    names = sorted(
        verdict.means, key=verdict.means.__getitem__, reverse=objective.direction == "maximize"
    )
    rows: list[tuple[str, ...]] = [
        (
            "",
            "fresh seeds",
            metric_words(objective.metric),
            "winner ahead by (interval)",
            "best of those who stayed",
        )
    ]
    for name in names:
        ran = replication.values[name][: replication.race.rounds]
        values = [value for value in ran if value is not None]
        sd = statistics.stdev(values) if len(values) > 1 else None
        chance = verdict.probability_best.get(name)
        if name in leads:
            lead = leads[name]
            ahead = f"{lead.mean:+#.3g} ({lead.low:+#.3g} to {lead.high:+#.3g})"
        else:
            ahead = _ahead_of_finalist(name, replication, verdict, objective)
        rows.append(
            (
                name,
                str(len(values)),
                with_spread(verdict.means[name], sd),
                ahead,
                "" if chance is None else percent(chance),
            )
        )
    return rows


def _ahead_of_finalist(
    name: str, replication: Replication, verdict: Verdict, objective: Objective
) -> str:
    """Return the winner's mean lead over another point in the rounds of both; "" of no such."""
    if verdict.winner is None or name == verdict.winner or replication.sources[name].arm:
        return ""
    sign = 1 if objective.direction == "maximize" else -1
    ran = replication.race.rounds
    rounds = zip(
        replication.values[verdict.winner][:ran], replication.values[name][:ran], strict=False
    )
    leads = [sign * (a - b) for a, b in rounds if a is not None and b is not None]
    return f"{statistics.fmean(leads):+#.3g}" if leads else ""


REPLICATE_COLUMNS = (
    "replicate",
    "name",
    "without",
    "seed",
    "state",
    "objective",
    "slot_s",
    "message",
)


def replicate_rows(ledger: Ledger) -> Iterator[tuple[Any, ...]]:
    """Yield a row of `REPLICATE_COLUMNS` for every replicate, those of earlier choices included."""
    for trial in ledger.replicates.values():
        yield (
            trial.number,
            f"trial {trial.replicate_of}" if trial.arm is None else f"arm {trial.arm}",
            None if trial.without is None else ", ".join(trial.without),
            trial.seed,
            trial.state.value,
            trial.objective,
            round(trial.duration_s, 3),
            trial.message,
        )


def _beside(
    name: str, replication: Replication, verdict: Verdict
) -> tuple[float | None, float | None, float | None, float | None, str | None]:
    """Return the winner's lead over this one with its interval, its chance, and why it left."""
    lead = next((lead for lead in verdict.leads if lead.control == name), None)
    ahead = (None, None, None) if lead is None else (lead.mean, lead.low, lead.high)
    left = replication.race.left.get(name)
    return (*ahead, verdict.probability_best.get(name), None if left is None else left.reason)


def strongest_control(race: Race, verdict: Verdict, objective: Objective) -> str | None:
    """Return the control with the best mean of those who stayed."""
    controls = [e.name for e in race.going if e.is_control and e.name in verdict.means]
    sign = 1.0 if objective.direction == "minimize" else -1.0
    return min(controls, key=lambda name: sign * verdict.means[name], default=None)


def _leader(replication: Replication, verdict: Verdict, objective: Objective) -> Candidate | None:
    name = verdict.winner or strongest_control(replication.race, verdict, objective)
    if name is None:
        return None
    source = replication.sources[name]
    reached = replication.values[name][: replication.race.rounds]
    values = {
        seed: value
        for seed, value in zip(replication.seeds, reached, strict=False)
        if value is not None
    }
    return Candidate(name, source.arm, (source,), values)


def _sentence(replication: Replication, verdict: Verdict, objective: Objective) -> str:
    race = replication.race
    if verdict.winner is None:
        return _no_winner(replication, verdict, objective)
    value = with_unit(verdict.means[verdict.winner], objective.metric)
    name = verdict.winner[0].upper() + verdict.winner[1:]
    metric = metric_words(objective.metric, unit=False)
    separated = [lead for lead in verdict.leads if lead.is_separated]
    ahead = [
        f"{lead.control} by {_lead(lead, objective, brief=place > 0)}"
        for place, lead in enumerate(separated)
    ]
    if verdict.unknown:
        known = f" It is ahead of {'; '.join(ahead)}." if ahead else ""
        return (
            f"The data does not show that {verdict.winner} ({value} {metric}) is better than every "
            f"control: {_uncompared(replication, verdict.unknown)}.{known}"
        )
    if not verdict.leads:
        return f"{name} leads with {value} {metric}; {_why_alone(replication)}."
    first = verdict.leads[0]
    lead = _lead(first, objective)
    if first.high < 0:
        return (
            f"{name} ({value} {metric}) is worse than {first.control}, {_standing(first, race)}: "
            f"{_apart(first, objective)}."
        )
    if not first.is_separated:
        return (
            f"The data does not separate {verdict.winner} ({value} {metric}) from {first.control}, "
            f"{_standing(first, race)}: {lead}."
        )
    more = f" It is also ahead of {'; '.join(ahead[1:])}." if ahead[1:] else ""
    return (
        f"{name} wins with {value} {metric}, ahead of {first.control}, {_standing(first, race)}, "
        f"by {lead}.{more}"
    )


def _why_alone(replication: Replication) -> str:
    """Say why there is no control that a winner could be compared with."""
    race = replication.race
    if going := [entrant.name for entrant in race.going if entrant.is_control]:
        return f"to compare it with {listed(going)} takes two fresh seeds or more"
    if replication.barred or any(entrant.is_control for entrant in race.entrants):
        return "no control keeps the constraints, so that there is none to compare it with"
    return "the study has no control to compare it with"


def _no_winner(replication: Replication, verdict: Verdict, objective: Objective) -> str:
    """Say why no searched point won: to fail is not to fall behind."""
    race = replication.race
    points = [entrant.name for entrant in race.entrants if not entrant.is_control]
    failed = [name for name in points if race.left[name].failed]
    if len(failed) == len(points):
        return f"There is no verdict: {_failures(replication, failed)} on fresh seeds."
    missing = _uncompared(replication, tuple(replication.missing))
    left_out = f" Not compared: {missing}." if missing else ""
    control = strongest_control(race, verdict, objective)
    if control is None:
        return (
            "No control stayed in the race (they failed or break a constraint), so there is no "
            f"verdict.{left_out}"
        )
    value = with_unit(verdict.means[control], objective.metric)
    nearest = "" if verdict.nearest is None else f": {_nearest(verdict.nearest, objective)}"
    lost = f" And {_failures(replication, failed)}." if failed else ""
    return f"No searched point won against {control} ({value}){nearest}.{lost}{left_out}"


def _nearest(lead: Lead, objective: Objective) -> str:
    """Say how far the best of those who left was from it, and whether that means it is worse."""
    shown = "it is worse" if lead.high < 0 else "the data does not separate the two"
    return f"the nearest, {lead.candidate}, was {_apart(lead, objective)}, so {shown}"


def _apart(lead: Lead, objective: Objective) -> str:
    """Say how far a point is from a control: `15 mm behind it over 3 fresh seeds (interval ..)`."""
    sign, where = (-1, "behind") if lead.mean <= 0 else (1, "ahead of")
    apart = with_unit(sign * lead.mean, objective.metric, 3)
    low, high = (shown_number(bound, 3) for bound in sorted((sign * lead.low, sign * lead.high)))
    over = counted(lead.rounds, "fresh seed")
    return f"{apart} {where} it over {over} (interval {low} to {high})"


def _breaking(replication: Replication) -> str:
    """Return who broke a constraint: `arm wide in the search, trial 3 on fresh seeds`."""
    told = [f"{name} in the search" for name in replication.barred]
    left = replication.race.left.items()
    told += [f"{name} on fresh seeds" for name, left in left if left.barred]
    return ", ".join(told)


def _uncompared(replication: Replication, names: Sequence[str]) -> str:
    """Return which controls nobody was compared with, and why."""
    failed = [name for name in names if name not in replication.missing]
    told = [f"{_failures(replication, failed)} on fresh seeds"] if failed else []
    told += [f"{name} {replication.missing[name]}" for name in names if name not in failed]
    return " and ".join(told)


def _failures(replication: Replication, names: Sequence[str]) -> str:
    """Return who failed and of what: `trial 3 and trial 5 failed (out_of_memory)`."""
    numbers = {replication.sources[name].number for name in names}
    causes = {
        trial.error_class or "unknown"
        for (source, _), trial in replication.begun.items()
        if source in numbers and trial.state is TrialState.FAIL
    }
    return f"{' and '.join(names)} failed ({', '.join(sorted(causes))})"


def _standing(lead: Lead, race: Race) -> str:
    left = race.left.get(lead.control)
    if left is None or not left.failed:
        return "the strongest control"
    return f"which failed after {counted(lead.rounds, 'fresh seed')}"


def _lead(lead: Lead, objective: Objective, *, brief: bool = False) -> str:
    """Say how far a winner is ahead of a control; briefly, where the confidence was just told."""
    if not lead.is_separated:
        return _apart(lead, objective)
    mean, low = (with_unit(value, objective.metric, 3) for value in (lead.mean, lead.low))
    sure = "" if brief else f" with {percent(CONFIDENCE)} confidence"
    return f"{mean} (at least {low}{sure})"


def _certainty(replication: Replication, verdict: Verdict) -> str:
    race = replication.race
    points = sum(not entrant.is_control for entrant in race.entrants)
    ran = sum(len(row) for row in replication.values.values())
    most = len(race.entrants) * len(replication.seeds)
    seeds = counted(len(replication.seeds), "fresh seed")
    if race.rounds < len(replication.seeds):
        seeds = f"{race.rounds} of at most {seeds}"
    spared = ", as who cannot win any more leaves" if ran < most else ""
    parts = [f"Trained again on {seeds}: {ran} of {most} replicates{spared}."]
    if out := _breaking(replication):
        parts.append(f"No answer and nothing to be better than, as they break a constraint: {out}.")
    if verdict.leads:
        parts.append(
            f"Intervals are of differences paired by seed and make up for choosing the best of "
            f"{counted(points, 'point')} (Dunnett)."
        )
    chances = sorted(verdict.probability_best.items(), key=lambda item: -item[1])
    if len(chances) > 1:
        told = ", ".join(f"{name} {percent(chance)}" for name, chance in chances)
        parts.append(f"Best of those who stayed, seeds resampled: {told}.")
    if race.ended_by is None:
        parts.append("The race is not over.")
    return " ".join(parts)

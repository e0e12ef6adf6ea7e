"""The result on a terminal: leaderboard, arms, paired differences, the answer."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sweep.messages import shown_duration
from sweep.naming import metric_words, shown_number, trial_name
from sweep.report.ablation import ablation_sentence
from sweep.report.result import StudyResult
from sweep.report.words import (
    ALONE,
    STATE_WORDS,
    cost_sentence,
    counts,
    difference_text,
    interval_text,
    spread_text,
    template_sentence,
    verdict_text,
    what_it_has,
)

TOP = 15


def result_view(result: StudyResult) -> RenderableType:
    """Return the whole result for a console to print."""
    parts: list[RenderableType] = [leaderboard_table(result)]
    if len(result.study.seeds.trials) > 1 and result.arms:
        parts.append(arms_table(result))
    if any(pair.interval is not None for pair in result.pairs):
        parts.append(differences_table(result))
    template = template_sentence(result)
    parts.append(Text(result.answer.sentence, style="bold"))
    if template is not None:
        parts.append(Text(template, style="bold red" if result.blind else ""))
    if result.ablation is not None:
        parts.append(Text(ablation_sentence(result.ablation, result.study)))
    parts.append(Text(f"{result.answer.certainty} {cost_sentence(result)}", style="dim"))
    if result.ended_by is not None:
        parts.append(Text(f"The study ended: {result.ended_by}.", style="dim"))
    return Group(*parts)


def leaderboard_table(result: StudyResult) -> Table:
    """Return the best trials, and every arm wherever it stands."""
    table = Table(title=f"{result.study.name}: {counts(result)}", title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("trial", no_wrap=True)
    table.add_column(metric_words(result.study.objective.metric), justify="right")
    table.add_column("state", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("what it has", ratio=1)
    many_seeds = len(result.study.seeds.trials) > 1
    shown = [row for row in result.rows if row.rank <= TOP or row.trial.arm is not None]
    last_rank = 0
    for row in shown:
        if row.rank != last_rank + 1:
            table.add_row("…")
        last_rank = row.rank
        trial = row.trial
        style = "bold" if trial is result.best else ("cyan" if trial.arm is not None else "")
        value = "" if trial.objective is None else shown_number(trial.objective)
        table.add_row(
            str(row.rank),
            trial_name(trial, many_seeds=many_seeds),
            value,
            STATE_WORDS[trial.state],
            shown_duration(trial.duration_s),
            what_it_has(trial, result.study),
            style=style,
        )
    return table


def arms_table(result: StudyResult) -> Table:
    """Return each arm's mean over trial seeds."""
    table = Table(title="Arms, mean ± standard deviation over trial seeds", title_justify="left")
    table.add_column("arm")
    table.add_column(metric_words(result.study.objective.metric), justify="right")
    table.add_column("")
    for arm in result.arms:
        spread = spread_text(list(arm.values.values()), arm.sd)
        table.add_row(arm.arm, shown_number(arm.mean), spread)
    return table


def differences_table(result: StudyResult) -> Table:
    """Return the paired differences between the arms."""
    words = metric_words(result.study.objective.metric)
    title = f"Paired differences of {words}, by trial seed; {ALONE}"
    table = Table(title=title, title_justify="left")
    table.add_column("first − second", no_wrap=True)
    table.add_column("n", justify="right")
    table.add_column("difference", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("")
    for pair in result.pairs:
        table.add_row(
            f"{pair.first} − {pair.second}".replace("arm ", ""),
            str(len(pair.differences)),
            difference_text(pair),
            interval_text(pair),
            verdict_text(pair),
        )
    return table

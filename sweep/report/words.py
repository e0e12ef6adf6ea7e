"""The sentences that the page and the screen share."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweep.ledger import Ledger
from sweep.lineage import commit_words
from sweep.messages import counted, shown_duration
from sweep.naming import metric_words, short_names, shown_number, with_unit
from sweep.report.comparison import PairedDifference
from sweep.report.ranking import composed
from sweep.report.result import StudyResult
from sweep.study import Arm, Study
from sweep.trials import Trial, TrialState

STATE_WORDS = {
    TrialState.COMPLETE: "completed",
    TrialState.PRUNED: "stopped early",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "not finished",
}

ALONE = "each interval is of its pair alone, not corrected for their number"
"""What a table of all pairs has to say, as some leave out zero by chance."""


def counts(result: StudyResult) -> str:
    """Return how many trials ended in which way."""
    parts = [f"{n} {STATE_WORDS[state]}" for state, n in result.states.items()]
    return f"{len(result.rows)} trials: {', '.join(parts)}" if parts else "no trials yet"


def template_sentence(result: StudyResult) -> str | None:
    """Say how the leader stands to the fixed template pose, if that is known."""
    leader = result.answer.leader
    if result.template is None or leader is None:
        return None
    metric = result.study.objective.metric
    value, template = with_unit(leader.mean, metric), with_unit(result.template, metric)
    if result.blind:
        return (
            f"That is no better than the {template} of a fixed template pose that sees no input: "
            f"at this budget {metric_words(metric, unit=False)} is blind, "
            "and no ranking by it should be trusted."
        )
    return f"A fixed template pose that sees no input scores {template}, {leader.name} {value}."


def codes_of(ledger: Ledger) -> list[str]:
    """Return the code that trials were trained by; of several, with how many by each."""
    trials = [trial for trial in ledger.everything() if trial.state is TrialState.COMPLETE]
    found = Counter(words for trial in trials if (words := commit_words(trial.lineage)))
    if len(found) < 2:
        return list(found)
    return [f"{words}: {counted(number, 'trial')}" for words, number in found.items()]


def cost_sentence(result: StudyResult) -> str:
    """Say what training took, what reuse saved and what the search began with."""
    cost = result.cost
    parts = [f"{cost.told(cost.trained)} of training in {shown_duration(cost.elapsed_s)}."]
    if cost.num_reused:
        stages = "stage was" if cost.num_reused == 1 else "stages were"
        saved = f", which saved {cost.number(cost.saved)} more" if cost.saved else ""
        parts.append(f"{cost.num_reused} {stages} not trained again{saved}.")
    if cost.num_on_prefixes:
        trials = counted(cost.num_on_prefixes, "trial")
        parts.append(f"The search placed {trials} on finished first phases of earlier ones.")
    if result.known is not None:
        parts.append(f"It began with {result.known}; they guided it and are not among its trials.")
    return " ".join(parts)


def interval_text(pair: PairedDifference) -> str:
    """Return the interval of a paired difference, or why there is none."""
    if pair.interval is None:
        return "none with one seed"
    low, high = pair.interval
    return f"{low:+#.3g} to {high:+#.3g}"


def difference_text(pair: PairedDifference) -> str:
    """Return the mean of a paired difference with its sign."""
    return f"{pair.mean:+#.3g}"


def verdict_text(pair: PairedDifference) -> str:
    """Return what the interval says of zero, of this pair alone."""
    return {True: "without 0", False: "holds 0", None: "not known"}[pair.separated]


def spread_text(values: Sequence[float], sd: float | None) -> str:
    """Return a standard deviation and the number of seeds it is of."""
    return f"± {shown_number(sd, 2)} ({len(values)} seeds)" if sd is not None else "(1 seed)"


def what_it_has(trial: Trial, study: Study) -> str:
    """Return what a trial ran in a line: of an arm what the study says of it as well."""
    arm = study.arms.get(trial.arm or "")
    if arm is None:
        return short_composition(trial.params)
    parts = [*arm_origin(arm), short_composition({**arm.settings, **trial.params})]
    return ", ".join(part for part in parts if part)


def arm_origin(arm: Arm) -> Iterator[str]:
    """Yield which published setting an arm begins with, and its plan, if it has its own."""
    if arm.baseline is not None:
        yield f"published setting {arm.baseline}"
    if arm.plan is not None:
        yield f"plan {' -> '.join(arm.plan)}"


def short_composition(params: Mapping[str, Any]) -> str:
    """Return the parameters in a line: short names, what is off left out."""
    entries = composed(params)
    names = short_names([path for path, _ in entries])
    return ", ".join(f"{names[path]} {text}" for path, text in entries if text != "off")

"""A study's result: everything that the page, the screen and the files tell, worked out once."""

from collections.abc import Mapping
from dataclasses import dataclass

from sweep.ablation.variants import Ablation, ablation_of
from sweep.agenda import why_over
from sweep.candidates import Candidate, candidates, in_order
from sweep.ledger import Ledger
from sweep.naming import trial_name
from sweep.report.answer import Answer, answer
from sweep.report.baseline import template_value
from sweep.report.comparison import PairedDifference, arm_differences, is_blind
from sweep.report.cost import Cost, cost_of
from sweep.report.history import EpochsOf
from sweep.report.ranking import Row, ranked
from sweep.report.verdict import verdict_answer
from sweep.study import Study
from sweep.trials import Trial, TrialState
from sweep.verdict.replicates import Replication, replication_of
from sweep.verdict.verdict import Verdict, verdict_of
from sweep.warm_start import known_sentence


@dataclass(frozen=True)
class Failure:
    """Trials and replicates that failed for one reason; `first` names the first of them."""

    error_class: str
    trials: tuple[int, ...]
    message: str
    first: str


@dataclass(frozen=True)
class StudyResult:
    """What a study has come to.

    Attributes:
        rows: All trials, best first.
        best: The leader's trial with the best objective.
        answer: The verdict of the replicates once they are run, before that the search's own.
        known: What the search began with from another study, in words; None if with nothing.
        replication: The replicates; None where there are none.
        verdict: What they say so far.
        ablation: What the parts of the winner are worth so far; None where nothing is known.
        arms: Arms that completed, best first.
        pairs: Paired differences between them.
        template: What the fixed template pose scores on the objective's metric, if it is reported.
        blind: Whether the leader is no better than the template.
        failures: By cause, of trials and replicates.
        states: State -> how many trials of the search and arms are in it.
        ended_by: What ended the study, all its trials or a budget; None if something is left.
        num_replicates: How many replicates have begun, for the verdict or an ablation.
    """

    study: Study
    rows: tuple[Row, ...]
    best: Trial | None
    answer: Answer
    arms: tuple[Candidate, ...]
    pairs: tuple[PairedDifference, ...]
    template: float | None
    blind: bool
    cost: Cost
    failures: tuple[Failure, ...]
    states: Mapping[TrialState, int]
    ended_by: str | None
    known: str | None = None
    num_replicates: int = 0
    replication: Replication | None = None
    verdict: Verdict | None = None
    ablation: Ablation | None = None


def result_of(ledger: Ledger, study: Study, *, epochs_of: EpochsOf) -> StudyResult:
    """Work out the result.

    Args:
        ledger: What happened.
        study: What was asked.
        epochs_of: Where epochs come from, reused stages included.
    """
    objective = study.objective
    rows = ranked(ledger, objective)
    found = candidates(ledger)
    told = answer(ledger, objective)
    replication = replication_of(study, ledger) if ledger.replicates else None
    verdict = None
    if replication is not None and replication.race.rounds > 0:
        verdict = verdict_of(
            replication.race,
            replication.values,
            direction=objective.direction,
            missing=replication.missing,
        )
        told = verdict_answer(replication, verdict, objective)
    leader = told.leader
    leading = {trial.number for trial in leader.trials} if leader is not None else set()
    best = next((row.trial for row in rows if row.trial.number in leading), None)
    template = template_value(ledger, objective, epochs_of)
    return StudyResult(
        study=study,
        rows=tuple(rows),
        best=best,
        answer=told,
        arms=tuple(in_order([c for c in found if c.arm is not None], objective)),
        pairs=tuple(arm_differences(found, objective)),
        template=template,
        blind=leader is not None
        and template is not None
        and is_blind(leader.mean, template, objective),
        cost=cost_of(ledger),
        failures=_failures(ledger),
        states={state: len(trials) for state in TrialState if (trials := ledger.in_state(state))},
        ended_by=why_over(study, ledger, elapsed_s=ledger.elapsed_s),
        known=known_sentence(ledger),
        num_replicates=len(ledger.replicates),
        replication=replication,
        verdict=verdict,
        ablation=ablation_of(study, ledger) if ledger.ablations else None,
    )


def _failures(ledger: Ledger) -> tuple[Failure, ...]:
    by_class: dict[str, list[Trial]] = {}
    for trial in ledger.everything():
        if trial.state is TrialState.FAIL:
            by_class.setdefault(trial.error_class or "unknown", []).append(trial)
    failures = [
        Failure(
            error_class=name,
            trials=tuple(trial.number for trial in trials),
            message=trials[0].message or "",
            first=trial_name(trials[0]),
        )
        for name, trials in by_class.items()
    ]
    return tuple(sorted(failures, key=lambda failure: -len(failure.trials)))

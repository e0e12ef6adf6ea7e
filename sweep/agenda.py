"""What a study still has to run, read off its ledger, and why it has not."""

from collections.abc import Callable
from dataclasses import dataclass

from sweep.ablation.variants import ablation_of
from sweep.book import Book
from sweep.ledger import FIRST_REPLICATE, Ledger
from sweep.messages import counted
from sweep.objectives import is_feasible
from sweep.study import Study
from sweep.trials import Trial, TrialState
from sweep.verdict.replicates import replication_of


@dataclass(frozen=True)
class Due:
    """The next trial to begin.

    Attributes:
        arm: The arm's name, or None for a searched point.
        seed: The trial seed.
        sibling: For a point that has begun with another trial seed: that trial.
        replicate_of: For a replicate: the number of the first trial of its point.
        without: For a replicate of an ablation: what is switched off.
    """

    arm: str | None
    seed: int
    sibling: Trial | None = None
    replicate_of: int | None = None
    without: tuple[str, ...] | None = None


def next_due(study: Study, ledger: Ledger) -> Due | None:
    """Return the trial to begin next.

    Every arm first, then searched points, each x trial seeds; once all of them have ended, or the
    search has reached its target, replicates round by round; then the winner without its parts.
    """
    due = None
    if target_reached(study, ledger) is None:
        due = _next_arm(study, ledger) or _next_searched(study, ledger)
    return due or _next_replicate(study, ledger) or _next_ablated(study, ledger)


def next_number(due: Due, ledger: Ledger) -> int:
    """Return the number that a trial gets which begins now."""
    if due.replicate_of is not None:
        return FIRST_REPLICATE + len(ledger.replicates)
    return len(ledger.trials)


def unfinished(study: Study, ledger: Ledger) -> list[Trial]:
    """Return the trials of this study that have begun and not ended.

    A study cut down to one arm leaves the others, and searched points, to the whole study.
    """
    return [trial for trial in ledger.running() if is_of(study, trial)]


def num_left(study: Study, ledger: Ledger) -> int:
    """Return how many trials of this study have not ended, those that have not begun included."""
    points = 0 if study.space is None and not study.search.grid else study.search.trials
    asked = (len(study.arms) + points) * len(study.seeds.trials)
    begun = _num_begun(study, ledger)
    going = sum(trial.replicate_of is None for trial in unfinished(study, ledger))
    again = replicates_left(study, ledger) + ablations_left(study, ledger)
    return max(asked, begun) - (begun - going) + again


def replicates_left(study: Study, ledger: Ledger) -> int:
    """Return how many replicates have not ended, if nobody leaves the race any more."""
    if study.final.top_k == 0 or study.search.trials == 0:
        return 0
    replication = replication_of(study, ledger)
    if replication is None:
        return (study.final.top_k + len(study.arms)) * study.final.seeds
    if replication.race.ended_by is not None:
        replicates = [t for t in ledger.replicates.values() if t.without is None]
        return sum(trial.state is TrialState.RUNNING for trial in replicates)
    rounds = len(replication.seeds)
    return sum(rounds - len(replication.values[e.name]) for e in replication.race.going)


def ablations_left(study: Study, ledger: Ledger) -> int:
    """Return how many trainings of the ablation have not ended, as far as it is known."""
    if study.search.trials == 0:
        return 0
    ablation = ablation_of(study, ledger)
    return study.ablation.seeds if ablation is None else ablation.num_left


def is_of(study: Study, trial: Trial) -> bool:
    """Say whether this study, which may be cut down to one arm, has such a trial."""
    if trial.replicate_of is not None:
        asked = study.final.top_k if trial.without is None else study.ablation.seeds
        return asked > 0 and study.search.trials > 0
    return study.search.trials > 0 if trial.arm is None else trial.arm in study.arms


def is_over(study: Study, ledger: Ledger, *, elapsed_s: float) -> bool:
    """Say whether nothing is left to run: no trial is unfinished and none is to begin."""
    return why_over(study, ledger, elapsed_s=elapsed_s) is not None


def why_over(study: Study, ledger: Ledger, *, elapsed_s: float) -> str | None:
    """Return what ended a study of which nothing is left to run, or None if something is.

    Args:
        study: The study and its budget.
        ledger: What happened so far.
        elapsed_s: Seconds in which a driver was at work.
    """
    if unfinished(study, ledger):
        return None
    due = next_due(study, ledger)
    if due is None:
        return (
            target_reached(study, ledger)
            or f"all that was asked for has run ({_ran(study, ledger)})"
        )
    searching = due.replicate_of is None
    return budget_used_up(study, ledger, elapsed_s=elapsed_s, searching=searching)


class Agenda:
    """What is due now in an open study.

    Args:
        study: The study.
        book: Its open journal, which also tells the time.
        shortage: Says why no trial may begin for now, such as a full disk, or None.
    """

    def __init__(self, study: Study, book: Book, *, shortage: Callable[[], str | None]) -> None:
        self._study, self._book, self._shortage = study, book, shortage

    def due(self) -> Due | None:
        """Return the next trial of the study, unless its budget is used up."""
        due = next_due(self._study, self._book.ledger)
        searching = due is not None and due.replicate_of is None
        if not searching:
            self._told_once(_no_further(target_reached(self._study, self._book.ledger)))
        return due if due is not None and self.budget_is_left(searching=searching) else None

    def budget_is_left(self, *, searching: bool = True) -> bool:
        """Say whether more may be begun, of the search or of replicates; a note tells why not."""
        reason = budget_used_up(
            self._study,
            self._book.ledger,
            elapsed_s=self._book.elapsed_s,
            searching=searching,
        )
        return self._told_once(_no_further(reason))

    def there_is_room(self) -> bool:
        """Say whether a trial may begin now, not later; a note tells once why not."""
        return self._told_once(self._shortage())

    def _told_once(self, reason: str | None) -> bool:
        """Note a reason that was not noted yet; return whether there is none."""
        known = (note["message"] for note in self._book.ledger.notes)
        if reason is not None and reason not in known:
            self._book.write({"kind": "note", "message": reason})
        return reason is None


def _no_further(reason: str | None) -> str | None:
    return None if reason is None else f"{reason}; no further trial begins."


def budget_used_up(
    study: Study,
    ledger: Ledger,
    *,
    elapsed_s: float,
    searching: bool = True,
) -> str | None:
    """Return why no further trial should begin, or None.

    Args:
        study: The study and its budget.
        ledger: What happened so far.
        elapsed_s: Seconds in which a driver was at work.
        searching: Whether it is the search that would begin it, which a target ends as well.
    """
    budget = study.budget
    if budget.wall_h is not None and elapsed_s >= budget.wall_h * 3600:
        return f"budget/wall_h: {budget.wall_h:g} h of running are used up"
    if budget.gpu_h is not None and gpu_hours(ledger) >= budget.gpu_h:
        return f"budget/gpu_h: {budget.gpu_h:g} GPU-hours are used up"
    return target_reached(study, ledger) if searching else None


def gpu_hours(ledger: Ledger) -> float:
    """Return the GPU-hours that trials and replicates have taken."""
    return ledger.spent.gpu_s / 3600


def target_reached(study: Study, ledger: Ledger) -> str | None:
    """Return which trial reached the target that ends the search, if there is one."""
    target = study.budget.target
    if target is None:
        return None
    for trial in ledger.in_state(TrialState.COMPLETE):
        if _reaches(trial, target, study):
            return (
                f"budget/target: trial {trial.number} reached {trial.objective:g} "
                f"(target {target:g})"
            )
    return None


def _next_arm(study: Study, ledger: Ledger) -> Due | None:
    for arm in study.arms:
        for seed in study.seeds.trials:
            if not ledger.has_begun(arm, seed):
                return Due(arm=arm, seed=seed)
    return None


def _next_searched(study: Study, ledger: Ledger) -> Due | None:
    """Return the missing seed of the newest point, or a new point while there are too few."""
    if study.space is None and not study.search.grid:
        return None
    searched = ledger.searched()
    seeds = study.seeds.trials
    points, place = divmod(len(searched), len(seeds))
    if place > 0:
        return Due(arm=None, seed=seeds[place], sibling=searched[-1])
    return Due(arm=None, seed=seeds[0]) if points < study.search.trials else None


def _next_replicate(study: Study, ledger: Ledger) -> Due | None:
    """Return the first of the present round that has not begun."""
    if study.search.trials == 0:
        return None
    replication = replication_of(study, ledger)
    found = None if replication is None else replication.next_due()
    if found is None:
        return None
    source, seed = found
    return Due(source.arm, seed, sibling=source, replicate_of=source.number)


def _next_ablated(study: Study, ledger: Ledger) -> Due | None:
    """Return the first of the ablation that has not begun."""
    if study.search.trials == 0:
        return None
    ablation = ablation_of(study, ledger)
    found = None if ablation is None else ablation.next_due()
    if ablation is None or found is None:
        return None
    without, seed = found
    source = ablation.source
    return Due(source.arm, seed, sibling=source, replicate_of=source.number, without=without)


def _ran(study: Study, ledger: Ledger) -> str:
    number = _num_begun(study, ledger)
    ablated = sum(trial.without is not None for trial in ledger.replicates.values())
    counts = [counted(number, "trial")]
    if len(ledger.replicates) > ablated:
        counts.append(counted(len(ledger.replicates) - ablated, "replicate"))
    if ablated:
        counts.append(f"{counted(ablated, 'training')} of the ablation")
    return ", ".join(counts)


def _num_begun(study: Study, ledger: Ledger) -> int:
    """Return how many trials of this study have begun (see `is_of`)."""
    searched = len(ledger.searched()) if study.search.trials > 0 else 0
    return searched + sum(ledger.num_begun(arm) for arm in study.arms)


def _reaches(trial: Trial, target: float, study: Study) -> bool:
    if trial.objective is None or not is_feasible(trial, study.objective):
        return False
    is_low = trial.objective <= target
    return is_low if study.objective.direction == "minimize" else trial.objective >= target

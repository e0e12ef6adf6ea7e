"""A copy of the study that optuna-dashboard opens; the journal stays the truth."""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from sweep.ledger import Ledger, Record, Trial, TrialState
from sweep.objectives import targets, values_of, violations
from sweep.placement import distributions_from_json
from sweep.study import Objective, Study

UNREADABLE = (ValueError, KeyError, TypeError, AssertionError, optuna.exceptions.OptunaError)
"""What Optuna raises on a journal file that was cut or changed."""

CONSTRAINTS = "constraints"
"""The system attribute in which Optuna kept constraints before version 5, as a list. Optuna 5 reads
it too; optuna-dashboard 0.21 reads nothing else."""

logger = logging.getLogger(__name__)


class OptunaLog:
    """Keeps `optuna.log` in step with the ledger; a listener of journal records.

    Opened, it is compared with the ledger and written anew if they disagree: Optuna cannot read its
    own file any more once something was appended to a torn line. With several objectives it has no
    values of rungs, which Optuna then refuses.
    """

    def __init__(self, path: Path, study: Study, ledger: Ledger) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._path = path
        self._name = study.name
        self._objective = study.objective
        # Only this driver writes the file, so a lock that is there is a dead driver's.
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
        self._trials: dict[int, optuna.Trial] = {}
        if path.exists() and not self._agrees(ledger):
            logger.warning("%s disagrees with the journal and is written anew.", path)
            path.unlink()
        self._study = self._open()
        self._catch_up(ledger)

    def __call__(self, record: Record, ledger: Ledger) -> None:
        """Copy what this record says about a trial."""
        match record["kind"]:
            case "trial":
                self._begin(ledger.trials[record["number"]])
            case "rung":
                self._report(record["trial"], rung=record["rung"], value=record["value"])
            case "end":
                self._end(ledger.trials[record["trial"]])
            case "restage":  # values reported to Optuna cannot be taken back
                self._path.unlink()
                self._study = self._open()
                self._catch_up(ledger)

    def _open(self) -> optuna.Study:
        self._storage = JournalStorage(JournalFileBackend(str(self._path)))
        study = optuna.create_study(
            storage=self._storage,
            study_name=self._name,
            directions=[target.direction for target in targets(self._objective)],
            load_if_exists=True,
        )
        names = [target.metric for target in targets(self._objective)]
        if study.metric_names != names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                study.set_metric_names(names)
        return study

    def _agrees(self, ledger: Ledger) -> bool:
        if not _is_whole(self._path):
            return False
        try:
            copies = self._open().trials
        except UNREADABLE:
            return False
        return len(copies) <= len(ledger.trials) and all(
            _is_copy(copy, ledger.trials[copy.number], self._objective) for copy in copies
        )

    def _catch_up(self, ledger: Ledger) -> None:
        """Write what the copy is behind."""
        copies = self._study.get_trials(deepcopy=False)
        for trial in ledger.trials.values():
            copy = copies[trial.number] if trial.number < len(copies) else None
            if copy is None:
                self._begin(trial)
            elif copy.state.is_finished():
                continue
            else:
                self._trials[trial.number] = optuna.Trial(self._study, copy._trial_id)
            for rung in trial.rungs:
                if copy is None or rung.rung not in copy.intermediate_values:
                    self._report(trial.number, rung=rung.rung, value=rung.value)
            if trial.state is not TrialState.RUNNING:
                self._end(trial)

    def _begin(self, trial: Trial) -> None:
        self._study.enqueue_trial(dict(trial.params), user_attrs=_attributes(trial))
        self._trials[trial.number] = self._study.ask(distributions_from_json(trial.distributions))

    def _end(self, trial: Trial) -> None:
        copy = self._trials.pop(trial.number)
        for name in ("error_class", "message"):
            if (value := getattr(trial, name)) is not None:
                copy.set_user_attr(name, value)
        state = optuna.trial.TrialState[trial.state.name]
        values = None
        if trial.state is TrialState.COMPLETE:
            values = values_of(trial, self._objective)
            excesses = list(violations(trial, self._objective).values())
            if excesses:
                self._storage.set_trial_system_attr(copy._trial_id, CONSTRAINTS, excesses)
        self._study.tell(copy, values, state=state)

    def _report(self, number: int, *, rung: int, value: float) -> None:
        if len(targets(self._objective)) == 1:
            self._trials[number].report(value, step=rung)


def _attributes(trial: Trial) -> dict[str, Any]:
    return {"arm": trial.arm, "seed": trial.seed}


def _is_whole(path: Path) -> bool:
    """Say whether every line of the file is complete JSON; Optuna accepts a torn last one."""
    lines = path.read_bytes().split(b"\n")
    if lines.pop() != b"":
        return False
    try:
        for line in lines:
            json.loads(line)
    except ValueError:
        return False
    return True


def _is_copy(copy: optuna.trial.FrozenTrial, trial: Trial, objective: Objective) -> bool:
    """Say whether a trial's copy is equal or merely behind."""
    has_rungs = len(targets(objective)) == 1
    rungs = {rung.rung: rung.value for rung in trial.rungs} if has_rungs else {}
    if copy.params != dict(trial.params) or copy.user_attrs != {
        **copy.user_attrs,
        **_attributes(trial),
    }:
        return False
    if copy.state is optuna.trial.TrialState.RUNNING:
        return copy.intermediate_values.items() <= rungs.items()
    if copy.state.name != trial.state.name or copy.intermediate_values != rungs:
        return False
    if trial.state is not TrialState.COMPLETE:
        return True
    if copy.values != values_of(trial, objective):
        return False
    excesses: list[float] = copy.system_attrs.get(CONSTRAINTS, [])
    return excesses == list(violations(trial, objective).values())

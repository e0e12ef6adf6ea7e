"""The file that optuna-dashboard opens, and how it is brought in step with the trials."""

import json
import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import (
    BaseJournalBackend,
    JournalFileBackend,
    JournalFileSymlinkLock,
)
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from hpe.whole_file import write_text
from sweep.objectives import targets, values_of, violations
from sweep.placement import distributions_from_json
from sweep.study import Objective, Study
from sweep.trials import Trial, TrialState

UNREADABLE = (ValueError, KeyError, TypeError, AssertionError, optuna.exceptions.OptunaError)
"""What Optuna raises on a journal file that was cut or changed."""

CONSTRAINTS = "constraints"
"""The system attribute in which Optuna kept constraints before version 5, as a list. Optuna 5 reads
it too; optuna-dashboard 0.21 reads nothing else."""

NO_ID = -1

Log = dict[str, Any]
"""One operation, one line of Optuna's file."""

logger = logging.getLogger(__name__)


class OptunaCopy:
    """Keeps Optuna's file in step with the trials of a study; one thread alone uses it.

    What changed is appended at once, with one sync. Before, the file is read and compared whenever
    somebody else may have touched it. One that disagrees is written anew, as a whole: Optuna cannot
    take back what it was told, and cannot read its own file any more once something was appended to
    a torn line. With several objectives the copy has no values of rungs, which Optuna then refuses.
    """

    def __init__(self, path: Path, study: Study) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._path, self._name, self._objective = path, study.name, study.objective
        # Only this driver writes the file, so a lock that is there is a dead driver's.
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
        self._file = JournalFileBackend(str(path))
        self._size: int | None = None  # of the file as it was left
        self._start([])

    def follow(self, trials: Mapping[int, Trial]) -> None:
        """Bring the file up to date with all trials there are.

        Raises:
            OSError: If it cannot be written.
        """
        is_strange = self._size is None or self._size != _size_of(self._path)
        if is_strange:
            self._path.touch()  # somebody who waits for its lock looks at it
        disagrees = is_strange and not self._read()
        unsettled = {n: trial for n, trial in trials.items() if n not in self._settled}
        pictures = {n: picture_of(trial, self._objective) for n, trial in unsettled.items()}
        copies = self._copies()
        if disagrees or len(copies) > len(trials) or not _all_agree(copies, pictures):
            if is_strange:
                logger.warning("%s disagrees with the journal and is written anew.", self._path)
            self._write_anew([picture_of(trial, self._objective) for trial in trials.values()])
        else:
            for number, picture in pictures.items():
                self._write(copies[number] if number < len(copies) else None, picture)
            self._append()
        self._settled.update(n for n, picture in pictures.items() if picture.state.is_finished())

    def _start(self, logs: Iterable[Log]) -> None:
        """Take these as what the file holds, and make of it a study with its metrics' names."""
        self._settled: set[int] = set()
        self._logs = _LogsInMemory(logs)
        self._storage = JournalStorage(self._logs)
        study = optuna.create_study(
            storage=self._storage,
            study_name=self._name,
            directions=[target.direction for target in targets(self._objective)],
            load_if_exists=True,
        )
        self._study_id = study._study_id
        names = [target.metric for target in targets(self._objective)]
        if study.metric_names != names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                study.set_metric_names(names)

    def _read(self) -> bool:
        """Take in what the file holds now; say whether Optuna could read it to its end."""
        data = self._path.read_bytes()
        try:
            self._start(_logs_in(data))
            self._copies()
        except UNREADABLE:
            return False
        self._size = len(data)
        return True

    def _copies(self) -> Sequence[FrozenTrial]:
        return self._storage.get_all_trials(self._study_id, deepcopy=False)

    def _write(self, copy: FrozenTrial | None, picture: FrozenTrial) -> None:
        """Write what a trial's copy is behind."""
        if copy is None:
            self._storage.create_new_trial(self._study_id, picture)
            return
        if copy.state.is_finished():
            return
        for rung, value in picture.intermediate_values.items():
            if rung not in copy.intermediate_values:
                self._storage.set_trial_intermediate_value(copy._trial_id, rung, value)
        if picture.state.is_finished():
            for name, attribute in picture.user_attrs.items():
                if name not in copy.user_attrs:
                    self._storage.set_trial_user_attr(copy._trial_id, name, attribute)
            for name, attribute in picture.system_attrs.items():
                self._storage.set_trial_system_attr(copy._trial_id, name, attribute)
            self._storage.set_trial_state_values(copy._trial_id, picture.state, picture.values)

    def _append(self) -> None:
        if self._logs.pending:
            assert self._size is not None
            self._file.append_logs(self._logs.pending)
            self._size += len(_text_of(self._logs.pending))
            self._logs.pending = []

    def _write_anew(self, pictures: Iterable[FrozenTrial]) -> None:
        self._start([])
        for picture in pictures:
            self._write(None, picture)
            if picture.state.is_finished():
                self._settled.add(picture.number)
        text = _text_of(self._logs.pending)
        lock = JournalFileSymlinkLock(str(self._path))
        lock.acquire()
        try:
            write_text(self._path, text)
        finally:
            lock.release()
        self._size = len(text)
        self._logs.pending = []


def picture_of(trial: Trial, objective: Objective) -> FrozenTrial:
    """Return a trial as its copy is to look now.

    Optuna takes the value at the last rung for that of a pruned trial.
    """
    state = OptunaState[trial.state.name]
    values: Sequence[float] | None = None
    system_attrs: dict[str, Any] = {}
    rungs = {rung.rung: rung.value for rung in trial.rungs} if len(targets(objective)) == 1 else {}
    if trial.state is TrialState.COMPLETE:
        values = values_of(trial, objective)
        excesses = list(violations(trial, objective).values())
        if values is None:  # one of them is not known
            state = OptunaState.FAIL
        elif excesses:
            system_attrs[CONSTRAINTS] = excesses
    elif trial.state is TrialState.PRUNED and rungs:
        values = [rungs[max(rungs)]]
    user_attrs = {"arm": trial.arm, "seed": trial.seed}
    for name in ("error_class", "message"):
        if (value := getattr(trial, name)) is not None:
            user_attrs[name] = value
    return FrozenTrial(
        number=trial.number,
        state=state,
        value=None,
        values=values,
        datetime_start=datetime.fromtimestamp(trial.created_s, tz=UTC),
        datetime_complete=(
            None if trial.ended_s is None else datetime.fromtimestamp(trial.ended_s, tz=UTC)
        ),
        params=dict(trial.params),
        distributions=distributions_from_json(trial.distributions),
        user_attrs=user_attrs,
        system_attrs=system_attrs,
        intermediate_values=rungs,
        trial_id=NO_ID,
    )


class _LogsInMemory(BaseJournalBackend):
    """What the file holds, and what is still to be appended to it.

    Attributes:
        pending: The latter.
    """

    def __init__(self, logs: Iterable[Log]) -> None:
        self._logs = list(logs)
        self.pending: list[Log] = []

    def read_logs(self, log_number_from: int) -> list[Log]:
        """Return the logs from this one on."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[Log]) -> None:
        """Keep these until they are written."""
        self._logs += logs
        self.pending += logs


def _all_agree(copies: Sequence[FrozenTrial], pictures: Mapping[int, FrozenTrial]) -> bool:
    return all(
        _is_copy(copies[number], picture)
        for number, picture in pictures.items()
        if number < len(copies)
    )


def _is_copy(copy: FrozenTrial, picture: FrozenTrial) -> bool:
    """Say whether a trial's copy is equal or merely behind."""
    if copy.params != picture.params:
        return False
    known = {name: copy.user_attrs.get(name) for name in picture.user_attrs}
    if copy.state is OptunaState.RUNNING:
        same = [known[name] == picture.user_attrs[name] for name in ("arm", "seed")]
        return all(same) and copy.intermediate_values.items() <= picture.intermediate_values.items()
    if copy.state is not picture.state or known != picture.user_attrs:
        return False
    if copy.intermediate_values != picture.intermediate_values:
        return False
    return copy.values == picture.values and (
        copy.system_attrs.get(CONSTRAINTS) == picture.system_attrs.get(CONSTRAINTS)
    )


def _logs_in(data: bytes) -> list[Log]:
    """Return the logs in a file's content.

    Raises:
        ValueError: If any line of it is not complete JSON; Optuna accepts a torn last one.
    """
    lines = data.split(b"\n")
    if lines.pop() != b"":
        raise ValueError("the last line is torn.")
    return [json.loads(line) for line in lines]


def _text_of(logs: Iterable[Log]) -> str:
    """Return logs as Optuna writes them, in ASCII."""
    return "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs)


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None

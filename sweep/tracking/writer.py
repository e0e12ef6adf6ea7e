"""From journal records to MLflow runs: what changed is written again as it is now."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sweep.ledger import Ledger, Record
from sweep.tracking.faults import Refused, Unread
from sweep.tracking.metrics_table import NAME as METRICS
from sweep.tracking.metrics_table import metrics_table
from sweep.tracking.pictures import (
    STUDY,
    RunPicture,
    lineage_text,
    phase_key,
    phase_picture,
    settings_text,
    study_picture,
    trial_key,
    trial_picture,
)
from sweep.trials import Epoch, StageEntry
from trainables.manifest import CorruptStage
from trainables.out_of_reach import is_out_of_reach
from trainables.stages import PICTURES

if TYPE_CHECKING:
    from sweep.tracking.store import RunStore

History = Callable[[str], Sequence[Mapping[str, Any]]]
"""Stage key -> `{"epoch", "metrics"}` of every epoch of a committed stage."""

Drawn = Callable[[str], Mapping[int, Path]]
"""Stage key -> folders of the epochs whose predictions were drawn."""

LINEAGE = "lineage.yaml"

DRAWN_EVERY = "pictures_every"
"""The setting of phases that draw what they predict while they train."""


class RunWriter:
    """Folds records and remembers which runs MLflow has to be told about.

    Writing is idempotent: a run is described from the ledger as a whole, and MLflow is told what it
    does not hold yet. So it does not matter how often, or from where, records are handled.

    Attributes:
        refused: Messages about runs that MLflow will not take.
    """

    def __init__(self, history: History | None, drawn: Drawn | None = None) -> None:
        self.ledger = Ledger()
        self.journal_id: str | None = None
        self.refused: list[str] = []
        self._history = history
        self._drawn = drawn
        self._kept: dict[str, set[str]] = {}
        self._started_s = 0.0
        self._reused_s: dict[str, float] = {}
        self._changed: dict[str, None] = {}
        self._settings_due: dict[int, None] = {}
        self._outdated: dict[str, None] = {}
        self._given_up: set[str] = set()

    def fold(self, record: Record) -> None:
        """Take a record into account and mark the runs it changes."""
        if record["kind"] == "restage":
            kept = {stage["key"] for stage in record["stages"]}
            for stage in self.ledger.trial(record["trial"]).stages:
                if stage.key not in kept:
                    key = phase_key(record["trial"], stage.label)
                    self._outdated[key] = None
                    self._changed.pop(key, None)
        self.remember(record)
        match record["kind"]:
            case "study" | "session":
                self._changed[STUDY] = None
            case "trial":
                self._settings_due[record["number"]] = None
                self._changed[trial_key(record["number"])] = None
            case "restage":
                self._settings_due[record["trial"]] = None
                self._changed[trial_key(record["trial"])] = None
            case "attempt" | "rung":
                self._changed[trial_key(record["trial"])] = None
            case "stage" | "epoch":
                self._changed[phase_key(record["trial"], record["label"])] = None
            case "end":
                self._mark_ended(record["trial"])

    def remember(self, record: Record) -> None:
        """Take a record into account that MLflow has been told about."""
        if self.journal_id is None:
            self.journal_id = journal_id(record)
            self._started_s = record["time_s"]
        self.ledger.apply(record)
        if record["kind"] == "stage" and record["status"] == "reused":
            self._reused_s[phase_key(record["trial"], record["label"])] = record["time_s"]

    def mark_all(self) -> None:
        """Have everything written again, for a store that lost it."""
        self._changed[STUDY] = None
        self._kept.clear()
        for trial in self.ledger.everything():
            self._settings_due[trial.number] = None
            self._mark_ended(trial.number)

    def flush(self, store: "RunStore") -> Unread | None:
        """Write every run that changed; what was written is not written again after a failure.

        Returns:
            Why some runs could not be written: what is kept of their stages is out of reach for
            now. All else was; call again later.

        Raises:
            Unreachable: If MLflow does not answer; call again later.
        """
        if self.ledger.study is None:
            return None
        if STUDY not in store.runs:
            self._changed[STUDY] = None
            self._kept.pop(STUDY, None)
        for key in list(self._outdated):
            store.discard(key)
            self._kept.pop(key, None)
            del self._outdated[key]
        unread: Unread | None = None
        for key in sorted(self._changed, key=_parents_first):
            try:
                self._write(store, key)
            except Unread as error:
                unread = error
            else:
                del self._changed[key]
        for number in list(self._settings_due):
            self._write_settings(store, number)
            del self._settings_due[number]
        return unread

    def put_away_unknown(self, store: "RunStore") -> None:
        """Put runs away of which the journal knows nothing: it came back from an older copy.

        Raises:
            Unreachable: If MLflow does not answer; call again later.
        """
        known = {STUDY}
        for trial in self.ledger.everything():
            begun = (stage.label for stage in trial.stages if stage.status != "planned")
            known |= {trial_key(trial.number), *(phase_key(trial.number, each) for each in begun)}
        for key in store.runs.keys() - known:
            store.discard(key)

    def _write(self, store: "RunStore", key: str) -> None:
        if key in self._given_up:
            return
        try:
            picture = self._picture(key)
        except Unread:
            raise
        except Exception as error:  # noqa: BLE001  one run's fault, whichever, stops no other run
            self._give_up(key, f"MLflow goes without run {key}: {type(error).__name__}: {error}")
            return
        if picture.parent is not None and picture.parent not in store.runs:
            self._write(store, picture.parent)
        if picture.parent in self._given_up:
            self._given_up.add(key)
            return
        try:
            store.write(picture)
            self._keep_files(store, key)
        except Refused as error:
            self._give_up(key, f"MLflow refuses the run {picture.name!r}: {error}")

    def _keep_files(self, store: "RunStore", key: str) -> None:
        """Keep a run's files with it.

        Of the study: its lineage. Of a phase: what it drew of its epochs so far, and in the end its
        metrics.
        """
        if key == STUDY:
            self._keep_lineage(store)
        number, _, label = key.partition("/")
        if not label:
            return
        trial = self.ledger.trial(int(number))
        stage, kept = trial.stage(label), self._kept.setdefault(key, set())
        is_done = stage.status in ("done", "reused")
        for epoch, folder in self._drawn_of(stage).items():
            name = f"{PICTURES}/{folder.name}"
            if name not in kept and (is_done or stage.epoch(epoch) is not None):
                store.write_folder(key, folder, name)
                kept.add(name)
        epochs = stage.epochs or self._reused_epochs(key, stage.key)
        table = f"{METRICS} of {len(epochs)} epochs"
        if table not in kept and epochs and (is_done or trial.ended_s is not None):
            store.write_text(key, metrics_table(epochs), METRICS)
            kept.add(table)

    def _keep_lineage(self, store: "RunStore") -> None:
        text = yaml.safe_dump(lineage_text(self.ledger.lineage), sort_keys=False)
        kept = self._kept.setdefault(STUDY, set())
        if text not in kept:
            store.write_text(STUDY, text, LINEAGE)
            kept.clear()
            kept.add(text)

    def _drawn_of(self, stage: StageEntry) -> Mapping[int, Path]:
        """Return where the pictures of a stage's epochs lie; of one that draws none, nothing."""
        if self._drawn is None or not stage.config.get(DRAWN_EVERY):
            return {}
        with _reading():
            return self._drawn(stage.key)

    def _write_settings(self, store: "RunStore", number: int) -> None:
        """Keep a trial's settings with its run, if it has one that MLflow takes."""
        key = trial_key(number)
        if key not in store.runs or key in self._given_up:
            return
        text = yaml.safe_dump(settings_text(self.ledger.trial(number)), sort_keys=False)
        try:
            store.write_text(key, text, "settings.yaml")
        except Refused as error:
            self._give_up(key, f"MLflow refuses the settings of run {key}: {error}")

    def _give_up(self, key: str, message: str) -> None:
        """Write a run no more in this session, and tell why, once."""
        self._given_up.add(key)
        self.refused.append(message)

    def _picture(self, key: str) -> RunPicture:
        if key == STUDY:
            return study_picture(self.ledger, started_s=self._started_s)
        number, _, label = key.partition("/")
        trial = self.ledger.trial(int(number))
        if not label:
            seeds = (self.ledger.study or {}).get("seeds", {}).get("trials", [])
            return trial_picture(trial, self.ledger, many_seeds=len(seeds) > 1)
        stage = trial.stage(label)
        return phase_picture(
            trial,
            stage,
            reused_s=self._reused_s.get(key),
            reused_epochs=self._reused_epochs(key, stage.key),
        )

    def _reused_epochs(self, key: str, stage_key: str) -> list[Epoch]:
        """Return the epochs of a stage that was reused, as they were when it was trained."""
        reused_s = self._reused_s.get(key)
        if self._history is None or reused_s is None:
            return []
        try:
            with _reading():
                history = self._history(stage_key)
        except (FileNotFoundError, CorruptStage):
            return []  # cleaned or damaged since; the objective is in the journal
        return [Epoch(entry["epoch"], entry["metrics"], reused_s) for entry in history]

    def _mark_ended(self, number: int) -> None:
        self._changed[trial_key(number)] = None
        for stage in self.ledger.trial(number).stages:
            if stage.status != "planned":
                self._changed[phase_key(number, stage.label)] = None


def journal_id(first: Record) -> str:
    """Return what tells a journal from an earlier one of its study: its first record's digest."""
    text = json.dumps(dict(first), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def _reading() -> Iterator[None]:
    """Raise what says that a file system does not answer as something to be tried again.

    Raises:
        Unread: If so.
    """
    try:
        yield
    except OSError as error:
        if is_out_of_reach(error):
            raise Unread(str(error)) from error
        raise


def _parents_first(key: str) -> tuple[bool, int, str]:
    number, _, label = key.partition("/")
    return (key != STUDY, int(number) if number.isdigit() else -1, label)

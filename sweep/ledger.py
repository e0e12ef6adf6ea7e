"""The study as the journal tells it: a fold of records into trials and stages."""

from collections.abc import Iterable, Mapping
from typing import Any

from sweep.slot_time import NOTHING, Slot, Spent
from sweep.trials import Epoch, PrefixOf, RungEntry, StageEntry, Trial, TrialState

FIRST_REPLICATE = 1_000_000
"""Number of a study's first replicate; those of the search count from 0, whatever replicates do."""

Record = Mapping[str, Any]
"""A journal record: `kind` and `time_s` (Unix time, for display only) and what the kind needs."""


class Ledger:
    """All that happened in a study, rebuilt by applying journal records in order.

    Record kinds (each also has `time_s`):
        `study`: study (as resolved JSON), lineage (git commit, packages, data card, digest).
        `session`: event = opened | closed | interrupted, host, pid; ends also have elapsed_s.
        `trial`: number, arm, seed, params, distributions, settings,
            stages = [{label, key, phase, epochs, config, seed}],
            prefix_of = {trial, steps} or null, of a replicate also replicate_of, if it
            is of an ablation also without (names) and changed (path -> value).
        `ablation`: of = the winner's first trial, and what of it can be switched off
            (`sweep.ablation.plan`).
        `known`: source = the study whose trials the search begins with, records = those of its
            trials that fit, numbered below zero (of kinds trial, stage, rung and end, of = {study,
            trial} in each of the first), left_out = reason -> how many do not.
        `restage`: trial, stages as above: what it was to run has changed (the code, say), so it
            starts again with nothing of what it did before in the stages that changed. May have
            settings, if these changed, and lighter (path -> value), if it ran out of memory.
        `attempt`: trial, attempt (counted from 1).
        `stage`: trial, label, status = running | done | reused, resumed_from.
        `epoch`: trial, label, epoch, metrics (keys without the label), usage = what each worker
            used, by rank (left out where that is not known).
        `rung`: trial, label, rung, epoch, value, decision.
        `promote`: trial, rung: it was paused at this rung and goes on.
        `end`: trial, state, objective, others (left out where there are none), error_class,
            message, failed_in = label (left out where that is not known).
        `note`: message (a fault survived, a slot replaced), shown to people; about the loss of what
            a trial ran on also trial, error_class and epochs (how many it had reported), about a
            proxy switched off also proxy_off = label.

    Attributes:
        trials: Arms and searched trials by number: what is compared, stopped early, and told to the
            sampler.
        replicates: Replicates by number, of which nothing of this is true.
        ablations: The `ablation` records, by the trial that they are of.
        known: Trials of another study that the sampler is told of as well, and nothing else is, by
            number; `source` is the record of what was taken of it.
        first_spent: Stage key -> what training it took the trial that finished it first, and stays
            so if it is lost and trained again: what a trial is said to have cost does not change.
        lineage: Of the last session; a trial has that of the session it was trained in.
        elapsed_s: Seconds in which a driver was at work, over all sessions.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.study: Mapping[str, Any] | None = None
        self.lineage: Mapping[str, Any] = {}
        self._slot = Slot()
        self.trials: dict[int, Trial] = {}
        self.replicates: dict[int, Trial] = {}
        self.ablations: dict[int, Record] = {}
        self.known: Mapping[int, Trial] = {}
        self.source: Record | None = None
        self.sessions: list[Record] = []
        self.notes: list[Record] = []
        self.first_spent: dict[str, Spent] = {}
        self._searched: list[Trial] = []
        self._arms: dict[str, set[int]] = {}
        self._running: dict[int, Trial] = {}
        self._spent = NOTHING
        self._elapsed_before_s = 0.0
        self._session_s = 0.0
        for record in records:
            self.apply(record)

    @property
    def elapsed_s(self) -> float:
        return self._elapsed_before_s + self._session_s

    def apply(self, record: Record) -> None:
        """Take one record into account."""
        self._count_time(record)
        match record["kind"]:
            case "study":
                self.study, self.lineage = record["study"], record["lineage"]
                self._slot = Slot.of(self.lineage)
            case "session":
                self.sessions.append(record)
            case "note":
                self.notes.append(record)
            case "trial":
                self._apply_trial(record)
            case "known":
                self.source, self.known = record, Ledger(record["records"]).trials
            case "restage":
                self._apply_restage(record)
            case "ablation":
                self.ablations[record["of"]] = record
            case "attempt":
                self.trial(record["trial"]).attempt = record["attempt"]
            case "stage":
                self._apply_stage(record)
            case "epoch":
                self._apply_epoch(record)
            case "rung":
                self.trial(record["trial"]).rungs.append(
                    RungEntry(
                        label=record["label"],
                        rung=record["rung"],
                        epoch=record["epoch"],
                        value=record["value"],
                        decision=record["decision"],
                    )
                )
            case "promote":
                for entry in self.trial(record["trial"]).rungs:
                    entry.promoted = entry.promoted or entry.rung == record["rung"]
            case "end":
                self._apply_end(record)
            case kind:
                raise ValueError(f"the journal holds a record of unknown kind {kind!r}.")

    def enter(self, trial: Trial) -> None:
        """Take a trial or replicate in that has begun."""
        if trial.state is TrialState.RUNNING:
            self._running[trial.number] = trial
        else:
            self._spent += trial.spent
        if trial.replicate_of is not None:
            self.replicates[trial.number] = trial
            return
        self.trials[trial.number] = trial
        if trial.arm is None:
            self._searched.append(trial)
        else:
            self._arms.setdefault(trial.arm, set()).add(trial.seed)

    def _count_time(self, record: Record) -> None:
        """Add up sessions: by their own clock if they ended well, else up to their last record.

        A `study` record comes before the opening of the session that writes it.
        """
        if record["kind"] == "session" and record["event"] == "opened":
            self._elapsed_before_s += self._session_s
            self._session_s = 0.0
        elif record["kind"] == "session":
            self._session_s = record.get("elapsed_s", self._session_s)
        elif record["kind"] != "study" and self.sessions:
            since_opened_s = record["time_s"] - self.sessions[-1]["time_s"]
            self._session_s = max(self._session_s, since_opened_s)

    def _apply_trial(self, record: Record) -> None:
        prefix_of = record.get("prefix_of")  # journals from before there were any have none
        replicate_of, without = record.get("replicate_of"), record.get("without")
        self.enter(
            Trial(
                number=record["number"],
                arm=record["arm"],
                seed=record["seed"],
                params=record["params"],
                distributions=record["distributions"],
                settings=record["settings"],
                stages=_entries(record["stages"]),
                created_s=record["time_s"],
                prefix_of=PrefixOf(**prefix_of) if prefix_of is not None else None,
                replicate_of=replicate_of,
                without=None if without is None else tuple(without),
                changed=record.get("changed", {}),
                lineage=self.lineage,
            )
        )

    def _apply_restage(self, record: Record) -> None:
        trial = self.trial(record["trial"])
        before = {stage.key: stage for stage in trial.stages}
        spent = trial.spent
        trial.stages = [before.get(stage.key, stage) for stage in _entries(record["stages"])]
        trial.settings = record.get("settings", trial.settings)
        trial.lighter = record.get("lighter", trial.lighter)
        trial.replaced += spent - trial.spent
        kept = {stage.label for stage in trial.stages if stage.key in before}
        trial.rungs = [rung for rung in trial.rungs if rung.label in kept]
        trial.progress = _progress(trial)

    def _apply_stage(self, record: Record) -> None:
        trial = self.trial(record["trial"])
        stage = trial.stage(record["label"])
        stage.status, trial.lineage = record["status"], self.lineage
        match record["status"]:
            case "running":
                stage.start(record["time_s"], self._slot, resumed_from=record["resumed_from"])
            case "done":
                stage.ended_s = record["time_s"]
                self.first_spent.setdefault(stage.key, stage.spent)
        trial.progress = _progress(trial)

    def _apply_epoch(self, record: Record) -> None:
        trial = self.trial(record["trial"])
        stage = trial.stage(record["label"])
        if stage.epoch(record["epoch"]) is not None:
            return  # an epoch trained again after a fault; its first report counts
        usage = record.get("usage", ())
        stage.epochs.append(Epoch(record["epoch"], record["metrics"], record["time_s"], usage))
        stage.epochs.sort(key=lambda epoch: epoch.epoch)
        trial.progress = _progress(trial)

    def _apply_end(self, record: Record) -> None:
        trial = self.trial(record["trial"])
        trial.state = TrialState(record["state"])
        trial.objective = record["objective"]
        trial.others = record.get("others", {})
        trial.error_class = record["error_class"]
        trial.message = record["message"]
        trial.failed_in = record.get("failed_in")
        trial.ended_s = record["time_s"]
        for stage in trial.stages:
            if stage.started_s is not None and stage.ended_s is None:
                stage.ended_s = stage.last_known_s(record["time_s"])
        if self._running.pop(trial.number, None) is not None:
            self._spent += trial.spent

    def trial(self, number: int) -> Trial:
        """Return the trial or replicate of this number."""
        return self.trials[number] if number in self.trials else self.replicates[number]

    def find(self, number: int) -> Trial | None:
        """Return the trial or replicate of this number, if there is one."""
        return self.trials.get(number, self.replicates.get(number))

    def everything(self) -> list[Trial]:
        """Return all trials and replicates."""
        return [*self.trials.values(), *self.replicates.values()]

    def searched(self) -> list[Trial]:
        """Return the trials that are no arms, by number; the ledger's own list, to be read only."""
        return self._searched

    @property
    def num_points(self) -> int:
        """Return how many points were searched, each of which may have several trial seeds."""
        return len({trial.point for trial in self._searched})

    def running(self) -> list[Trial]:
        """Return the trials and replicates that have begun and not ended, in order."""
        return list(self._running.values())

    @property
    def is_searching(self) -> bool:
        """Say whether a trial has begun and not ended; replicates are none."""
        return any(trial.replicate_of is None for trial in self._running.values())

    def has_begun(self, arm: str, seed: int) -> bool:
        """Say whether an arm was begun with this trial seed."""
        return seed in self._arms.get(arm, ())

    def num_begun(self, arm: str) -> int:
        """Return with how many trial seeds an arm was begun."""
        return len(self._arms.get(arm, ()))

    @property
    def spent(self) -> Spent:
        """Return what trials and replicates have taken of slots so far."""
        return sum((trial.spent for trial in self._running.values()), self._spent)

    def told(self) -> dict[int, Trial]:
        """Return what the sampler is told of, by number: known trials, then those of the study."""
        return {**self.known, **self.trials}

    def in_state(self, *states: TrialState) -> list[Trial]:
        """Return the trials in one of these states, by number."""
        return [trial for trial in self.trials.values() if trial.state in states]


def _entries(stages: Iterable[Mapping[str, Any]]) -> list[StageEntry]:
    return [
        StageEntry(
            label=stage["label"],
            key=stage["key"],
            phase=stage["phase"],
            epochs_planned=stage["epochs"],
            config=stage["config"],
            seed=stage["seed"],
        )
        for stage in stages
    ]


def _progress(trial: Trial) -> float:
    planned = sum(stage.epochs_planned for stage in trial.stages)
    reached = sum(
        stage.epochs_planned if stage.status in ("done", "reused") else len(stage.epochs)
        for stage in trial.stages
    )
    return reached / planned if planned else 0.0

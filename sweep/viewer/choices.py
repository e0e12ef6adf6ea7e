"""What the pages offer to choose from: data sets, and trials whose networks can be looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hpe.data.catalog import DATA_SETS, awaits_making, data_config, data_root
from sweep.evaluation_data import chosen_settings
from sweep.folders import RunsDir
from sweep.found_model import FINETUNE
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.trials import Trial
from trainables.stages import STATES, StageStore

MIXTURE = "mixture"


@dataclass(frozen=True)
class DataChoice:
    """A data set to look at.

    Attributes:
        told: Its name, or whose data it is.
        settings: YAML that `hpe.data.catalog.data_config` takes; a start for people to edit.
    """

    told: str
    settings: str


@dataclass(frozen=True)
class ModelChoice:
    """A trial that has a network to look at.

    Attributes:
        reference: STUDY/TRIAL.
        told: That and what the trial is.
    """

    reference: str
    told: str


def data_choices(runs: RunsDir) -> list[DataChoice]:
    """Return the data of the studies in a runs folder, then the data sets of hands there are."""
    of_studies = [
        DataChoice(f"the data of {ledger.study['name']}", _yaml(ledger.study["data"]))
        for ledger in _ledgers(runs)
        if ledger.study is not None and _is_of_hands(ledger.study["data"])
    ]
    plain = [
        DataChoice(f"{name}: {entry.about}", _yaml({"name": name}))
        for name, entry in DATA_SETS.items()
        if entry.task == "hand_pose" and name != MIXTURE
    ]
    return of_studies + plain


def parse_settings(text: str) -> dict[str, Any]:
    """Return the settings of a data set that YAML says; never those of official labels.

    Raises:
        ValueError: If it is not YAML of a data set of hands.
    """
    try:
        settings = chosen_settings(text, None, final=False)
    except yaml.YAMLError as error:
        raise ValueError(f"the settings of a data set must be YAML: {error}") from None
    if not _is_of_hands(settings):
        raise ValueError(
            f"these pages show data sets of hands with joints; {settings['name']} is about "
            "something else."
        )
    return settings


def needs_rendering(settings: Mapping[str, Any], *, data_dir: Path | None, made_dir: Path) -> bool:
    """Return whether a data set is made here and has not been made yet.

    Raises:
        ValueError: If its files must be brought, and nobody said where they are.
    """
    config = data_config(settings)
    return awaits_making(config, data_root(config, data_dir=data_dir, made_dir=made_dir))


def model_choices(runs: RunsDir) -> list[ModelChoice]:
    """Return the trials of a runs folder that have weights, finished or not."""
    store = StageStore(runs.stages)
    found = []
    for ledger in _ledgers(runs):
        if ledger.study is None or not _is_of_hands(ledger.study["data"]):
            continue
        name = ledger.study["name"]
        for number, trial in sorted(ledger.trials.items()):
            if _has_weights(trial, store):
                found.append(ModelChoice(f"{name}/{number}", _told(name, trial)))
    return found


def _told(study: str, trial: Trial) -> str:
    what = trial.arm or ", ".join(f"{k.rpartition('/')[2]} {v}" for k, v in trial.params.items())
    value = "" if trial.objective is None else f", {trial.objective:.2f}"
    return f"{study}/{trial.number} ({what or 'as the study says'}, seed {trial.seed}{value})"


def _has_weights(trial: Trial, store: StageStore) -> bool:
    keys = [stage.key for stage in trial.stages if stage.phase == FINETUNE]
    if not keys:
        return False
    if store.is_committed(keys[-1]):
        return True
    return any((store.folder(keys[-1]) / STATES).glob("*.rank0.json"))


def _ledgers(runs: RunsDir) -> list[Ledger]:
    journals = [study.journal for study in runs.studies() if study.journal.is_file()]
    return [Ledger(read_journal(path)) for path in journals]


def _is_of_hands(settings: Mapping[str, Any]) -> bool:
    entry = DATA_SETS.get(str(settings.get("name")))
    return entry is not None and entry.task == "hand_pose"


def _yaml(settings: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(dict(settings), default_flow_style=None, sort_keys=False)
    return text

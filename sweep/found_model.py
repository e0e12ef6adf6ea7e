"""A trained network by what people call it: a file, a stage, a trial or a run, running or not.

What can be given is what `--from-weights` takes (`sweep.weights`). Of a stage that is still being
trained, or was interrupted, the epochs that lie on the disk serve: the state it would go on from,
and the snapshots that its settings keep.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from hpe.evaluation.catalog import SCORED_PHASES
from hpe.evaluation.unfinished import artifacts_of_state
from hpe.models.encoders import build_encoder
from hpe.phases.catalog import PHASES
from hpe.phases.evaluation import RANKING_METRIC
from hpe.phases.finetune_config import FinetuneConfig
from hpe.phases.keep import KeepConfig
from hpe.phases.phase import Artifacts
from sweep.folders import RunsDir
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.references import is_stage_key, key_of_run, named_trial, recorded_trial, stage_like
from sweep.trials import StageEntry, Trial
from sweep.weights import read_weights_file
from trainables.artifact_files import FACTS, TENSORS, read_artifacts
from trainables.saved_states import History, read_last_state
from trainables.stages import KEPT, STATES, StageStore

FINETUNE, PRETRAIN = "finetune", "pretrain"
USED_PHASES = (FINETUNE, *SCORED_PHASES)
"""Those that end with a network that says something of a sample."""
USED_LABELS = (*USED_PHASES, *(f"{name}_{n}" for name in USED_PHASES for n in range(2, 10)))
"""Such phases in a plan, where one may come again."""
LATEST, BEST = "latest", "best"


@dataclass(frozen=True)
class FoundModel:
    """Artifacts of a network, and where they are from.

    Attributes:
        artifacts: As its phase leaves them.
        told: Which these are, in words.
        data: The settings of the study's data set; None where no study is known.
    """

    artifacts: Artifacts
    told: str
    data: Mapping[str, Any] | None


@dataclass(frozen=True)
class _Known:
    """A stage of a trial, as its study's journal tells it."""

    entry: StageEntry
    trial: Trial
    study: Mapping[str, Any]

    @property
    def data(self) -> Mapping[str, Any]:
        """The settings of the study's data set."""
        data: Mapping[str, Any] = self.study["data"]
        return data

    @property
    def encoder_from(self) -> str | None:
        """The key of the stage whose encoder it started from."""
        before = self.trial.stages[: self.trial.stages.index(self.entry)]
        given: Mapping[str, str] = self.study.get("from_weights", {})
        keys = [given[PRETRAIN]] if PRETRAIN in given else []
        keys += [stage.key for stage in before if stage.phase == PRETRAIN]
        return keys[-1] if keys else None


def find_model(
    reference: str, *, runs: RunsDir, tracking_uri: str, epoch: str | None = None
) -> FoundModel:
    """Return the network that is meant.

    Args:
        reference: A .safetensors file, the folder or key of a stage, STUDY/TRIAL, or the
            id of an MLflow run.
        runs: Where stages and studies are looked for.
        tracking_uri: Where run ids are.
        epoch: `latest`, `best` (of the snapshots that were kept) or a kept epoch's number; None for
            what a finished stage ended with, and the latest of an unfinished one.

    Raises:
        ValueError: If there is no such thing, or it holds no network yet.
    """
    path = Path(reference)
    if path.is_file():
        if epoch is not None:
            raise ValueError(f"--epoch {epoch}: a file holds one epoch only; leave the option out.")
        return FoundModel(read_weights_file(path), f"file {path.name}", None)
    if (path / "manifest.json").is_file():
        return _of_stage(StageStore(path.parent), path.name, None, epoch)
    store = StageStore(runs.stages)
    if (trial := named_trial(reference)) is not None:
        known = _of_trial(runs, *trial)
        return _of_stage(store, known.entry.key, known, epoch)
    key = stage_like(store, reference) if is_stage_key(reference) else None
    key = key or key_of_run(reference, *USED_LABELS, tracking_uri=tracking_uri)
    if key is None:
        raise ValueError(
            f"{reference}: there is no such file, stage folder, or stage in {store.root}; give a "
            f"{TENSORS} file, a stage's key, <study>/<trial number>, or the id of an MLflow run "
            "(--runs-dir says where studies are)."
        )
    return _of_stage(store, key, next(_known_by_key(runs, key), None), epoch)


def _of_trial(runs: RunsDir, study: str, number: int) -> _Known:
    ledger, trial = recorded_trial(runs, study, number)
    usable = [stage for stage in trial.stages if stage.phase in USED_PHASES]
    if not usable:
        ran = ", ".join(stage.label for stage in trial.stages) or "nothing"
        raise ValueError(
            f"trial {number} of {study} trains no network that can be scored; its plan is {ran}."
        )
    return _Known(usable[-1], trial, _study(ledger))


def _known_by_key(runs: RunsDir, key: str) -> Iterator[_Known]:
    for folder in runs.studies():
        if not folder.journal.is_file():
            continue
        ledger = Ledger(read_journal(folder.journal))
        for trial in ledger.everything():
            for entry in trial.stages:
                if entry.key == key and entry.phase in USED_PHASES:
                    yield _Known(entry, trial, _study(ledger))


def _study(ledger: Ledger) -> Mapping[str, Any]:
    assert ledger.study is not None, "a study with trials was opened"
    return ledger.study


def _of_stage(store: StageStore, key: str, known: _Known | None, epoch: str | None) -> FoundModel:
    place = f"stage {key[:12]}"
    if known is not None:
        place = f"trial {known.trial.number} of {known.study['name']}, {place}"
    data = None if known is None else known.data
    committed = store.is_committed(key)
    if committed and (epoch is None or epoch == LATEST):
        return FoundModel(store.artifacts(key), f"{place}, as it ended", data)
    folder = store.folder(key)
    store.bring_epochs(key)
    if epoch is not None and epoch != LATEST:
        history = store.metrics(key) if committed else _history(folder, key)
        number = _kept_epoch(folder, epoch, history, known)
        files = sorted((folder / KEPT / f"{number:05d}").glob(f"*{TENSORS}"))
        artifacts = read_artifacts([*files, folder / KEPT / f"{number:05d}" / FACTS])
        return FoundModel(artifacts, f"{place}, kept epoch {number}", data)
    if known is None:
        raise ValueError(f"{place} is not finished, and no study of the runs folder knows it.")
    artifacts, number = _of_state(store, known, place)
    planned = known.entry.epochs_planned
    return FoundModel(artifacts, f"{place}, unfinished: epoch {number} of {planned}", data)


def _kept_epoch(folder: Path, epoch: str, history: History, known: _Known | None) -> int:
    kept = sorted(int(path.name) for path in (folder / KEPT).glob("[0-9]*"))
    if not kept:
        raise ValueError(
            f"--epoch {epoch}: the stage keeps no single epochs; have some kept with "
            "--set finetune/keep/best=true (or top_k, every), or leave the option out."
        )
    if epoch != BEST:
        if not epoch.isdigit() or int(epoch) not in kept:
            raise ValueError(
                f"--epoch must be {LATEST}, {BEST} or one of those that are kept, "
                f"{', '.join(map(str, kept))}; got {epoch}."
            )
        return int(epoch)
    metric, direction = RANKING_METRIC, "minimize"
    if known is not None:
        spec = PHASES[known.entry.phase]
        keep: KeepConfig = spec.config.model_validate(dict(known.entry.config)).keep  # type: ignore[attr-defined]  # both have it
        metric, direction = keep.ranking(spec.ranked_by)
    sign = 1.0 if direction == "minimize" else -1.0
    values = {entry["epoch"]: entry["metrics"].get(metric) for entry in history}
    ranked = [(sign * values[n], n) for n in kept if values.get(n) is not None]
    if not ranked:
        raise ValueError(f"--epoch best: no kept epoch reported {metric}; give one's number.")
    return min(ranked)[1]


def _history(folder: Path, key: str) -> History:
    saved = read_last_state(folder / STATES, key=key)
    return [] if saved is None else saved.history


def _of_state(store: StageStore, known: _Known, place: str) -> tuple[Artifacts, int]:
    """Return what the phase would leave if it ended with the newest state on the disk."""
    saved = read_last_state(store.folder(known.entry.key) / STATES, key=known.entry.key)
    if saved is None:
        raise ValueError(f"{place} has not finished an epoch yet; there is nothing to use.")
    phase = known.entry.phase
    if phase != FINETUNE:
        settings = PHASES[phase].config.model_validate_json(json.dumps(dict(known.entry.config)))
        return artifacts_of_state(phase, settings, saved.state), saved.epoch
    config = FinetuneConfig.model_validate(dict(known.entry.config))
    tensors = _groups(config, saved.state, known, store)
    facts = {
        "phase": FINETUNE,
        "encoder": config.encoder.model_dump(mode="json"),
        "head": config.head.model_dump(mode="json"),
        "image_px": config.image_px,
        "metrics": dict(saved.state["metrics"]),
    }
    return Artifacts(tensors=tensors, facts=facts), saved.epoch


def _groups(
    config: FinetuneConfig, state: Mapping[str, Any], known: _Known, store: StageStore
) -> dict[str, Mapping[str, Tensor]]:
    learner: Mapping[str, Tensor] = state["learner"]
    groups: dict[str, Mapping[str, Tensor]] = {}
    if config.train_encoder:
        for group in ("encoder", "head"):
            dotted = f"{group}."
            own = {n.removeprefix(dotted): t for n, t in learner.items() if n.startswith(dotted)}
            groups[group] = own
    else:
        groups = {"encoder": _frozen_encoder(config, known, store), "head": learner}
    if "denoiser" in state:
        groups["denoiser"] = state["denoiser"]
    return groups


def _frozen_encoder(
    config: FinetuneConfig, known: _Known, store: StageStore
) -> Mapping[str, Tensor]:
    if known.encoder_from is not None:
        return store.artifacts(known.encoder_from).tensors["encoder"]
    encoder: Mapping[str, Tensor] = build_encoder(
        config.encoder, seed=known.entry.seed
    ).state_dict()
    return encoder

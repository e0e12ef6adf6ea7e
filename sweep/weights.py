"""`--from-weights PHASE=FILE|RUN`: weights that stand for the first phases of a plan.

They become a stage of the store, so that everything after them works as if it had been trained
here. What can be given: a safetensors file, the folder of a stage, a stage's key, the trial of a
study in the same runs folder (`quickstart/7`), or the id of a phase's or a trial's MLflow run. A
ResNet's file may use torchvision's names (`hpe.models.torchvision_format`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from hpe.config import Config
from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.torchvision_format import (
    encoder_from_torchvision,
    is_torchvision,
    resnet_name,
)
from hpe.names import nearest
from hpe.phases.phase import Artifacts
from sweep.folders import RunsDir
from sweep.messages import about
from sweep.network_weights import (
    check_networks,
    main_network,
    network_facts,
    networks_of,
    require_shapes,
)
from sweep.points import Point
from sweep.references import is_stage_key, key_of_run, named_trial, recorded_trial, stage_like
from trainables.plans import PlanStep
from trainables.stages import StageStore

ENCODER = "encoder"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class FoundWeights:
    """Weights that fit: a stage of the store, or what is to become one.

    Attributes:
        key: The stage's key, or None while the artifacts are not in the store.
    """

    phase: str
    key: str | None = None
    artifacts: Artifacts | None = None
    source: Mapping[str, str] = field(default_factory=dict)

    def stage_key(self, store: StageStore) -> str:
        """Return the key of the stage, which is in the store from then on."""
        if self.key is not None:
            return self.key
        assert self.artifacts is not None
        return store.import_weights(self.artifacts, phase=self.phase, source=self.source)


def parse_from_weights(texts: Sequence[str]) -> dict[str, str]:
    """Parse `PHASE=FILE|RUN` texts.

    Raises:
        ValueError: If one has no `=`, or a phase comes twice.
    """
    given: dict[str, str] = {}
    for text in texts:
        label, equals, reference = text.partition("=")
        if not equals or not label or not reference:
            raise ValueError(
                f"--from-weights {text}: must be PHASE=FILE or PHASE=RUN, such as "
                f"pretrain=encoder{SUFFIX} or pretrain=quickstart/7."
            )
        if label in given:
            raise ValueError(f"--from-weights {text}: {label} was given before; keep one.")
        given[label] = reference
    return given


def find_weights(
    given: Mapping[str, str],
    points: Mapping[str, Sequence[Point]],
    *,
    runs: RunsDir,
    tracking_uri: str,
) -> dict[str, FoundWeights]:
    """Return, by plan label, the given weights; nothing is written.

    Args:
        given: Plan label -> file, stage, trial or run.
        points: Plan label -> what the study runs with this phase; the weights must fit all of it.
        runs: The runs folder, whose stages may be named.
        tracking_uri: Where run ids are looked up.

    Raises:
        ValueError: If there is no such thing, or it does not fit.
    """
    found = {}
    for label, reference in given.items():
        first = points[label][0]
        step = next(step for step in first.plan if step.label == label)
        with about(f"from_weights {label}={reference}"):
            config = first.configs[label]
            group = main_network(config)
            given_weights = _find(reference, step, group, runs=runs, tracking_uri=tracking_uri)
            _check_fit(_artifacts(given_weights, runs), label, points[label])
            found[label] = _explained(given_weights, config)
    return found


def _check_fit(artifacts: Artifacts, label: str, points: Sequence[Point]) -> None:
    """Refuse weights that are not those of a phase's network in one of the points."""
    checked = []
    for point in points:
        config = point.configs[label]
        networks = networks_of(config)
        if networks in checked:
            continue
        checked.append(networks)
        with nullcontext() if point.arm is None else about(f"arms/{point.arm}"):
            if main_network(config) == ENCODER:
                _check_encoder(artifacts, config)
            else:
                check_networks(artifacts, config)


def _find(
    reference: str, step: PlanStep, group: str, *, runs: RunsDir, tracking_uri: str
) -> FoundWeights:
    store = StageStore(runs.stages)
    path = Path(reference)
    if path.is_file():
        artifacts = read_weights_file(path, group=group)
        return FoundWeights(step.phase, artifacts=artifacts, source=_source(path))
    if (path / "manifest.json").is_file():
        elsewhere = StageStore(path.parent)
        _require_stage(elsewhere, path.name, step)
        artifacts = elsewhere.artifacts(path.name)
        return FoundWeights(step.phase, artifacts=artifacts, source=_source(path))
    key: str | None = None
    if (trial := named_trial(reference)) is not None:
        key = _key_of_trial(runs, *trial, step.label)
    elif is_stage_key(reference):
        found = stage_like(store, reference)
        key = found if found is not None and store.is_committed(found) else None
    key = key or key_of_run(reference, step.label, tracking_uri=tracking_uri)
    if key is None:
        raise ValueError(
            f"there is no such file, stage folder, or stage in {store.root}; give a {SUFFIX} file, "
            f"a stage's key, <study>/<trial number>, or the id of an MLflow run."
        )
    _require_stage(store, key, step)
    return FoundWeights(step.phase, key=key)


def _artifacts(found: FoundWeights, runs: RunsDir) -> Artifacts:
    if found.artifacts is not None:
        return found.artifacts
    assert found.key is not None
    return StageStore(runs.stages).artifacts(found.key)


def read_weights_file(path: Path, *, group: str = ENCODER) -> Artifacts:
    """Read groups (`encoder.*`), or one network's tensors alone; facts are inside or beside it.

    A ResNet under torchvision's names, such as PeCLR's, is an encoder too.

    Args:
        path: The file.
        group: What its tensors are where they are those of one network alone.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"this is not a {SUFFIX} file ({error}).") from None
    groups = _grouped(tensors)
    if group not in groups and "facts" not in metadata:  # with facts inside, names are by group
        groups = {group: tensors}
    facts = _facts_beside(path, metadata)
    if ENCODER in groups and group == ENCODER and is_torchvision(groups[ENCODER]):
        resnet = encoder_from_torchvision(groups[ENCODER])
        groups = {ENCODER: resnet}
        facts.setdefault(ENCODER, {"name": resnet_name(resnet)})
    return Artifacts(tensors=groups, facts=facts)


def _grouped(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = tensor
    return groups


def _facts_beside(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    beside = path.parent / "facts.json"
    text = metadata.get("facts") or (beside.read_text("utf-8") if beside.is_file() else "{}")
    try:
        facts = json.loads(text)
    except ValueError as error:
        raise ValueError(f"its facts (inside, or in facts.json beside it): {error}.") from None
    if not isinstance(facts, dict):
        raise ValueError(f"its facts must be a JSON object, got {text[:60]}; leave them out.")
    return facts


def _check_encoder(artifacts: Artifacts, config: Config) -> None:
    """Refuse an encoder that is not the one the study describes."""
    wanted = _encoder_config(config)
    stated = artifacts.facts.get(ENCODER)
    if isinstance(stated, Mapping):
        for name, value in wanted.model_dump(mode="json").items():
            if name != "init" and name in stated and stated[name] != value:
                raise ValueError(
                    f"its {ENCODER}/{name} is {stated[name]!r}, the study's is "
                    f"{value!r}; set the study's to {stated[name]!r}."
                )
    own = build_encoder(wanted.model_copy(update={"init": "random"}), seed=0).state_dict()
    require_shapes(
        artifacts.tensors.get(ENCODER, {}),
        {name: tensor.shape for name, tensor in own.items()},
        network=f"{wanted.name} (width {wanted.width})",
    )


def _require_stage(store: StageStore, key: str, step: PlanStep) -> None:
    if not store.is_committed(key):
        raise ValueError(f"stage {key[:12]} of {store.root} is not finished.")
    phase = store.manifest(key)["stage"]["phase"]
    if phase != step.phase:
        raise ValueError(f"stage {key[:12]} is of phase {phase}, {step.phase} is needed.")


def _encoder_config(config: Config) -> EncoderConfig:
    encoder = getattr(config, ENCODER)
    assert isinstance(encoder, EncoderConfig)
    return encoder


def _key_of_trial(runs: RunsDir, study: str, number: int, label: str) -> str:
    _, trial = recorded_trial(runs, study, number)
    stages = {stage.label: stage.key for stage in trial.stages}
    if label not in stages:
        raise ValueError(
            f"trial {number} has no {label}{nearest(label, stages)}; it ran {', '.join(stages)}."
        )
    return stages[label]


def _source(path: Path) -> dict[str, str]:
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return {"name": path.name, "sha256": digest.hexdigest()}


def _explained(found: FoundWeights, config: Config) -> FoundWeights:
    """Return the weights with the settings of their networks where nothing said them."""
    if found.artifacts is None:
        return found
    facts = {**network_facts(found.artifacts, config), **found.artifacts.facts}
    return replace(found, artifacts=replace(found.artifacts, facts=facts))

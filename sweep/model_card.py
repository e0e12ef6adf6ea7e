"""A model card: what a network predicts, from which data, what it is worth, how to use it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.naming import trial_name
from sweep.protocols import protocol_of
from sweep.study import Study, split_metric
from sweep.tree import flattened
from sweep.trials import Trial

PREDICTS: Mapping[str, str] = {
    "pretrain": "nothing by itself: an encoder of hand crops, to be finetuned",
    "finetune": "the 21 joints of a right hand in a crop around it (mirror pictures of left ones): "
    "keypoints in pixels of the crop and depths relative to the root, in lengths of the scale bone",
    "encoder_decoder": "the 21 joints of a hand in a crop or a whole picture, by the axes of the "
    "target space that its settings name",
    "body_pose": "the joints of one person in a crop around them, in millimetres about the pelvis",
    "evolve": "nothing: it is a set of body skeletons, not a network",
    "lift": "the joints of a body in millimetres about the pelvis, from its keypoints",
    "generator": "masks of the parts of both hands in a picture, hidden parts included where its "
    "settings say so",
    "pseudo_labels": "masks of the parts of both hands in a picture, hidden parts included where "
    "its settings say so",
    "paired": "masks of the parts of both hands in a picture, hidden parts included where its "
    "settings say so",
}
"""Phase -> what the network it leaves predicts."""

LOADERS: Mapping[str, str] = {
    "finetune": "hpe.evaluation.pose_model:load_pose_model",
    "encoder_decoder": "hpe.evaluation.axis_model:load_axis_model",
    "body_pose": "hpe.evaluation.body_model:load_body_model",
    "generator": "hpe.evaluation.mask_model:load_mask_model",
    "pseudo_labels": "hpe.evaluation.mask_model:load_mask_model",
    "paired": "hpe.evaluation.mask_model:load_mask_model",
}
"""Phase -> `module:function` that puts its network together, where it sees pictures."""

OTHER_PROTOCOL = "see docs/evaluation.md and the phase's own documentation"

SPLITS = {"val": "chosen on", "test": "held out", "train": "trained on"}


@dataclass(frozen=True)
class Exported:
    """What lies beside the card.

    Attributes:
        weights: The safetensors file.
        onnx_told: What the ONNX file is, or why there is none.
        run: The command that trains it alone.
        replay: The command that trains the recorded trial again.
    """

    weights: str
    onnx_told: str
    run: str
    replay: str


@dataclass(frozen=True)
class CardInputs:
    """What a card tells.

    Attributes:
        lineage: Of the session that trained the trial.
        verdict: Sentences: the study's answer and what it rests on.
        is_winner: Whether the trial is what the study answered with.
        metrics: Of the last epoch of its last stage.
    """

    study: Study
    trial: Trial
    lineage: Mapping[str, Any]
    verdict: Sequence[str]
    is_winner: bool
    metrics: Mapping[str, float]
    exported: Exported


def model_card(inputs: CardInputs) -> str:
    """Return the card as Markdown."""
    study, trial = inputs.study, inputs.trial
    phase = trial.stages[-1].phase
    name = trial_name(trial, many_seeds=True)
    sections = [
        ("", [f"# {study.name}: {name}", "", f"It predicts {PREDICTS.get(phase, phase)}."]),
        ("Question and verdict", list(_verdict(inputs))),
        ("Scores", list(_scores(inputs))),
        ("Trained on", list(_data(inputs.lineage, study))),
        ("Use", list(_use(inputs.exported, phase))),
        ("Reproduce", list(_reproduce(inputs))),
        ("Settings", list(_settings(trial))),
        ("Lineage", list(_lineage(inputs.lineage, trial))),
    ]
    blocks = [[f"## {title}", "", *lines] if title else lines for title, lines in sections]
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def _verdict(inputs: CardInputs) -> Iterator[str]:
    yield f"*{inputs.study.question}*"
    yield ""
    yield " ".join(inputs.verdict)
    if not inputs.is_winner:
        yield ""
        yield "This trial is not what the study answers with; it was chosen by hand."


def _scores(inputs: CardInputs) -> Iterator[str]:
    label, objective = split_metric(inputs.study.objective.metric)
    last = inputs.trial.stages[-1]
    reported = {k: v for k, v in inputs.metrics.items() if not k.startswith("train/")}
    if not reported:
        yield "The record holds no scores of its last phase."
        return
    yield f"After epoch {last.epochs_planned} of `{last.label}`, seed {inputs.trial.seed}."
    yield ""
    yield "| split | metric | value | protocol |"
    yield "|---|---|---:|---|"
    for path, value in reported.items():
        split, _, name = path.partition("/")
        is_objective = (label, objective) == (last.label, path)
        mark = " (the objective)" if is_objective else ""
        told = protocol_of(last.phase, name) or OTHER_PROTOCOL
        yield f"| {split}, {SPLITS.get(split, split)} | `{name}`{mark} | {value:.6g} | {told} |"


def _data(lineage: Mapping[str, Any], study: Study) -> Iterator[str]:
    data: Mapping[str, Any] = lineage.get("data") or {}
    card: Mapping[str, Any] = data.get("card") or {}
    yield f"- data set: `{data.get('name', study.data['name'])}`"
    yield f"- digest: `{data.get('digest', 'not on record')}`"
    yield f"- licence of the data: {card.get('licence', 'not on record')}"
    for path, value in flattened({k: v for k, v in card.items() if k != "licence"}):
        yield f"- {path}: {value}"
    yield ""
    yield "The licence of the data binds what may be done with weights trained on it."


def _use(exported: Exported, phase: str) -> Iterator[str]:
    yield f"- `{exported.weights}`: all networks, with their settings as metadata"
    yield f"- {exported.onnx_told}"
    yield ""
    yield "```python"
    yield "from pathlib import Path"
    loader = LOADERS.get(phase)
    if loader is not None:
        module, _, function = loader.partition(":")
        yield "import torch"
        yield f"from {module} import {function}"
    yield "from sweep.weights import read_weights_file"
    yield ""
    yield f'artifacts = read_weights_file(Path("{exported.weights}"))'
    if loader is None:
        yield "print({group: len(tensors) for group, tensors in artifacts.tensors.items()})"
        yield "```"
        return
    yield f'model = {function}(artifacts, torch.device("cpu"))'
    yield "```"
    yield ""
    yield f"or on photographs: `python sweep/predict.py {exported.weights} photos/`"


def _reproduce(inputs: CardInputs) -> Iterator[str]:
    exported = inputs.exported
    yield "```"
    yield f"{exported.replay}   # this trial again from its record, every number compared"
    yield f"{exported.run}   # this configuration alone, as a study"
    yield "```"
    if inputs.study.from_weights:
        given = ", ".join(f"`{k}`: `{v}`" for k, v in inputs.study.from_weights.items())
        yield ""
        yield f"It began with given weights ({given}), which must be in the runs folder's stages."


def _settings(trial: Trial) -> Iterator[str]:
    yield "| setting | value |"
    yield "|---|---|"
    for path, value in sorted(trial.settings.items()):
        yield f"| `{path}` | `{value}` |"


def _lineage(lineage: Mapping[str, Any], trial: Trial) -> Iterator[str]:
    told = {k: v for k, v in lineage.items() if k not in ("data", "lock")}
    for path, value in flattened(told):
        if value not in (None, ""):
            yield f"- {path}: {value}"
    for stage in trial.stages:
        yield f"- stage {stage.label}: `{stage.key}`, seed {stage.seed}"

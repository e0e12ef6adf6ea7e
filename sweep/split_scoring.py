"""Scoring a split in several processes, each with its own copy of the network."""

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load, save

from hpe.evaluation.pose_model import load_pose_model
from hpe.evaluation.scored_hands import Looking, ScoredHands, joined_hands, score_split
from hpe.phases.phase import Artifacts
from sweep.evaluation_data import EvaluationData

CHUNK = 256  # samples that a process takes at a time


@dataclass(frozen=True)
class _Task:
    """What a process needs; bytes, since tensors sent as such hold shared memory open."""

    tensors: Mapping[str, bytes]
    facts: str
    data: EvaluationData
    split: str
    indices: Sequence[int]
    looking: Looking


def score_in_processes(
    artifacts: Artifacts,
    data: EvaluationData,
    split: str,
    indices: Sequence[int],
    *,
    looking: Looking,
    processes: int,
    device: torch.device,
) -> ScoredHands:
    """Score samples of a split; the result does not depend on the number of processes.

    Args:
        artifacts: The network.
        data: Where the split is.
        split: Its name.
        indices: The samples.
        looking: How the network looks at them.
        processes: Several run on the CPU, and one on `device`.
        device: See `processes`.

    Raises:
        ValueError: If there are no samples, or the artifacts are no pose network.
    """
    if processes == 1 or len(indices) <= CHUNK:
        model = load_pose_model(artifacts, device)
        return score_split(model, data.open().splits[split], indices, looking=looking)
    load_pose_model(artifacts, torch.device("cpu"))  # refused here, once, if it is none
    tensors = {group: save(dict(named)) for group, named in artifacts.tensors.items()}
    facts = json.dumps(dict(artifacts.facts))
    tasks = [
        _Task(tensors, facts, data, split, indices[start : start + CHUNK], looking)
        for start in range(0, len(indices), CHUNK)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        return joined_hands([_unpacked(part) for part in pool.map(_score, tasks)])


def _score(task: _Task) -> tuple[bytes, tuple[str | None, ...]]:
    torch.set_num_threads(1)
    facts: dict[str, Any] = json.loads(task.facts)
    tensors = {group: load(named) for group, named in task.tensors.items()}
    model = load_pose_model(Artifacts(tensors=tensors, facts=facts), torch.device("cpu"))
    samples = task.data.open().splits[task.split]
    hands = score_split(model, samples, task.indices, looking=task.looking)
    return save({name: t.contiguous() for name, t in hands.tensors().items()}), hands.sequences


def _unpacked(part: tuple[bytes, tuple[str | None, ...]]) -> ScoredHands:
    return ScoredHands(**load(part[0]), sequences=part[1])

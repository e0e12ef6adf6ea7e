"""States of an unfinished stage: two per worker, so that one may be torn by a crash.

`<epoch>.rank<rank>.safetensors` holds the tensors, the JSON beside it the rest and their checksum.
The JSON is written last; without it a state does not count. They are not synced: after a power cut
a state may be torn, and the one before it serves; of epochs that end faster than the system writes
both may be, and the stage starts again.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from hpe.phases.phase import State
from hpe.phases.state import join_state, split_state
from hpe.whole_file import sha256_of, write_text
from trainables.artifact_files import TENSORS, write_tensors
from trainables.sealed_json import DamagedRecord, read_sealed, sealed

STATES_KEPT = 2

logger = logging.getLogger(__name__)

History = Sequence[Mapping[str, Any]]
"""One `{"epoch": n, "metrics": {...}}` per finished epoch, in order."""


@dataclass(frozen=True)
class SavedState:
    """Where an unfinished stage stands."""

    state: State
    epoch: int
    history: History


def write_state(folder: Path, state: State, *, epoch: int, history: History, rank: int) -> None:
    """Write one worker's state after an epoch, and drop all of its others but the one before.

    One of a later epoch is damaged, or a peer's is: else it would have been gone on from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors, skeleton = split_state(state)
    path = folder / f"{epoch:05d}.rank{rank}{TENSORS}"
    sha256 = write_tensors(path, tensors, durable=False)
    record = {
        "epoch": epoch,
        "sha256": sha256,
        "state": skeleton,
        "history": list(history),
    }
    write_text(path.with_suffix(".json"), sealed(record), durable=False)
    names = {path.name.split(".")[0] for path in folder.glob(f"*.rank{rank}.json")}
    kept = sorted(name for name in names if int(name) <= epoch)[-STATES_KEPT:]
    for old in folder.glob(f"*.rank{rank}.*"):
        if old.name[0] != "." and old.name.split(".")[0] not in kept:
            old.unlink(missing_ok=True)


def read_last_state(
    folder: Path, *, key: str, rank: int = 0, world_size: int = 1
) -> SavedState | None:
    """Return the newest state that every worker has intact, or None.

    Raises:
        StageFormat: If a state is of a version that this program does not read.
    """
    for path in sorted(folder.glob("*.rank0.json"), reverse=True):
        epoch_name = path.name.split(".")[0]
        records = [
            _read_record(folder / f"{epoch_name}.rank{peer}.json", key=key)
            for peer in range(world_size)
        ]
        record = records[rank]
        if record is None or None in records:
            continue
        try:
            tensors = load_file(folder / f"{epoch_name}.rank{rank}{TENSORS}")
        except FileNotFoundError:
            continue  # dropped since: another worker has committed the stage
        return SavedState(
            state=join_state(tensors, record["state"]),
            epoch=record["epoch"],
            history=record["history"],
        )
    return None


def _read_record(path: Path, *, key: str) -> dict[str, Any] | None:
    tensors = path.with_suffix(TENSORS)
    try:
        record = read_sealed(path, key=key)
        if sha256_of(tensors) == record["sha256"]:
            return record
        damage = f"stage {key}: {tensors.name} is not what was written."
    except FileNotFoundError:
        return None
    except DamagedRecord as error:
        damage = str(error)
    logger.warning("%s The state before it is used.", damage)
    return None

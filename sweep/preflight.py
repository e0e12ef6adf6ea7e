"""Before any training on a cluster: every machine proves that it shares storage, data and code.

The head writes a token that each machine reads, and each writes one that the head reads.
"""

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sweep.lineage import PROJECT
from trainables.remote_folder import RemoteFolder

FOLDER = "preflight"
TRAINING_PACKAGES = ("hpe", "trainables")
PATIENCE_S = 120.0


def prove_shared(uri: str, *, data: Path | None) -> int:
    """Prove on every node of the connected cluster that it reads and writes the storage.

    Args:
        uri: The storage.
        data: A data set that every machine must have under this path; None where it is brought.

    Returns:
        The number of nodes that did.

    Raises:
        ValueError: If one does not: which, and why.
    """
    token = secrets.token_hex(16)
    there = RemoteFolder.at(uri)
    name = f"{FOLDER}/{token}"
    try:
        there.write(f"{name}/head", _signed(token))
    except OSError as error:
        raise ValueError(f"{uri}: this machine cannot write there: {error}") from error
    try:
        answers = _ask_every_node(uri, name, token, data)
        faults = {node: fault for node, fault in answers.items() if fault is not None}
        faults |= _unseen(there, name, [node for node in answers if node not in faults])
    finally:
        for left in there.below(name).names():
            there.delete(f"{name}/{left}")
    if faults:
        lines = "\n".join(f"  {node}: {fault}" for node, fault in sorted(faults.items()))
        raise ValueError(
            f"{uri}: not every machine can work with it:\n{lines}\n"
            f"Give a --storage that all of them see: a shared folder, s3://... or gs://..."
        )
    return len(answers)


def probe(uri: str, name: str, token: str, node: str, data: Path | None) -> str | None:
    """Say what keeps this machine from working with the storage, or None; runs on every node.

    Args:
        uri: The storage.
        name: The folder of this preflight in it.
        token: What the head wrote there.
        node: What to write there as.
        data: As in `prove_shared`.
    """
    try:
        there = RemoteFolder.at(uri)
        try:
            seen = there.read(f"{name}/head")
        except FileNotFoundError:
            return "it does not see what the head wrote there: this is another, unshared place"
        if not seen.startswith(token.encode()):
            return "it sees something else than the head wrote there"
        if seen != _signed(token):
            return "it has other code than the head; ray up brings it there"
        there.write(f"{name}/{node}", token.encode())
    except (OSError, ValueError) as error:
        return str(error)
    if data is not None and not data.exists():
        return f"it has no data set at {data}"
    return None


def code_digest(project: Path) -> str:
    """Return a digest of the code that trains: of every module of the packages workers import."""
    digest = hashlib.sha256()
    for package in TRAINING_PACKAGES:
        for path in sorted((project / package).rglob("*.py")):
            digest.update(path.relative_to(project).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _signed(token: str) -> bytes:
    """Return what the head writes: its token, and which code it has."""
    return f"{token} {code_digest(PROJECT)}".encode()


def _unseen(there: RemoteFolder, name: str, nodes: list[str]) -> Mapping[str, str]:
    """Return the nodes whose answer the head does not find in the storage."""
    return {
        node: "what it wrote there does not reach the head"
        for node in nodes
        if not there.has(f"{name}/{node}")
    }


def _ask_every_node(uri: str, name: str, token: str, data: Path | None) -> Mapping[str, str | None]:
    """Return what each live node answers, by the name it goes by."""
    asked = {}
    for node in ray.nodes():
        if not node["Alive"]:
            continue
        label = f"{node['NodeManagerHostname']}-{node['NodeID'][:6]}"
        here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = ray.remote(probe).options(num_cpus=0, max_retries=0, scheduling_strategy=here)
        asked[label] = task.remote(uri, name, token, label, data)
    done, _ = ray.wait(list(asked.values()), num_returns=len(asked), timeout=PATIENCE_S)
    answers: dict[str, str | None] = {}
    for label, answer in asked.items():
        if answer not in done:
            answers[label] = f"it did not answer for {PATIENCE_S:.0f} s"
            continue
        try:
            answers[label] = ray.get(answer)
        except RayError as error:
            first = str(error).strip().splitlines()[-1]
            answers[label] = f"it cannot run the project ({first}); is it installed there?"
    return answers

"""Before any training on a cluster: every machine proves that it shares storage, data and code.

The head writes a token that each machine reads, and each writes one that the head reads. The head's
stays while the study runs, for machines that join later (`trainables.admission`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sweep.cluster import alive_nodes
from sweep.shared_storage import answering
from trainables.admission import HEAD, Terms, machine_name, refusal, terms_here
from trainables.remote_folder import RemoteFolder

PATIENCE_S = 120.0


@dataclass(frozen=True)
class Answer:
    """What a machine said.

    Attributes:
        node: What Ray calls it.
        name: What it goes by in messages, and answers as in the storage.
        fault: What keeps it from working with the storage.
    """

    node: str
    name: str
    fault: str | None


@contextmanager
def proven_terms(uri: str, *, data: Path | None, is_alone: bool = False) -> Iterator[Terms]:
    """Prove on every node of the connected cluster that it reads and writes the storage.

    Args:
        uri: The storage.
        data: A data set that every machine must have under this path; None where it is brought.
        is_alone: Whether the driver's machine is the only one and has nothing to prove to itself.

    Yields:
        The terms for machines that join later, with those admitted that are there now.

    Raises:
        ValueError: If one is not fit: which, and why.
    """
    terms = terms_here(uri, data=data)
    with answering(uri):
        there = RemoteFolder.at(uri)
        there.write(f"{terms.folder}/{HEAD}", terms.token.encode())
    try:
        if is_alone:
            admitted = frozenset({ray.get_runtime_context().get_node_id()})
        else:
            with answering(uri):
                admitted = _admitted(terms, there)
        yield replace(terms, admitted=admitted)
    finally:
        with suppress(OSError):  # a study does not fail for want of tidiness
            there.below(terms.folder).delete_all()


def probe(terms: Terms, name: str) -> str | None:
    """Say what keeps this machine from working on these terms, or None; runs on every node."""
    try:
        return refusal(terms, node=name)
    except OSError as error:
        return str(error)


def _admitted(terms: Terms, there: RemoteFolder) -> frozenset[str]:
    answers = _ask_every_node(terms)
    faults = {answer.name: answer.fault for answer in answers if answer.fault is not None}
    faults |= {
        answer.name: "what it wrote there does not reach the head"
        for answer in answers
        if answer.fault is None and not there.has(f"{terms.folder}/{answer.name}")
    }
    if faults:
        lines = "\n".join(f"  {name}: {fault}" for name, fault in sorted(faults.items()))
        raise ValueError(
            f"{terms.storage}: not every machine can work with it:\n{lines}\n"
            f"Give a --storage that all of them see: a shared folder, s3://... or gs://..."
        )
    return frozenset(answer.node for answer in answers)


def _ask_every_node(terms: Terms) -> Sequence[Answer]:
    """Return what each node answers that is alive, and still is once all have been asked."""
    asked = {}
    for facts in alive_nodes():
        node = facts["NodeID"]
        name = machine_name(facts["NodeManagerHostname"], node)
        here = NodeAffinitySchedulingStrategy(node, soft=False)
        task = ray.remote(probe).options(num_cpus=0, max_retries=0, scheduling_strategy=here)
        asked[node, name] = task.remote(terms, name)
    done, _ = ray.wait(list(asked.values()), num_returns=len(asked), timeout=PATIENCE_S)
    answers = []
    for (node, name), answer in asked.items():
        fault: str | None = f"it did not answer for {PATIENCE_S:.0f} s"
        if answer in done:
            try:
                fault = ray.get(answer)
            except RayError as error:
                first = str(error).strip().splitlines()[-1]
                fault = f"it cannot run the project ({first}); is it installed there?"
        answers.append(Answer(node, name, fault))
    still_there = {facts["NodeID"] for facts in alive_nodes()}
    return [answer for answer in answers if answer.node in still_there]

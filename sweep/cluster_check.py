"""What is wrong with a cluster file, before `ray up` spends anything on it."""

import importlib.util
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sweep.auth_token import token_fault
from sweep.findings import Finding, Level
from sweep.open_doors import PART, open_doors, starts_of
from sweep.yaml_file import read_yaml

PLACEHOLDER = re.compile(r"(ami|sg)-0{17}|\bmy-project\b|\b192\.0\.2\.\d+|\bssh_user: me\b")
SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN|"
    r"(?i:secret|password|passwd|api_?key|access_?key|token)[\w-]*['\"]?\s*[:=]\s*['\"]?[\w/+.-]{8,}"
)
CLIENTS = {"aws": ("boto3", "boto3"), "gcp": ("googleapiclient", "google-api-python-client")}
"""Provider -> the module that `ray up` needs here, and the package that has it."""


def check_cluster(path: Path, *, token: Path) -> list[Finding]:
    """Return what is found about a cluster file and what it needs on this machine.

    Args:
        path: The file.
        token: Where Ray looks for the token here.
    """
    try:
        config = read_yaml(path).data
    except ValueError as error:
        return [Finding(Level.FAIL, PART, str(error), "give --cluster a file such as cluster.yaml")]
    text = path.read_text(encoding="utf-8")
    lines = [*untouched_lines(text, path), *written_secrets(text, path)]
    try:
        prepared = prepared_by_ray(config)
    except ValueError as error:
        return [Finding(Level.FAIL, PART, str(error)), *lines]
    return [
        Finding(Level.OK, PART, f"Ray takes {prepared['cluster_name']}"),
        *lines,
        *open_doors(config, prepared=prepared),
        *head_that_trains(config),
        *autoscaler_of_own_machines(config, prepared=prepared),
        *missing_programs(config),
        token_of_the_cluster(token),
    ]


def prepared_by_ray(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what Ray makes of a file: its own defaults for what is left out.

    Raises:
        ValueError: If Ray does not take it.
    """
    # Ray takes a second to import, and only this check needs it.
    from click import ClickException  # noqa: PLC0415
    from jsonschema import ValidationError  # noqa: PLC0415
    from ray.autoscaler._private.util import prepare_config, validate_config  # noqa: PLC0415

    refusals = (ValidationError, ValueError, KeyError, TypeError, RuntimeError, ClickException)
    try:
        prepared = prepare_config(dict(config))
        validate_config(prepared)
    except (*refusals, SystemExit) as error:
        reason = getattr(error, "message", "") or str(error)
        first = str(reason).strip().splitlines()[0] if str(reason).strip() else "see above"
        raise ValueError(f"Ray does not take the file: {first}") from error
    return dict(prepared)


def untouched_lines(text: str, path: Path) -> Iterator[Finding]:
    """Yield the lines that are as they were shipped, though nobody has such machines."""
    for number, line in enumerate(text.splitlines(), start=1):
        found = PLACEHOLDER.search(line)
        if found:
            yield Finding(
                Level.FAIL,
                PART,
                f"{path}:{number}: {found[0]} is a placeholder",
                "put your own there; docs/cluster.md says where it comes from",
            )


def written_secrets(text: str, path: Path) -> Iterator[Finding]:
    """Yield the lines that look like a secret; what it is, is not repeated."""
    for number, line in enumerate(text.splitlines(), start=1):
        if SECRET.search(line.partition(" #")[0]):
            yield Finding(
                Level.FAIL,
                PART,
                f"{path}:{number}: this looks like a secret",
                "give the machines an instance profile, or ship a file of mode 0600 by file_mounts",
            )


def head_that_trains(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a warning if trials may take the memory of a cloud's head, which keeps the journal."""
    types = config.get("available_node_types") or {}
    head = types.get(config.get("head_node_type", ""), {})
    if types and any(head.get("resources", {"CPU": 1}).get(name, 1) for name in ("CPU", "GPU")):
        yield Finding(
            Level.WARN,
            PART,
            "trials would run on the head, which keeps the journal",
            "resources: {CPU: 0, GPU: 0} for its type",
        )


def autoscaler_of_own_machines(
    config: Mapping[str, Any], *, prepared: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield what keeps machines of one's own from joining."""
    provider = config.get("provider") or {}
    if provider.get("type") != "local":
        return
    starts = starts_of("head", prepared)
    if not all(start.variables.get("RAY_enable_autoscaler_v2") == "0" for start in starts):
        yield Finding(
            Level.FAIL,
            PART,
            "not all machines would join (ray#57153)",
            "RAY_enable_autoscaler_v2=0 before `ray start --head`",
        )
    machines = len(provider.get("worker_ips") or [])
    for key in ("min_workers", "max_workers"):
        if config.get(key, machines) != machines:
            yield Finding(
                Level.WARN,
                PART,
                f"{key} is {config[key]}, worker_ips are {machines}",
                "make them the same, so that every machine is used",
            )


def missing_programs(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what `ray up` needs on this machine and does not find."""
    kind = (config.get("provider") or {}).get("type", "")
    module, package = CLIENTS.get(kind, ("", ""))
    if module and importlib.util.find_spec(module) is None:
        yield Finding(
            Level.FAIL, PART, f"`ray up` needs {package} for {kind}", f"pip install {package}"
        )
    for program in ("ssh", "rsync"):
        if shutil.which(program) is None:
            yield Finding(Level.FAIL, PART, f"{program} is not installed here", "install it")


def token_of_the_cluster(token: Path) -> Finding:
    """Say whether the token is there and nobody else's."""
    if not token.exists():
        return Finding(
            Level.WARN, PART, "no token yet", "python sweep/auth_token.py (--cluster does it too)"
        )
    fault = token_fault(token)
    if fault is not None:
        return Finding(Level.FAIL, PART, f"{token}: {fault[0]}", fault[1])
    return Finding(Level.OK, PART, f"the token in {token} is yours alone")

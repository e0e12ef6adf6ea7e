"""The identity of a stage: equal keys compute equal things."""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from hpe.config import Config, identity_settings
from hpe.outside_files import OutsideFiles, outside_files
from hpe.phases.phase import PhaseSpec
from hpe.whole_file import sha256_of
from trainables.libraries import NUMERIC_LIBRARIES


@dataclass(frozen=True)
class Execution:
    """What of the machine enters a stage's key.

    Attributes:
        world_size: Workers that train it together.
        device: Type of device.
    """

    world_size: int = 1
    device: Literal["cpu", "cuda"] = "cpu"


def canonical_json(data: Any) -> str:
    """Return the one JSON text of this data: sorted keys, no spaces, no NaN."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def stage_key(
    *,
    spec: PhaseSpec,
    phase: str,
    config: Config,
    parents: Mapping[str, str],
    data_digest: str,
    seed: int,
    execution: Execution,
    libraries: Mapping[str, str | None] | None = None,
) -> str:
    """Return the SHA-256 that identifies a phase with every input fixed.

    It covers the phase, its settings without operational fields, the contents of files that these
    name, the parents' keys, the data, the seed, world size and device type, the versions of the
    numeric libraries, and the statements (not comments or docstrings) of every `hpe` module the
    phase imports, with the files they read.

    Args:
        libraries: Versions of the numeric libraries to name; None: those installed.

    Raises:
        ValueError: If files that the settings name are missing.
    """
    if libraries is None:
        libraries = installed_libraries()
    identity = {
        "phase": phase,
        "config": _identity_of(config),
        "parents": dict(parents),
        "data": data_digest,
        "seed": seed,
        "execution": asdict(execution),
        "libraries": dict(libraries),
        "code": code_digest(spec.run.__module__),
    }
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()


def _identity_of(config: Config) -> dict[str, Any]:
    """Return what identifies settings; a folder is told by what is read of it, wherever it lies."""
    settings = identity_settings(config)
    for path, files in outside_files(config):
        section = settings
        for name in path.split("/"):
            section = section[name]
        section["folder"] = contents_digest(files)
    return settings


@cache
def contents_digest(files: OutsideFiles) -> str:
    """Return the SHA-256 over the contents of files, and their names in their folder.

    Like code, they are looked at once: what changes while a program runs counts the next time.

    Raises:
        ValueError: If files are missing.
    """
    try:
        contents = {
            path.relative_to(files.folder).as_posix(): sha256_of(path)
            for path in files.find(files.folder)
        }
    except OSError as error:
        raise ValueError(f"files that settings name are part of a stage's key: {error}") from error
    return hashlib.sha256(canonical_json(contents).encode()).hexdigest()


def installed_libraries() -> dict[str, str | None]:
    """Return the installed version of every numeric library."""
    return {name: version(name) for name in NUMERIC_LIBRARIES.values()}


@cache
def code_digest(module: str) -> str:
    """Return the SHA-256 over the statements of a module and of all it imports from its package.

    Where one of them looks for files beside itself, all files of the package count as well.
    """
    code = code_of(module)
    parts = {name: ast.dump(tree, include_attributes=False) for name, tree in code.items()}
    if any(_looks_beside_itself(tree) for tree in code.values()):
        parts.update(_assets(module.split(".")[0]))
    text = canonical_json(sorted(parts.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def code_of(module: str) -> dict[str, ast.Module]:
    """Return what runs when a module is used: it, and all it imports from its package, by name.

    An import inside a function counts, and so does the `__init__` of every package on the way,
    which Python runs first. A module named only by a text that is computed is not found.
    """
    package = module.split(".")[0]
    seen: dict[str, ast.Module] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen[name] = _statements(name)
        waiting.extend(_imported(seen[name], importer=name, package=package))
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return seen


def _statements(module: str) -> ast.Module:
    source = _source(module)
    if source is None:  # a folder without `__init__.py`: it runs nothing
        return ast.Module(body=[], type_ignores=[])
    tree = ast.parse(source.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_bare_string(statement)]
    return tree


def _looks_beside_itself(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(tree))


def _assets(package: str) -> dict[str, str]:
    """Return the SHA-256 of every file of a package that is neither code nor prose, by its path."""
    source = _source(package)
    if source is None:
        return {}
    root = source.parent
    files = (path for path in root.rglob("*") if path.is_file())
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.suffix not in (".py", ".pyc", ".md") and not path.name.startswith(".")
    }


def _is_bare_string(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _source(module: str) -> Path | None:
    """Return a module's file; None for a package that has none."""
    found = importlib.util.find_spec(module)
    assert found is not None, module
    return None if found.origin is None else Path(found.origin)


def _imported(tree: ast.Module, *, importer: str, package: str) -> list[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _source_of(node, importer)
            names.add(source)
            names.update(f"{source}.{alias.name}" for alias in node.names)
    return [name for name in names if name.split(".")[0] == package and _is_module(name)]


def _source_of(node: ast.ImportFrom, importer: str) -> str:
    """Return the absolute name of the module that is imported from."""
    home = importer if _is_package(importer) else importer.rpartition(".")[0]
    return importlib.util.resolve_name("." * node.level + (node.module or ""), home)


def _is_module(name: str) -> bool:
    parent = name.rpartition(".")[0]
    if parent and not _is_package(parent):
        return False
    return importlib.util.find_spec(name) is not None


@cache
def _is_package(name: str) -> bool:
    found = importlib.util.find_spec(name)
    return found is not None and found.submodule_search_locations is not None

"""No code of ours reads a file in a way that runs what is in it, or writes where it says."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("hpe", "sweep", "trainables", "search_spaces")
RESTRICTED = {"sweep/unpickling.py"}
"""Reads foreign checkpoints on purpose: in a process of its own, with unpicklers that import
nothing (tests/sweep/test_convert.py)."""


def called(node):
    """Return the dotted name a call calls, as it is written."""
    parts, function = [], node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    parts.append(function.id if isinstance(function, ast.Name) else "")
    return ".".join(reversed(parts))


def dangers(source):
    """Yield what is unsafe in a program's text."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = called(node)
        given = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
        if name == "torch.load" and given.get("weights_only") is not True:
            yield name
        if name in {"pickle.load", "pickle.loads", "cloudpickle.load", "cloudpickle.loads"}:
            yield name
        if name in {"np.load", "numpy.load"} and given.get("allow_pickle") is True:
            yield name
        if name.endswith(("extractall", "unpack_archive")) and given.get("filter") != "data":
            yield name
        if name in {"yaml.load", "yaml.full_load", "yaml.unsafe_load", "eval", "exec", "os.system"}:
            yield name
        if name.startswith("subprocess.") and given.get("shell") is True:
            yield name


def test_nothing_in_a_file_is_run_by_reading_it():
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix(): list(dangers(path.read_text())) for path in files}
    assert {name for name, calls in found.items() if calls} <= RESTRICTED


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "pickle.loads(data)",
        "np.load(path, allow_pickle=True)",
        "tar.extractall(folder)",
        "tar.extractall(folder, filter='fully_trusted')",
        "yaml.load(text, Loader=L)",
        "subprocess.run('ls', shell=True)",
    ],
)
def test_the_check_knows_danger(line):
    assert list(dangers(line))


@pytest.mark.parametrize(
    "line",
    ["torch.load(p, weights_only=True)", "np.load(p)", "tar.extractall(f, filter='data')"],
)
def test_the_check_knows_what_is_safe(line):
    assert not list(dangers(line))

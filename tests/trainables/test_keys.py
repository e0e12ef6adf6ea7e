"""What of the code enters a stage's key."""

import sys
import textwrap

import pytest

from trainables.keys import code_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that writes modules of a package `lab` and digests `lab.phase`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "__init__.py").write_text("")

    def digest(**modules):
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
        for name in [name for name in sys.modules if name.split(".")[0] == "lab"]:
            del sys.modules[name]
        code_digest.cache_clear()
        return code_digest("lab.phase")

    yield digest
    code_digest.cache_clear()


PHASE = """
from lab.loss import loss

def run(x):
    return loss(x)
"""
LOSS = """
def loss(x):
    return x + 1
"""


def test_a_changed_statement_in_an_imported_module_changes_the_digest(package):
    before = package(phase=PHASE, loss=LOSS)
    assert package(loss=LOSS.replace("+ 1", "+ 2")) != before


def test_a_changed_comment_or_docstring_changes_nothing(package):
    before = package(phase=PHASE, loss=LOSS)
    commented = '''
    """What is lost."""

    def loss(x):
        """Return the loss."""
        # one more
        return x + 1
    '''
    assert package(loss=commented) == before


def test_a_module_that_is_not_imported_changes_nothing(package):
    before = package(phase=PHASE, loss=LOSS, other="a = 1")
    assert package(other="a = 2") == before


def test_an_import_inside_a_function_counts(package):
    phase = """
    def run(x):
        from lab import loss
        return loss.loss(x)
    """
    before = package(phase=phase, loss=LOSS)
    assert package(loss=LOSS.replace("+ 1", "+ 2")) != before

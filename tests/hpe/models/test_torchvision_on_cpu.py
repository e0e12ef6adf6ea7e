"""The stand-in for torchvision's library acts on CPU builds of torch alone."""

import importlib.machinery
import subprocess
import sys

import pytest
import torch

from hpe.models import torchvision_on_cpu
from hpe.models.torchvision_on_cpu import make_torchvision_importable


def test_does_nothing_where_torch_is_a_cuda_build(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.library, "Library", None)  # any declaration would fail
    monkeypatch.setattr(torch.ops, "load_library", None)
    assert make_torchvision_importable() is False


def test_leaves_a_library_that_loads_to_itself(monkeypatch):
    loaded = []
    monkeypatch.setattr(torch.ops, "load_library", loaded.append)
    assert torchvision_on_cpu._library_loads()
    assert all(path.name.startswith("_C") for path in loaded)


def test_sees_that_a_library_does_not_load(monkeypatch, tmp_path):
    (tmp_path / "_C.so").write_bytes(b"not a library")
    init = tmp_path / "__init__.py"
    spec = importlib.machinery.ModuleSpec("torchvision", None, origin=str(init))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert not torchvision_on_cpu._library_loads()


@pytest.mark.slow
def test_timm_and_torchvision_import_in_a_new_process_whatever_the_build():
    program = (
        "from hpe.models.torchvision_on_cpu import import_timm, make_torchvision_importable as m\n"
        "stands_in = m()\n"
        "import torch, torchvision\n"
        "import_timm()\n"
        "assert m() == stands_in, 'a second call must change nothing'\n"
        "if torch.version.cuda is not None: assert not stands_in\n"
        "assert torchvision.extension._has_ops() == (not stands_in), 'nothing may be faked'\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr

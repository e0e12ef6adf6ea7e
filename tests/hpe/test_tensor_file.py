"""Files of tensors may be read by whoever may read other files."""

import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from hpe.tensor_file import permit_as_new, save_tensors
from hpe.whole_file import is_temporary


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_tensors_are_written_with_the_permissions_of_new_files(tmp_path, umask, mode):
    path = tmp_path / "weights.safetensors"
    before = os.umask(umask)
    try:
        save_tensors({"w": torch.ones(2)}, path, {"facts": "{}"})
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode
    assert list(tmp_path.iterdir()) == [path]
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"facts": "{}"}
        assert torch.equal(file.get_tensor("w"), torch.ones(2))


def test_the_file_that_permissions_are_seen_on_is_known_as_temporary(tmp_path, monkeypatch):
    path, made = tmp_path / "weights.safetensors", []
    path.touch()
    touch = Path.touch
    monkeypatch.setattr(Path, "touch", lambda new: (made.append(new), touch(new)))
    permit_as_new(path)
    assert [is_temporary(new) for new in made] == [True]

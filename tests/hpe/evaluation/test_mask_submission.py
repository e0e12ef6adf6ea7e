"""S3's archive of masks, read back by the loaders of S3's layout."""

import json
import tarfile

import numpy as np
import pytest
import torch

from hpe.data.lmdb_store import LmdbStore
from hpe.data.pictures import decoded_rgb
from hpe.evaluation import mask_model
from hpe.evaluation.mask_model import load_mask_model
from hpe.evaluation.mask_submission import predicted_split, write_mask_submission
from tests.hpe.evaluation.one_part import LEFT_CLASS, RIGHT_CLASS, one_layer, one_part_artifacts
from tests.hpe.phases.scene_fakes import FakeMaskedSplit


def some_masks():
    masks = np.zeros((2, 128, 128), dtype=np.uint8)
    masks[0, :20, :10], masks[1, 100:, 30:] = 16, 1
    return masks


def test_keys_and_masks_come_back(tmp_path):
    path = tmp_path / "test.lmdb.tar.gz"
    masks = some_masks()
    swapped = np.ascontiguousarray(masks[::-1])
    assert write_mask_submission(path, iter([("a/1", masks), ("a/2", swapped)])) == 2
    assert json.loads((tmp_path / "im_path.json").read_text()) == ["a/1.jpg", "a/2.jpg"]
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    plain, packed = (place / "test.lmdb" / "data.mdb" for place in (tmp_path, tmp_path / "out"))
    assert plain.read_bytes() == packed.read_bytes()
    assert write_mask_submission(path, iter([("b", swapped)])) == 1
    assert LmdbStore(plain.parent).get("a/1__l") is None
    assert {file.name for file in tmp_path.iterdir()} == {
        *("test.lmdb", "test.lmdb.tar.gz", "im_path.json", "out")
    }
    store = LmdbStore(packed.parent)
    for key, expected in (("a/1", masks), ("a/2", swapped)):
        for side, mask in zip("lr", expected, strict=True):
            data = store.get(f"{key}__{side}")
            assert data.startswith(b"\x89PNG")
            picture = decoded_rgb(data, key)
            assert (picture == mask[..., None]).all()
            assert picture.shape == (128, 128, 3)


@pytest.mark.parametrize("image_px", [64, 128])
def test_pictures_without_masks_are_predicted_at_the_size_submitted(monkeypatch, image_px):
    monkeypatch.setattr(mask_model, "build_segmenter", one_layer)
    model = load_mask_model(one_part_artifacts(image_px=image_px), torch.device("cpu"))
    split = FakeMaskedSplit(first=7, count=3, has_masks=False)
    found = dict(predicted_split(model, split, range(2)))
    assert list(found) == ["scene/00007", "scene/00008"]
    for masks in found.values():
        assert masks.shape == (2, 128, 128)
        assert (masks[0] == LEFT_CLASS).all()
        assert (masks[1] == RIGHT_CLASS).all()


def test_another_name_and_a_key_that_comes_twice_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"FILE.tar.gz, got masks.zip"):
        write_mask_submission(tmp_path / "masks.zip", iter([]))
    twice = iter([("a", some_masks()), ("a", some_masks())])
    with pytest.raises(ValueError, match="got a twice"):
        write_mask_submission(tmp_path / "x.tar.gz", twice)
    assert not (tmp_path / "x.tar.gz").exists()

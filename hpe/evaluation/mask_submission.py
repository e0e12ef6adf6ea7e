"""Predicted masks in S3's submission format: `test.lmdb`, and packed to `test.lmdb.tar.gz`.

Keys are `<picture's path without suffix>__l` and `__r`, values PNGs of 128 x 128 px with three
equal channels of class ids 0 to 16. The list of pictures, which S3 pickled, is JSON.
"""

import gzip
import json
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import lmdb
import numpy as np
import torch
from jaxtyping import UInt8

from hpe.augment.hand_masks import MaskAugmentationConfig, build_mask_augmentation
from hpe.data.hand_masks import MaskedSample, MaskedSplit
from hpe.data.lmdb_store import DATA_FILE
from hpe.evaluation.mask_model import MaskModel
from hpe.whole_file import replacing, write_text

STORE = "test.lmdb"
PACKED = ".tar.gz"
PATHS = "im_path.json"
SUBMITTED_PX = 128
SIDES = ("l", "r")
MOST_BYTES = 2**36  # that the LMDB may grow to; nothing is reserved
BATCH = 64

Masks = UInt8[np.ndarray, "2 side side"]


def predicted_split(
    model: MaskModel, split: MaskedSplit, indices: Sequence[int]
) -> Iterator[tuple[str, Masks]]:
    """Yield the key and the masks of samples of a split, at the size that is submitted."""
    view_of = build_mask_augmentation(MaskAugmentationConfig(), model.image_px)
    for start in range(0, len(indices), BATCH):
        samples = [split[index] for index in indices[start : start + BATCH]]
        views = [view_of(sample, np.random.default_rng(0)) for sample in samples]
        images = torch.from_numpy(np.stack([_image_of(view) for view in views]))
        masks = model.masks(images, side_px=SUBMITTED_PX).numpy()
        yield from zip((sample.key for sample in samples), masks, strict=True)


def write_mask_submission(path: Path, predicted: Iterator[tuple[str, Masks]]) -> int:
    """Write the archive, and beside it what is in it and the list of pictures; return their number.

    Args:
        path: The archive; ends with `.tar.gz`. It is replaced as a whole, as the others are.
        predicted: Key and masks of each picture.

    Raises:
        ValueError: If the name ends otherwise, or a key comes twice.
    """
    if not path.name.endswith(PACKED):
        raise ValueError(f"a submission of masks is an archive: FILE{PACKED}, got {path.name}.")
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        store = Path(scratch) / STORE
        keys = _write_store(store, predicted)
        with replacing(path) as temporary:
            _pack(store, temporary)
        plain = path.with_name(STORE)
        plain.mkdir(exist_ok=True)
        (store / DATA_FILE).replace(plain / DATA_FILE)
    write_text(path.with_name(PATHS), json.dumps([f"{key}.jpg" for key in keys]))
    return len(keys)


def _write_store(store: Path, predicted: Iterator[tuple[str, Masks]]) -> list[str]:
    keys = []
    with lmdb.open(str(store), map_size=MOST_BYTES, lock=False) as environment:
        for key, masks in predicted:
            with environment.begin(write=True) as transaction:
                for side, mask in zip(SIDES, masks, strict=True):
                    named = f"{key}__{side}".encode()
                    if not transaction.put(named, _encoded(mask), overwrite=False):
                        raise ValueError(f"each picture needs a key of its own, got {key} twice.")
            keys.append(key)
    return keys


def _pack(store: Path, target: Path) -> None:
    with (
        target.open("wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        data = store / DATA_FILE
        member = tarfile.TarInfo(f"{STORE}/{DATA_FILE}")
        member.size, member.mode = data.stat().st_size, 0o644
        with data.open("rb") as content:
            archive.addfile(member, content)


def _encoded(mask: UInt8[np.ndarray, "side side"]) -> bytes:
    done, data = cv2.imencode(".png", np.repeat(mask[..., None], len("rgb"), axis=2))
    assert done, "a small picture can be encoded"
    return bytes(data)


def _image_of(view: MaskedSample) -> UInt8[np.ndarray, "side side 3"]:
    if view.image is None:
        raise ValueError(f"{view.key} has no picture to look at.")
    return view.image

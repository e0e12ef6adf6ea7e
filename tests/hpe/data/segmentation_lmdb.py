"""Samples written in S3's layout: pictures and masks in LMDBs, lists and ids as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np

from hpe.data.hand_masks import MaskedSample

PREFIX = "./data/InterHand2.6M/images"
"""Where S3's lists say that pictures lie."""


def encoded(picture: np.ndarray) -> bytes:
    """Return a picture as a PNG; OpenCV takes BGR."""
    done, data = cv2.imencode(".png", picture)
    assert done
    return data.tobytes()


def encoded_image(sample: MaskedSample) -> bytes:
    """Return a sample's picture as S3 keeps it."""
    return encoded(cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR))


def encoded_masks(sample: MaskedSample) -> dict[str, bytes]:
    """Return a sample's masks as S3 keeps them, by the last letter of their key."""
    left, right = sample.masks
    stored = {"l": np.where(left > 0, left + 16, 0).astype(np.uint8), "r": right}
    return {side: encoded(np.repeat(mask[..., None], 3, axis=2)) for side, mask in stored.items()}


def entry_of(sample: MaskedSample, frame: int) -> dict[str, Any]:
    """Return what S3's lists say of a sample; its box is the middle of the picture."""
    height, width = sample.image.shape[:2]
    return {
        "img_path": f"{PREFIX}/{sample.key}.jpg",
        "seq_name": "ROM",
        "hand_type": "interacting",
        "hand_type_valid": 1,
        "file_name": f"{sample.key}.jpg",
        "bbox": [width / 4, height / 4, width / 2, height / 2],
        "capture": 0,
        "cam": "400002",
        "frame": frame,
    }


def write_store(path: Path, values: Mapping[str, bytes], *, subdir: bool = True) -> None:
    """Write an LMDB."""
    with (
        lmdb.open(str(path), map_size=1 << 24, subdir=subdir) as environment,
        environment.begin(write=True) as transaction,
    ):
        for key, value in values.items():
            transaction.put(key.encode(), value)


def write_layout(
    root: Path,
    *,
    train: Sequence[MaskedSample],
    val: Sequence[MaskedSample],
    unlabelled: Sequence[MaskedSample],
    submission: Sequence[MaskedSample] = (),
    masks: Sequence[MaskedSample] = (),
) -> None:
    """Write samples as S3 has them; the complete list has those of training too."""
    root.mkdir(parents=True, exist_ok=True)
    pictured = [*train, *val, *unlabelled, *submission]
    pictures = {f"{PREFIX}/{sample.key}.jpg": encoded_image(sample) for sample in pictured}
    write_store(
        root / "interhand.lmdb", {key.removeprefix("./"): data for key, data in pictures.items()}
    )
    ids = {sample.key: number for number, sample in enumerate([*train, *val, *masks], start=70)}
    stored = {
        f"{ids[sample.key]}__{side}": data
        for sample in [*train, *val, *masks]
        for side, data in encoded_masks(sample).items()
    }
    write_store(root / "segm_train_val_mp.lmdb", stored)
    frames = {sample.key: frame for frame, sample in enumerate(pictured)}
    lists = {
        "datalist_train_mp": train,
        "datalist_val_mp": val,
        "datalist_train_complete": [*train, *unlabelled],
        "datalist_stud_test": submission,
    }
    for name, samples in lists.items():
        entries = [entry_of(sample, frames[sample.key]) for sample in samples]
        (root / f"{name}.json").write_text(json.dumps(entries))
    for name, samples in {"train": train, "val": val}.items():
        known = {sample.key: ids[sample.key] for sample in samples}
        (root / f"path2id_{name}.json").write_text(json.dumps(known))
    if masks:
        unpaired = [ids[sample.key] for sample in masks]
        (root / "unpaired_segm_ids.json").write_text(json.dumps(unpaired))

"""Rendered clothed bodies: made once from the settings, then read without decoding.

No person and no scene is in two splits; validation and test share no panorama with training. Joints
are known exactly, hidden ones too, so all of them count as visible.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int
from pydantic import Field as Setting

from hpe.config import Config, identity_settings
from hpe.data.bodies import BodyData, BodySample, rectangle_box_px
from hpe.data.opened import SPLITS
from hpe.data.packed import Chunk, Field, Layout, PackedSplit, open_pack
from hpe.data.packing import make_pack
from hpe.data.render.background import PANORAMA_FOLDER, PANORAMAS
from hpe.data.render.body.model import MESH_FILE
from hpe.data.render.body.person import person_name
from hpe.data.render.body.scene import ACTION_NAMES, BodySceneSettings, render_body
from hpe.data.rendered_hands import renderer_digest, statements_digest
from hpe.geometry.camera import project

CHUNK_ROWS = 32
NAME: Literal["rendered_bodies"] = "rendered_bodies"


class RenderedBodiesConfig(Config):
    """Settings of the rendered bodies.

    Attributes:
        name: The data set's name in the catalog.
        image_px: Width and height of the pictures.
        unlabelled: Pictures without labels.
        train: Pictures with labels for training.
        val: Pictures for validation.
        test: Pictures for the final score.
        subjects: People to train on, and as many others in the unlabelled split.
        eval_subjects: People to validate on, and as many others to test on.
        seed: Another seed is another data set.
    """

    name: Literal["rendered_bodies"] = NAME
    image_px: int = Setting(128, ge=32, le=1024)
    unlabelled: int = Setting(32, ge=1)
    train: int = Setting(2000, ge=1)
    val: int = Setting(300, ge=1)
    test: int = Setting(300, ge=1)
    subjects: int = Setting(24, ge=1)
    eval_subjects: int = Setting(8, ge=1)
    seed: int = Setting(0, ge=0)


class RenderedBodiesSplit:
    """The samples of one split."""

    def __init__(self, fields: PackedSplit, *, split: str, first_id: int) -> None:
        """Wrap a packed split.

        Args:
            fields: The packed fields.
            split: Its name.
            first_id: `unique_id` of the first sample.
        """
        self._fields = fields
        self._split = split
        self._first_id = first_id

    @property
    def unique_ids(self) -> Int[np.ndarray, " samples"]:
        """Each sample's unique id."""
        return self._first_id + np.arange(len(self))

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self._fields["rgb"])

    def __getitem__(self, index: int) -> BodySample:
        """Return one body."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        joints_mm, intrinsics, rgb = (
            np.array(self._fields[name][index]) for name in ("joints_mm", "intrinsics", "rgb")
        )
        pelvis_mm = joints_mm[0].copy()
        return BodySample(
            image=rgb,
            keypoints_px=project(joints_mm, intrinsics),
            depth_mm=joints_mm[:, 2] - pelvis_mm[2],
            visible=np.ones(len(joints_mm), bool),
            has_depth=True,
            intrinsics=intrinsics,
            pelvis_mm=pelvis_mm,
            box_px=rectangle_box_px(pelvis_mm, intrinsics),
            unique_id=self._first_id + index,
            subject=person_name(self._split, int(self._fields["person"][index])),
            action=ACTION_NAMES[int(self._fields["action"][index])],
        )


def prepare_rendered_bodies(
    config: RenderedBodiesConfig,
    folder: Path,
    *,
    processes: int,
    progress: Callable[[int, int], None],
) -> None:
    """Render the data set into a folder, or what is missing of it; at once if nothing is.

    Args:
        config: Settings.
        folder: Made if needed.
        processes: How many processes render; 1 renders in this one.
        progress: Called with pictures done and pictures in all, first and after every chunk.

    Raises:
        ValueError: If the folder holds data of other settings or another renderer, or another
            process is rendering into it.
        RuntimeError: If a rendering process died.
    """
    rows_of = partial(_chunk_rows, config)
    make_pack(folder, _layout(config), rows_of, processes=processes, progress=progress)


def open_rendered_bodies(config: RenderedBodiesConfig, folder: Path) -> BodyData:
    """Open a rendered data set.

    Raises:
        ValueError: If it is not there, unfinished, cut short, or of other settings.
    """
    pack = open_pack(folder, _layout(config).recipe)
    splits, first_id = {}, 0
    for split in SPLITS:
        splits[split] = RenderedBodiesSplit(pack.splits[split], split=split, first_id=first_id)
        first_id += pack.counts[split]
    return BodyData(
        name=NAME,
        digest=pack.digest,
        splits=splits,
        card={
            "counts": {split: len(splits[split]) for split in SPLITS},
            "source": "rendered by hpe.data.render.body",
            "licence": "CC0-1.0 assets, see hpe/data/assets/CREDITS.md",
            "settings": identity_settings(config),
            "people": {split: _scenes(config, split).subjects for split in SPLITS},
            "actions": list(ACTION_NAMES),
            "panoramas": {split: list(names) for split, names in PANORAMAS.items()},
            "has_depth": True,
        },
    )


def recipe_of_bodies(config: RenderedBodiesConfig) -> dict[str, Any]:
    """Return what decides every byte: settings, scenes, the renderer's statements and assets."""
    return {
        "settings": identity_settings(config),
        "scenes": {split: asdict(_scenes(config, split)) for split in SPLITS},
        "renderer": renderer_digest(),
        "body": _body_digest(),
        "assets": _body_assets_digest(),
    }


@cache
def _body_digest() -> str:
    return statements_digest(Path(__file__).parent / "render" / "body")


@cache
def _body_assets_digest() -> str:
    """Return the SHA-256 of the body's mesh and the panoramas."""
    digest = hashlib.sha256()
    panoramas = [*PANORAMA_FOLDER.glob("*.npz"), *PANORAMA_FOLDER.glob("*.jpg")]
    for path in sorted([MESH_FILE, *panoramas]):
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _scenes(config: RenderedBodiesConfig, split: str) -> BodySceneSettings:
    """Return what kind of scene a split holds."""
    evaluates = split in ("val", "test")
    return BodySceneSettings(
        image_px=config.image_px,
        subjects=config.eval_subjects if evaluates else config.subjects,
    )


def _layout(config: RenderedBodiesConfig) -> Layout:
    """Return what the folder of these settings holds."""
    px = config.image_px
    return Layout(
        recipe=recipe_of_bodies(config),
        fields=(
            Field("rgb", "uint8", (px, px, 3)),
            Field("joints_mm", "float64", (17, 3)),
            Field("intrinsics", "float64", (3, 3)),
            Field("person", "uint16", ()),
            Field("action", "uint8", ()),
        ),
        counts={split: getattr(config, split) for split in SPLITS},
        chunk_rows=CHUNK_ROWS,
    )


def _chunk_rows(config: RenderedBodiesConfig, chunk: Chunk) -> dict[str, np.ndarray]:
    """Render the scenes of one chunk."""
    settings = _scenes(config, chunk.split)
    bodies = [
        render_body(settings, seed=config.seed, split=chunk.split, index=index)
        for index in range(chunk.first, chunk.first + chunk.rows)
    ]
    names = [field.name for field in _layout(config).fields]
    return {name: np.stack([getattr(body, name) for body in bodies]) for name in names}

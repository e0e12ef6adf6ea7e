"""The rendered data set: made once from its settings, then read without decoding.

One sample per scene. In scenes of two hands it is the hand that shows more joints (a right hand if
both show as many); `RenderedSplit.fields` gives both. Bytes are equal however many processes made
them. They are functions of the settings, the renderer's code and its assets, which the recipe in
the index names; across processor types the last bit of a rounding may differ, so the digest also
covers what was written.
"""

import ast
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
from hpe.data.hands import HandData, HandSample
from hpe.data.opened import SPLITS
from hpe.data.packed import Chunk, Field, Layout, PackedSplit, open_pack
from hpe.data.packing import make_pack
from hpe.data.render.background import PANORAMA_FOLDER, PANORAMAS
from hpe.data.render.hand_model import ASSETS, MESH_FILE
from hpe.data.render.identity import POOL_SIZES
from hpe.data.render.placement import Sides
from hpe.data.render.scene import SceneSettings, Variety, render_scene
from hpe.geometry.camera import mirrored_intrinsics, mirrored_joints, mirrored_keypoints

CHUNK_ROWS = 32
NAME: Literal["rendered_hands"] = "rendered_hands"


class RenderedHandsConfig(Config):
    """Settings of the rendered data set.

    The unlabelled split is drawn more widely than the others: tilt as said here, and distance,
    cropping, light, blur, noise and pose by `variety_of`.

    Attributes:
        name: The data set's name in the catalog.
        image_px: Width and height of the pictures.
        unlabelled: Pictures for pretraining.
        train: Pictures with labels for training.
        val: Pictures for validation.
        test: Pictures for the final score.
        hands: One hand per picture, right or left, or a right and a left one of one person.
        seed: Another seed is another data set.
        sides: Which side of the hand the camera sees before the tilt.
        max_tilt_deg: Largest tilt of the camera away from that side; 180 is the full sphere. The
            turn in the image plane is always free.
        unlabelled_max_tilt_deg: The same for the unlabelled split.
    """

    name: Literal["rendered_hands"] = NAME
    image_px: int = Setting(128, ge=16, le=1024)
    unlabelled: int = Setting(5000, ge=1)
    train: int = Setting(1500, ge=1)
    val: int = Setting(500, ge=1)
    test: int = Setting(500, ge=1)
    hands: Literal["one", "two"] = "one"
    seed: int = Setting(0, ge=0)
    sides: Sides = "back"
    max_tilt_deg: float = Setting(35.0, ge=0.0, le=180.0)
    unlabelled_max_tilt_deg: float = Setting(50.0, ge=0.0, le=180.0)


class RenderedSplit:
    """The samples of one split.

    Attributes:
        fields: Every field of every scene, memory-mapped: see `fields_of`.
    """

    def __init__(self, fields: PackedSplit, *, first_id: int) -> None:
        """Wrap a packed split.

        Args:
            fields: The packed fields.
            first_id: `unique_id` of the first sample.
        """
        self.fields = fields
        self._first_id = first_id

    @property
    def unique_ids(self) -> Int[np.ndarray, " samples"]:
        """Each sample's unique id."""
        return self._first_id + np.arange(len(self))

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.fields["rgb"])

    def __getitem__(self, index: int) -> HandSample:
        """Return the hand that shows more joints, mirrored to a right hand if it is a left one."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        fields = self.fields
        hand = int(fields["joint_visible"][index].sum(axis=1).argmax())
        joints_m = np.array(fields["joints_m"][index, hand])
        keypoints_px = np.array(fields["keypoints_px"][index, hand])
        intrinsics = np.array(fields["intrinsics"][index])
        image, foreground = fields["rgb"][index], fields["part"][index] > 0
        width = image.shape[1]
        if not fields["is_right"][index, hand]:
            joints_m = mirrored_joints(joints_m)
            keypoints_px = mirrored_keypoints(keypoints_px, width_px=width)
            intrinsics = mirrored_intrinsics(intrinsics, width_px=width)
            image, foreground = image[:, ::-1], foreground[:, ::-1]
        inside = np.all((keypoints_px >= 0) & (keypoints_px < width), axis=1)
        return HandSample(
            image=np.array(image),
            joints_m=joints_m,
            intrinsics=intrinsics,
            keypoints_px=keypoints_px,
            visible=inside,
            foreground=np.array(foreground),
            unique_id=self._first_id + index,
        )


def prepare_rendered_hands(
    config: RenderedHandsConfig,
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


def open_rendered_hands(config: RenderedHandsConfig, folder: Path) -> HandData:
    """Open a rendered data set.

    Raises:
        ValueError: If it is not there, unfinished, cut short, or of other settings.
    """
    layout = _layout(config)
    pack = open_pack(folder, layout.recipe)
    splits, first_id = {}, 0
    for split in SPLITS:
        splits[split] = RenderedSplit(pack.splits[split], first_id=first_id)
        first_id += pack.counts[split]
    return HandData(
        name=NAME,
        digest=pack.digest,
        splits=splits,
        card={
            "counts": {split: len(splits[split]) for split in SPLITS},
            "source": "rendered by hpe.data.render",
            "licence": "CC0-1.0 assets, see hpe/data/assets/CREDITS.md",
            "settings": identity_settings(config),
            "people": dict(POOL_SIZES),
            "panoramas": {split: list(names) for split, names in PANORAMAS.items()},
        },
    )


def recipe_of(config: RenderedHandsConfig) -> dict[str, Any]:
    """Return what decides every byte: settings, scenes, the renderer's statements and assets.

    What scenes a split holds is decided here, outside of the renderer, so it is spelled out.
    """
    return {
        "settings": identity_settings(config),
        "scenes": {split: asdict(scene_settings(config, split)) for split in SPLITS},
        "renderer": renderer_digest(),
        "assets": assets_digest(),
    }


def fields_of(config: RenderedHandsConfig) -> tuple[Field, ...]:
    """Return the fields of a scene as they lie on disk (`RenderedScene` says what they mean).

    Left hands are not mirrored here. Depth is in steps of 0.1 mm, 0 on the background.
    """
    px, hands = config.image_px, 1 if config.hands == "one" else 2
    return (
        Field("rgb", "uint8", (px, px, 3)),
        Field("part", "uint8", (px, px)),
        Field("depth", "uint16", (px, px)),
        Field("joints_m", "float64", (hands, 21, 3)),
        Field("keypoints_px", "float64", (hands, 21, 2)),
        Field("joint_visible", "bool", (hands, 21)),
        Field("is_right", "bool", (hands,)),
        Field("intrinsics", "float64", (3, 3)),
        Field("person", "int32", ()),
    )


def variety_of(config: RenderedHandsConfig, split: str) -> Variety:
    """Return how much pictures of a split differ; the unlabelled split is the widest."""
    if split != "unlabelled":
        return Variety(max_tilt_deg=config.max_tilt_deg, sides=config.sides)
    return Variety(
        max_tilt_deg=config.unlabelled_max_tilt_deg,
        sides=config.sides,
        fill=(0.35, 0.9),
        off_centre=0.12,
        focal=(1.1, 4.0),
        ambient=(0.15, 0.7),
        lamp=(0.2, 1.8),
        exposure=(0.6, 1.5),
        cast=0.25,
        blur=(0.0, 0.9),
        noise=(0.0, 0.03),
        pose_noise=1.4,
    )


def scene_settings(config: RenderedHandsConfig, split: str) -> SceneSettings:
    """Return what kind of scene a split holds."""
    return SceneSettings(
        image_px=config.image_px,
        num_hands=1 if config.hands == "one" else 2,
        variety=variety_of(config, split),
    )


@cache
def renderer_digest() -> str:
    """Return the SHA-256 of the renderer's statements."""
    return statements_digest(Path(__file__).parent / "render")


def statements_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's modules, comments and docstrings left out."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
                node
            ):
                del node.body[0]
        digest.update(f"{path.name}\n{ast.unparse(tree)}\n".encode())
    return digest.hexdigest()


@cache
def assets_digest() -> str:
    """Return the SHA-256 of the hand's mesh and the panoramas."""
    digest = hashlib.sha256()
    panoramas = [*PANORAMA_FOLDER.glob("*.npz"), *PANORAMA_FOLDER.glob("*.jpg")]
    for path in sorted([MESH_FILE, *panoramas]):
        digest.update(path.relative_to(ASSETS).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _layout(config: RenderedHandsConfig) -> Layout:
    """Return what the folder of these settings holds."""
    return Layout(
        recipe=recipe_of(config),
        fields=fields_of(config),
        counts={split: getattr(config, split) for split in SPLITS},
        chunk_rows=CHUNK_ROWS,
    )


def _chunk_rows(config: RenderedHandsConfig, chunk: Chunk) -> dict[str, np.ndarray]:
    """Render the scenes of one chunk."""
    settings = scene_settings(config, chunk.split)
    scenes = [
        render_scene(settings, seed=config.seed, split=chunk.split, index=index)
        for index in range(chunk.first, chunk.first + chunk.rows)
    ]
    return {
        f.name: np.stack([getattr(scene, f.name) for scene in scenes]) for f in fields_of(config)
    }

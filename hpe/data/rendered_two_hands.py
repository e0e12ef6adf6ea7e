"""Rendered scenes of two hands with the amodal masks of each, unpaired images and unpaired masks.

Made once from the settings, then read without decoding. No person and no scene is in two splits;
validation and test share no panorama with training.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int
from pydantic import Field as Setting

from hpe.config import Config, identity_settings
from hpe.data.hand_masks import UNPAIRED_MASKS, MaskedSample, SegmentationData
from hpe.data.packed import Chunk, Field, Layout, PackedSplit, is_finished, open_pack
from hpe.data.packing import make_pack
from hpe.data.render.background import PANORAMAS
from hpe.data.render.scene import Variety
from hpe.data.render.two_hands.overlap import OVERLAP_PROB
from hpe.data.render.two_hands.scene import (
    PEOPLE,
    draw_scene,
    masks_of,
    picture_and_masks_of,
    picture_of,
)
from hpe.data.rendered_hands import (
    RenderedHandsConfig,
    assets_digest,
    renderer_digest,
    statements_digest,
    variety_of,
)

CHUNK_ROWS = 32
NAME: Literal["rendered_two_hands"] = "rendered_two_hands"

_FINGERS = ("index", "middle", "ring", "little")
PARTS = (
    "palm",
    *(f"thumb {bone}" for bone in ("metacarpal", "proximal", "distal")),
    *(f"{finger} {bone}" for finger in _FINGERS for bone in ("proximal", "middle", "distal")),
)
"""What the class ids 1..16 of each hand's masks are."""

_MAX_TILT_DEG, _UNLABELLED_MAX_TILT_DEG = 60.0, 75.0
_FILL, _UNLABELLED_FILL = (0.7, 0.9), (0.55, 0.95)


class RenderedTwoHandsConfig(Config):
    """Settings of the rendered scenes of two hands.

    The unlabelled split is drawn more widely than the others, as that of `rendered_hands` is.

    Attributes:
        name: The data set's name in the catalog.
        image_px: Width and height of the pictures.
        unlabelled: Pictures without masks.
        unpaired_masks: Masks without pictures.
        train: Pictures with masks for training.
        val: Pictures with masks for validation.
        test: Pictures with masks for the final score.
        seed: Another seed is another data set.
    """

    name: Literal["rendered_two_hands"] = NAME
    image_px: int = Setting(128, ge=16, le=1024)
    unlabelled: int = Setting(4000, ge=1)
    unpaired_masks: int = Setting(2000, ge=1)
    train: int = Setting(2000, ge=1)
    val: int = Setting(500, ge=1)
    test: int = Setting(500, ge=1)
    seed: int = Setting(0, ge=0)


@dataclass(frozen=True)
class RenderedMasksSplit:
    """The samples of one split.

    Attributes:
        name: The split's name.
        fields: Its memory-mapped fields: `rgb`, `masks` and `visible`, or those it has.
        first_id: `unique_id` of its first sample.
    """

    name: str
    fields: PackedSplit
    first_id: int

    @property
    def unique_ids(self) -> Int[np.ndarray, " samples"]:
        """Each sample's unique id."""
        return self.first_id + np.arange(len(self))

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(next(iter(self.fields.values())))

    def __getitem__(self, index: int) -> MaskedSample:
        """Return a copy of one scene's fields."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        found = {name: np.array(values[index]) for name, values in self.fields.items()}
        return MaskedSample(
            image=found.get("rgb"),
            masks=found.get("masks"),
            visible=found.get("visible"),
            key=f"{self.name}/{index:06d}",
            unique_id=self.first_id + index,
        )


def prepare_rendered_two_hands(
    config: RenderedTwoHandsConfig,
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
        progress: Called with scenes done and scenes in all, first and after every chunk.

    Raises:
        ValueError: If the folder holds data of other settings or another renderer, or another
            process is rendering into it.
        RuntimeError: If a rendering process died.
    """
    layouts = _layouts(config)
    totals = {kind: sum(layout.counts.values()) for kind, layout in layouts.items()}
    before, total = 0, sum(totals.values())
    for kind, layout in layouts.items():
        make_pack(
            folder / kind,
            layout,
            partial(_chunk_rows, config),
            processes=processes,
            progress=partial(_report, progress, before, total),
        )
        before += totals[kind]


def open_rendered_two_hands(config: RenderedTwoHandsConfig, folder: Path) -> SegmentationData:
    """Open a rendered data set.

    Raises:
        ValueError: If it is not there, unfinished, cut short, or of other settings.
    """
    layouts = _layouts(config)
    packs = {kind: open_pack(folder / kind, layout.recipe) for kind, layout in layouts.items()}
    fields = {split: pack.splits[split] for pack in packs.values() for split in pack.splits}
    splits, first_id = {}, 0
    for split in PEOPLE:
        splits[split] = RenderedMasksSplit(split, fields[split], first_id)
        first_id += len(splits[split])
    digests = "".join(pack.digest for pack in packs.values())
    return SegmentationData(
        name=NAME,
        digest=hashlib.sha256(digests.encode()).hexdigest(),
        splits=splits,
        card={
            "counts": {split: len(samples) for split, samples in splits.items()},
            "source": "rendered by hpe.data.render.two_hands",
            "licence": "CC0-1.0 assets, see hpe/data/assets/CREDITS.md",
            "settings": identity_settings(config),
            "parts": list(PARTS),
            "overlap_prob": OVERLAP_PROB,
            "people": {split: people.count for split, people in PEOPLE.items()},
            "panoramas": {split: list(PANORAMAS[people.pool]) for split, people in PEOPLE.items()},
        },
    )


def is_rendered(folder: Path) -> bool:
    """Return whether every part of a data set in a folder is finished."""
    return all(is_finished(folder / kind) for kind in _KINDS)


def recipe_of_two_hands(config: RenderedTwoHandsConfig) -> dict[str, Any]:
    """Return what decides every byte: settings, scenes, the renderer's statements and assets."""
    return {
        "settings": identity_settings(config),
        "scenes": {split: asdict(scene_variety(split)) for split in PEOPLE},
        "renderer": renderer_digest(),
        "two_hands": _two_hands_digest(),
        "assets": assets_digest(),
    }


def scene_variety(split: str) -> Variety:
    """Return how much scenes of a split differ; the unlabelled split is the widest."""
    tilts = RenderedHandsConfig(
        sides="both",
        max_tilt_deg=_MAX_TILT_DEG,
        unlabelled_max_tilt_deg=_UNLABELLED_MAX_TILT_DEG,
    )
    fill = _UNLABELLED_FILL if split == "unlabelled" else _FILL
    return replace(variety_of(tilts, split), fill=fill)


_KINDS: Mapping[str, tuple[str, ...]] = {
    "images": ("unlabelled",),
    "paired": ("train", "val", "test"),
    "masks": (UNPAIRED_MASKS,),
}
"""Folder of a pack -> its splits, which have the same fields."""


@cache
def _two_hands_digest() -> str:
    return statements_digest(Path(__file__).parent / "render" / "two_hands")


def _fields(kind: str, px: int) -> tuple[Field, ...]:
    rgb, masks = Field("rgb", "uint8", (px, px, 3)), Field("masks", "uint8", (2, px, px))
    visible = Field("visible", "bool", (2, px, px))
    return {"images": (rgb,), "paired": (rgb, masks, visible), "masks": (masks,)}[kind]


def _layouts(config: RenderedTwoHandsConfig) -> dict[str, Layout]:
    """Return what the folders of these settings hold.

    The recipe of each names all settings: a folder is of one data set as a whole.
    """
    return {
        kind: Layout(
            recipe=recipe_of_two_hands(config),
            fields=_fields(kind, config.image_px),
            counts={split: getattr(config, split) for split in splits},
            chunk_rows=CHUNK_ROWS,
        )
        for kind, splits in _KINDS.items()
    }


def _chunk_rows(config: RenderedTwoHandsConfig, chunk: Chunk) -> dict[str, np.ndarray]:
    """Render the scenes of one chunk."""
    rows = [_row(config, chunk.split, chunk.first + row) for row in range(chunk.rows)]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _row(config: RenderedTwoHandsConfig, split: str, index: int) -> dict[str, np.ndarray]:
    """Render what a split has of one scene."""
    scene = draw_scene(
        scene_variety(split), image_px=config.image_px, seed=config.seed, split=split, index=index
    )
    if split == "unlabelled":
        return {"rgb": picture_of(scene)}
    if split == UNPAIRED_MASKS:
        return {"masks": masks_of(scene)}
    rgb, hands = picture_and_masks_of(scene)
    return {"rgb": rgb, "masks": hands.masks, "visible": hands.visible}


def _report(
    progress: Callable[[int, int], None], before: int, total: int, done: int, _of: int
) -> None:
    progress(before + done, total)

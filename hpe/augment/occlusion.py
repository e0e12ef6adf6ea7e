"""Objects pasted over a view: what is hidden keeps its labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8
from pydantic import Field, model_validator

from hpe.augment.appearance import Image, Keypoints
from hpe.augment.drawn_objects import drawn_occluders
from hpe.augment.occluders import Cutout, Occluders, cutout_paths, picture_occluders, voc_occluders
from hpe.augment.voc_objects import voc_files
from hpe.config import Config
from hpe.outside_files import OutsideFiles

_FULL_SIZE_PX = 256
"""Side of the view in which a stored object has its own size at scale 1 (Sárándi et al., 2018)."""


class OccludeConfig(Config):
    """Paste objects at random places, as S4 does (Sárándi et al., 2018).

    Each view takes a whole number of objects, uniform between `min_count` and `max_count`; each is
    drawn from the bank with replacement, scaled by U(min_scale, max_scale) times the view's side
    over 256 px, and centred uniformly over the view.

    Attributes:
        source: `drawn` objects need no files; `voc` reads the folder `VOC2012`; `pictures` takes
            every picture with an alpha channel below a folder.
        folder: Where the source has its files; the same path on every machine.
    """

    enabled: bool = False
    order: float = 6.0
    prob: float = Field(1.0, ge=0, le=1)
    source: Literal["drawn", "voc", "pictures"] = "drawn"
    folder: Path | None = None
    min_count: int = Field(1, ge=0, le=64)
    max_count: int = Field(7, ge=0, le=64)
    min_scale: float = Field(0.2, gt=0, le=8)
    max_scale: float = Field(1.0, gt=0, le=8)

    @model_validator(mode="after")
    def _possible(self) -> "OccludeConfig":
        if self.min_count > self.max_count:
            raise ValueError(
                f"min_count must be <= max_count, got {self.min_count} > {self.max_count}."
            )
        if self.min_scale > self.max_scale:
            raise ValueError(
                f"min_scale must be <= max_scale, got {self.min_scale} > {self.max_scale}."
            )
        if (self.source == "drawn") != (self.folder is None):
            raise ValueError(
                f"source {self.source} and folder {self.folder} do not fit: `voc` and `pictures` "
                f"are read from a folder, `drawn` objects come from none."
            )
        return self

    @property
    def files(self) -> OutsideFiles | None:
        """The files that objects are cut out of; None where they are drawn, or off."""
        if not self.enabled or self.folder is None:
            return None
        find = voc_files if self.source == "voc" else cutout_paths
        return OutsideFiles(self.folder, find=find, check=find)


def load_occluders(config: OccludeConfig, *, seed: int) -> Occluders:
    """Return the objects that the settings name.

    Args:
        config: The settings.
        seed: Of objects that are drawn.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If they hold no object.
    """
    if config.folder is None:
        return drawn_occluders(seed=seed)
    return (
        voc_occluders(config.folder) if config.source == "voc" else picture_occluders(config.folder)
    )


@dataclass(frozen=True)
class Occlude:
    """The operation: settings and objects together."""

    config: OccludeConfig
    occluders: Occluders

    @property
    def enabled(self) -> bool:
        """Whether the composition contains it."""
        return self.config.enabled

    @property
    def prob(self) -> float:
        """Share of the views it applies to."""
        return self.config.prob

    @property
    def order(self) -> float:
        """Sort key; lower comes first."""
        return self.config.order

    def __call__(
        self, image: Image, _keypoints_px: Keypoints, rng: np.random.Generator, /
    ) -> Image:
        """Return the image with objects over it."""
        return self.over(image, rng)

    def over(
        self, image: UInt8[np.ndarray, "height width 3"], rng: np.random.Generator
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Return an image of any shape with objects over it, sized by its shorter side."""
        covered = image.copy()
        height_px, width_px = image.shape[:2]
        for _ in range(rng.integers(self.config.min_count, self.config.max_count + 1)):
            cutout = self.occluders.cutouts[rng.integers(len(self.occluders.cutouts))]
            scale = rng.uniform(self.config.min_scale, self.config.max_scale)
            center_px = rng.uniform(0, [width_px, height_px])
            factor = scale * min(height_px, width_px) / _FULL_SIZE_PX
            paste(covered, resized(cutout, factor), center_px=center_px)
        return covered


def resized(cutout: Cutout, factor: float) -> Cutout:
    """Return a cut-out in another size: averaged over areas to shrink, linear to enlarge."""
    height, width = cutout.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    interpolation = cv2.INTER_LINEAR if factor > 1 else cv2.INTER_AREA
    scaled: Cutout = cv2.resize(cutout, size, interpolation=interpolation)
    return scaled


def paste(
    image: UInt8[np.ndarray, "height width 3"], cutout: Cutout, *, center_px: np.ndarray
) -> None:
    """Blend a cut-out into an image, in place; what lies outside of the image is lost.

    Args:
        image: RGB, changed.
        cutout: RGB and alpha.
        center_px: (x, y), rounded to where the middle pixel goes.
    """
    size = np.array(cutout.shape[1::-1])
    limits = np.array(image.shape[1::-1])
    start = np.rint(center_px).astype(int) - size // 2
    left, top = np.clip(start, 0, limits)
    right, bottom = np.clip(start + size, 0, limits)
    if right <= left or bottom <= top:
        return
    part = cutout[top - start[1] : bottom - start[1], left - start[0] : right - start[0]]
    alpha = part[:, :, 3:].astype(np.float32) / 255
    under = image[top:bottom, left:right]
    image[top:bottom, left:right] = np.rint(alpha * part[:, :, :3] + (1 - alpha) * under)

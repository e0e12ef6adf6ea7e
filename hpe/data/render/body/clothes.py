"""Outfits: how far sleeves and trousers reach, and the colours and patterns of their cloth."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from hpe.data.render.body.surface import BodySurface, above
from hpe.data.render.texture import skin_noise

GARMENTS = ("shirt", "trousers", "shoes", "hair")

_SLEEVE_ENDS_M = (0.21, 0.28, 0.36, 0.475)
"""How far from the body's middle sleeves may end at rest: none, short, to the elbow, long."""
_TROUSER_ENDS_M = (-0.12, -0.33, -0.74)
"""Height at which trousers may end at rest: shorts, to the knee, long; the hips are at 0.12."""
_WAIST = 0.5
_THICKNESS_M = (0.010, 0.011, 0.009, 0.016)
_TEXTURE_SCALE = np.float32(0.12)
"""The skin's texture, of hands' size, is looked up at this scale to get one of clothes' size."""

_HAIR_COLORS = np.array(
    [[0.02, 0.015, 0.01], [0.06, 0.03, 0.015], [0.2, 0.11, 0.04], [0.42, 0.3, 0.13], [0.3] * 3]
)


@dataclass(frozen=True)
class Cloth:
    """A woven surface.

    Attributes:
        colors: Linear RGB reflectances of its two threads.
        pattern: 0 plain, 1 stripes around the body, 2 blotches, 3 stripes along it.
        stripes_per_m: How narrow stripes are.
    """

    colors: Float32[np.ndarray, "2 3"]
    pattern: int
    stripes_per_m: float


@dataclass(frozen=True)
class Outfit:
    """What a person wears.

    Attributes:
        sleeve_end_m: Distance from the body's middle at which sleeves end, at rest.
        trouser_end_m: Height at which trousers end, at rest.
        shirt: Cloth of the shirt.
        trousers: Cloth of the trousers.
        shoes: Linear RGB of the shoes.
        hair: Linear RGB of the hair.
        is_bald: Whether there is none.
        thickness: Factor on how far clothes stand off the skin.
        offset_m: Where in the fixed texture the cloth lies.
    """

    sleeve_end_m: float
    trouser_end_m: float
    shirt: Cloth
    trousers: Cloth
    shoes: Float32[np.ndarray, "3"]
    hair: Float32[np.ndarray, "3"]
    is_bald: bool
    thickness: float
    offset_m: Float32[np.ndarray, "3"]


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """Draw an outfit."""
    hair = _HAIR_COLORS[rng.integers(len(_HAIR_COLORS))] * rng.uniform(0.7, 1.3)
    return Outfit(
        sleeve_end_m=float(rng.choice(_SLEEVE_ENDS_M, p=[0.1, 0.45, 0.1, 0.35])),
        trouser_end_m=float(rng.choice(_TROUSER_ENDS_M, p=[0.15, 0.15, 0.7])),
        shirt=_draw_cloth(rng, patterned=0.45),
        trousers=_draw_cloth(rng, patterned=0.12),
        shoes=np.full(3, rng.uniform(0.02, 0.6), np.float32),
        hair=hair.astype(np.float32),
        is_bald=bool(rng.random() < 0.12),
        thickness=float(rng.uniform(0.6, 1.6)),
        offset_m=rng.uniform(1.0, 2.0, 3).astype(np.float32),
    )


def _draw_cloth(rng: np.random.Generator, *, patterned: float) -> Cloth:
    return Cloth(
        colors=(rng.random((2, 3)) ** 1.8 * 0.75 + 0.015).astype(np.float32),
        pattern=int(rng.integers(1, 4)) if rng.random() < patterned else 0,
        stripes_per_m=float(rng.uniform(8, 30)),
    )


def coverage(outfit: Outfit, surface: BodySurface) -> Float32[np.ndarray, "vertices garments"]:
    """Return how much each vertex is covered by each of `GARMENTS`, 0 to 1."""
    reach = np.abs(surface.rest_m[:, 0])
    sleeve = surface.arm * above(-reach, -outfit.sleeve_end_m)
    shirt = above(np.maximum(surface.trunk, sleeve), _WAIST, 0.1)
    leg = above(surface.rest_m[:, 2], outfit.trouser_end_m) * surface.hips_and_legs
    trousers = above(leg, _WAIST, 0.1)
    shoes = above(surface.foot, 0.45, 0.1)
    hair = np.zeros_like(shoes) if outfit.is_bald else surface.hair
    return np.stack([shirt, trousers, shoes, hair], axis=1)


def standing_off_m(
    outfit: Outfit, covered: Float32[np.ndarray, "vertices garments"]
) -> Float32[np.ndarray, " vertices"]:
    """Return how far the outermost garment stands off the skin at each vertex."""
    heights = covered * np.array(_THICKNESS_M, np.float32) * np.float32(outfit.thickness)
    return np.asarray(heights.max(axis=1))


def garment_colors(
    outfit: Outfit, rest_m: Float32[np.ndarray, "3 points"]
) -> Float32[np.ndarray, "garments 3 points"]:
    """Return the reflectance of each garment at points given by their place at rest."""
    noise = skin_noise(rest_m * _TEXTURE_SCALE, outfit.offset_m)
    worn = 1 + 0.16 * noise[1] + 0.08 * noise[2]
    plain = np.ones_like(worn)
    solid = [outfit.shoes[:, None] * plain, outfit.hair[:, None] * (1 + 0.35 * noise[2])]
    cloths = [_woven(cloth, rest_m, noise) * worn for cloth in (outfit.shirt, outfit.trousers)]
    colors: np.ndarray = np.clip(np.stack([*cloths, *solid]), 0.004, 1.0)
    return colors.astype(np.float32)


def _woven(cloth: Cloth, rest_m: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the cloth's two colours where its pattern puts them."""
    phase = 2 * np.pi * cloth.stripes_per_m
    first = {
        0: np.ones(rest_m.shape[1], bool),
        1: np.sin(phase * rest_m[2]) > 0,
        2: noise[0] > 0,
        3: np.sin(phase * rest_m[0]) > 0,
    }[cloth.pattern]
    return np.asarray(np.where(first, cloth.colors[0][:, None], cloth.colors[1][:, None]))

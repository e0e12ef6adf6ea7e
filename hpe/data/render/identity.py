"""Who a hand belongs to: shape and skin, from a pool of people per split."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from hpe.data.opened import SPLITS
from hpe.data.render.hand_model import load_hand_model

POOL_SIZES = {"unlabelled": 256, "train": 64, "val": 32, "test": 32}
"""People per split. Each split draws its own, so none appears in two of them."""

MAX_BETA = 2.2
"""Shape factors are cut at this many standard deviations."""

_TONES = np.array(
    [
        [246, 215, 196], [235, 196, 170], [224, 180, 150], [208, 160, 126], [188, 138, 102],
        [160, 112, 80], [125, 84, 58], [92, 60, 42], [62, 42, 32],
    ]
) / 255.0  # fmt: skip
"""Skin tones from light to dark, display RGB."""

_IDENTITY_STREAM = 101


@dataclass(frozen=True)
class Identity:
    """One person's hands.

    Attributes:
        betas: Factors of the shape components.
        skin: Linear RGB reflectance of the back of the hand.
        palm: Linear RGB reflectance of the palm.
        darkness: Place on the tone scale, 0 light to 1 dark.
        redness: How red knuckles and fingertips are, 0.2 to 1.
        creases: Strength of creases and palm lines, 0.4 to 1.
        veins: Strength of veins, 0 to 1.
        mottling: Strength of the skin's texture.
        offset_m: Where in the fixed texture this skin lies.
    """

    betas: Float[np.ndarray, " components"]
    skin: Float32[np.ndarray, "3"]
    palm: Float32[np.ndarray, "3"]
    darkness: float
    redness: float
    creases: float
    veins: float
    mottling: float
    offset_m: Float32[np.ndarray, "3"]


def identity_of(seed: int, split: str, person: int) -> Identity:
    """Return one person of a split's pool, always the same for the same arguments."""
    rng = np.random.default_rng([seed, SPLITS.index(split), _IDENTITY_STREAM, person])
    num_components = len(load_hand_model().components_m)
    betas = np.clip(rng.normal(size=num_components), -MAX_BETA, MAX_BETA)
    place = rng.uniform(0.0, len(_TONES) - 1.0)
    low = min(int(place), len(_TONES) - 2)
    tone = _TONES[low] + (place - low) * (_TONES[low + 1] - _TONES[low])
    skin = np.clip(tone * rng.uniform(0.93, 1.07, 3), 0.0, 1.0) ** 2
    darkness = place / (len(_TONES) - 1)
    return Identity(
        betas=betas,
        skin=skin.astype(np.float32),
        palm=_palm_tone(skin, darkness),
        darkness=float(darkness),
        redness=float(rng.uniform(0.2, 1.0)),
        creases=float(rng.uniform(0.4, 1.0)),
        veins=float(rng.uniform(0.0, 1.0) ** 2),
        mottling=float(rng.uniform(0.6, 1.4)),
        offset_m=rng.uniform(1.0, 2.0, 3).astype(np.float32),
    )


def _palm_tone(skin: np.ndarray, darkness: float) -> Float32[np.ndarray, "3"]:
    """Return the palm's reflectance: redder, and much lighter than the back on dark skin."""
    share = 0.75 * darkness
    pale = np.array([0.80, 0.50, 0.40]) * 0.5
    palm = (skin * (1.0 - share) + pale * share) * np.array([1.08, 0.95, 0.92])
    return np.asarray(np.minimum(palm, 1.0), np.float32)

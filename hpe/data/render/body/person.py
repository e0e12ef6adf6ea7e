"""Who is seen: body shape and skin, from a pool of people per split."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from hpe.data.opened import SPLITS
from hpe.data.render.body.model import load_body_model
from hpe.data.render.identity import MAX_BETA, identity_of

_PERSON_STREAM = 201
_STATURE_SPREAD = 0.25
"""Factor on the first component, stature, whose spread is that of all ages from children up."""


@dataclass(frozen=True)
class Person:
    """One person.

    Attributes:
        name: Unique over all splits of a data set.
        rest_m: The body at rest: stacked points of the model.
        skin: Linear RGB reflectance of the skin.
        offset_m: Where in the fixed texture this skin lies.
    """

    name: str
    rest_m: Float32[np.ndarray, "points 3"]
    skin: Float32[np.ndarray, "3"]
    offset_m: Float32[np.ndarray, "3"]


def person_name(split: str, number: int) -> str:
    """Return what a person of a split's pool is called; unique over all splits."""
    return f"{split}_{number:03d}"


def person_of(seed: int, split: str, number: int) -> Person:
    """Return one person of a split's pool, always the same for the same arguments."""
    rng = np.random.default_rng([seed, SPLITS.index(split), _PERSON_STREAM, number])
    model = load_body_model()
    betas: Float[np.ndarray, " components"] = np.clip(
        rng.normal(size=len(model.components_m)), -MAX_BETA, MAX_BETA
    )
    betas[0] *= _STATURE_SPREAD
    looks = identity_of(seed, split, number)
    return Person(
        name=person_name(split, number),
        rest_m=model.shaped(betas),
        skin=looks.skin,
        offset_m=looks.offset_m,
    )

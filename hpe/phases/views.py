"""The compositions that phases train with."""

from hpe.augment.backgrounds import panorama_backgrounds
from hpe.augment.composition import (
    Composition,
    CompositionConfig,
    build_composition,
    changes_nothing,
)
from hpe.augment.crop import Frame
from hpe.augment.occlusion import load_occluders


def training_composition(
    config: CompositionConfig, *, image_px: int, seed: int, frame: Frame = "hand"
) -> Composition:
    """Return a composition, with banks of backgrounds and of occluders if it uses them.

    Raises:
        FileNotFoundError: If occluders are to be read from files that are missing.
    """
    replaces = config.replace_background.enabled
    bank = panorama_backgrounds(side_px=image_px, seed=seed) if replaces else None
    objects = load_occluders(config.occlude, seed=seed) if config.occlude.enabled else None
    return build_composition(
        config, image_px=image_px, backgrounds=bank, occluders=objects, frame=frame
    )


def is_reference(config: CompositionConfig) -> bool:
    """Return whether a composition changes nothing, so that its views can be made once."""
    return changes_nothing(config)

"""The compositions that phases train with."""

from hpe.augment.backgrounds import panorama_backgrounds
from hpe.augment.composition import Composition, CompositionConfig, build_composition


def training_composition(config: CompositionConfig, *, image_px: int, seed: int) -> Composition:
    """Return a composition, with a bank of backgrounds if it replaces them."""
    replaces = config.replace_background.enabled
    bank = panorama_backgrounds(side_px=image_px, seed=seed) if replaces else None
    return build_composition(config, image_px=image_px, backgrounds=bank)


def is_reference(config: CompositionConfig) -> bool:
    """Return whether a composition changes nothing, so that its views can be made once."""
    return not any(getattr(config, name).enabled for name in type(config).model_fields)

"""The relative part of pretraining's loss: how two views lie to each other (S0's pairwise)."""

from collections.abc import Mapping
from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from hpe.augment.composition import CompositionConfig
from hpe.config import Config
from hpe.losses.relative import RELATIONS, Compat, balanced, relative_error, relative_targets
from hpe.phases.distribution import batch_of_all_ranks
from hpe.phases.loaders import Batch

LOSS = "train/loss_relative"
ERRORS: Mapping[str, str] = {
    "rotation": "train/error_rotation_deg",
    "translation": "train/error_translation_px",
    "color": "train/error_color",
    "scale": "train/error_scale",
}
AUGMENTATIONS: Mapping[str, str] = {
    "rotation": "rotate",
    "translation": "translate",
    "color": "hsv_jitter",
    "scale": "zoom",
}
"""The operation that draws what a relation regresses."""


class RelativeConfig(Config):
    """What is regressed from the features of two views.

    Alone it is S0's pairwise model; beside a contrastive term, on view pairs of its own, hybrid1.
    A relation (`rotation`, `translation`, `color`, `scale`) that is neither true nor false is
    regressed wherever its augmentation is on.

    Attributes:
        weight: Of the sum over relations; 0 switches all of it off.
        rotation: Whether to regress the turn that `rotate` makes.
        translation: Likewise for `translate`,
        color: `hsv_jitter`,
        scale: and `zoom`.
        hidden: Width of the heads' hidden layer.
        own_views: Draw a second pair of views of each sample by `augment`, rather than take the
            contrastive term's.
        augment: The composition of these views.
        balance: `learned` weighs the contrastive and the relative part by exp(-s) each and adds s,
            with an s learned from 0 for each, as S0's hybrid1 does.
        compat: `s0` has the angle in [0, 360) without wrapping its error, the ratio of crop margins
            rather than the logarithm of zooms, and the change of value out of 255.
    """

    weight: float = Field(0.0, ge=0)
    rotation: bool | None = None
    translation: bool | None = None
    color: bool | None = None
    scale: bool | None = None
    hidden: int = Field(1024, ge=1)
    own_views: bool = False
    augment: CompositionConfig = CompositionConfig()
    balance: Literal["fixed", "learned"] = "fixed"
    compat: Compat = "none"

    @property
    def enabled(self) -> bool:
        """Return whether it has weight."""
        return self.weight > 0

    def canonical(self) -> "RelativeConfig":
        """Return the settings with what is off at its defaults."""
        return self if self.enabled else RelativeConfig()


def relations(config: RelativeConfig, augment: CompositionConfig) -> tuple[str, ...]:
    """Return the names of what is regressed; none where the relative part is off.

    Args:
        config: The relative part's settings.
        augment: The contrastive term's composition, which it shares unless it has its own.

    Raises:
        ValueError: If something is to be regressed that does not differ between views, or nothing.
    """
    if not config.enabled:
        return ()
    section = "relative/augment" if config.own_views else "augment"
    composition = config.augment if config.own_views else augment
    found = []
    for relation in RELATIONS:
        operation = AUGMENTATIONS[relation]
        is_on = getattr(composition, operation).enabled
        wanted = getattr(config, relation)
        if wanted and not is_on:
            raise ValueError(
                f"relative/{relation} is regressed only where views differ in it, but "
                f"{section}/{operation}/enabled is false; switch it on, or leave "
                f"relative/{relation} out"
            )
        if is_on and wanted is not False:
            found.append(relation)
    if not found:
        raise ValueError(
            f"relative/weight is {config.weight:g}, but views differ in nothing that is regressed; "
            f"switch on one of {', '.join(AUGMENTATIONS.values())} below {section}, or set "
            "relative/weight to 0"
        )
    return tuple(found)


def relative_terms(
    outputs: Mapping[str, Tensor],
    log_scales: Mapping[str, Float[Tensor, ""]],
    batch: Batch,
    *,
    image_px: int,
    compat: Compat,
) -> dict[str, Float[Tensor, ""]]:
    """Return the loss of one batch of view pairs, each relation's error, and its weight.

    Args:
        outputs: What was predicted, by relation, for this worker's pairs.
        log_scales: The relations' learned s: the weight of an error is exp(-s).
        batch: How the views of each pair were made.
        image_px: Side of the views.
        compat: See `RelativeConfig`.
    """
    names = ("angle_deg", "shift", "zoom", "hsv_change")
    drawn = {name: batch[name] for name in names}
    targets = relative_targets(**drawn, image_px=image_px, compat=compat)
    terms: dict[str, Tensor] = {}
    losses: list[Tensor] = []
    for relation, predicted in outputs.items():
        error = relative_error(
            relation,
            batch_of_all_ranks(predicted),
            batch_of_all_ranks(targets[relation].to(predicted.device)),
            compat=compat,
        )
        losses.append(balanced(error, log_scales[relation]))
        terms[ERRORS[relation]] = error
        terms[weight_metric(relation)] = (-log_scales[relation].detach()).exp()
    return {LOSS: sum(losses[1:], losses[0]), **terms}


def weight_metric(part: str) -> str:
    """Return the metric that says how a relation, or a part of the loss, is weighed."""
    return f"train/weight_{part}"

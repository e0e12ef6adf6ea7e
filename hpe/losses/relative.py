"""How two views of a hand lie to each other, and what it costs to misjudge it (S0's pairwise task).

A view's geometry and colours were drawn, so the difference between two views is known exactly and
can be regressed from their features without labels.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Compat = Literal["none", "s0"]

RELATIONS: Mapping[str, int] = MappingProxyType(
    {"rotation": 1, "translation": 2, "color": 4, "scale": 1}
)
"""What can be regressed, with how many numbers."""

MOST_VALUE = 255.0


def shortest_turn_deg(angle_deg: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the angle in [-180, 180) that turns as far: 359 degrees are -1."""
    return (angle_deg + 180).remainder(360) - 180


def relative_targets(
    *,
    angle_deg: Float[Tensor, "pairs 2"],
    shift: Float[Tensor, "pairs 2 2"],
    zoom: Float[Tensor, "pairs 2"],
    hsv_change: Float[Tensor, "pairs 2 4"],
    image_px: int,
    compat: Compat = "none",
) -> dict[str, Float[Tensor, "pairs _"]]:
    """Return what the first view of each pair has more than the second, by the names of RELATIONS.

    rotation is the shortest turn in degrees; translation (x, y) in pixels of the view; color the
    differences of the factors of hue, saturation and value and of what is added to the value, as a
    share of the largest value; scale the logarithm of the ratio of zooms.

    Args:
        angle_deg: The views' turns; this and the following as `hpe.augment.view.View` has them.
        shift: Translations in normalised coordinates of the view (2 is the whole image).
        zoom: Magnifications.
        hsv_change: Changes of colours.
        image_px: Side of the views.
        compat: `s0` takes its rotation in [0, 360), its scale, the ratio of crop margins, and its
            addition to the value, of 255.
    """
    turn_deg = angle_deg[:, :1] - angle_deg[:, 1:]
    color = hsv_change[:, 0] - hsv_change[:, 1]
    translation_px = (shift[:, 0] - shift[:, 1]) / 2 * image_px
    if compat == "s0":
        return {
            "rotation": turn_deg.remainder(360),
            "translation": translation_px,
            "color": color,
            "scale": zoom[:, 1:] / zoom[:, :1],  # a wider margin shows a smaller hand
        }
    return {
        "rotation": shortest_turn_deg(turn_deg),
        "translation": translation_px,
        "color": color / color.new_tensor([1.0, 1.0, 1.0, MOST_VALUE]),
        "scale": (zoom[:, :1] / zoom[:, 1:]).log(),
    }


def relative_error(
    relation: str,
    predicted: Float[Tensor, "pairs values"],
    target: Float[Tensor, "pairs values"],
    *,
    compat: Compat = "none",
) -> Float[Tensor, ""]:
    """Return the mean absolute error, in the target's unit.

    Angles differ by the shortest turn between them, so that 179 and -179 degrees are 2 apart;
    `compat: s0` takes their plain difference.
    """
    difference = predicted - target
    if relation == "rotation" and compat == "none":
        difference = shortest_turn_deg(difference)
    return difference.abs().mean()


def balanced(loss: Float[Tensor, ""], log_scale: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Return loss / exp(s) + s: a loss weighted by a scale that is learned with it.

    For an absolute error it is, up to a constant, the negative log-likelihood of a Laplace
    distribution whose scale is exp(s) (Kendall et al., 2018, section 3.2, there for a Gaussian). At
    its minimum over s the scale is the loss.
    """
    return loss * torch.exp(-log_scale) + log_scale

"""What of a point can be switched off: operations, terms of a loss, and other parts of phases."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from sweep.tree import flattened

_MASK_AUGMENTATION = {
    "augment/translate_share": 0.0,
    "augment/scale_std": 0.0,
    "augment/rotate_std_deg": 0.0,
    "augment/flip_prob": 0.0,
    "augment/gain_share": 0.0,
}

OFF: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "pretrain": {"augment/control": "none"},
        "finetune": {"augment/control": "none", "head/denoiser": False},
        "encoder_decoder": {"augment/control": "none"},
        "body_pose": {"frozen_stages": 0},
        "evolve": {
            "crossover": False,
            "limbs/prob": 0.0,
            "turn/prob": 0.0,
            "lengths/exchange": False,
            "lengths/prob": 0.0,
        },
        "lift": {"reprojected_share": 0.0},
        "generator": _MASK_AUGMENTATION,
        "pseudo_labels": {**_MASK_AUGMENTATION, "keep_share": 1.0},
        "paired": {**_MASK_AUGMENTATION, "adversary/trains": False},
    }
)
"""Phase -> setting -> the value with which what it says is off.

Besides these, an operation has `enabled`, a term of a loss its weight, and a flag that is searched
is on or off.
"""

_MASK_WEIGHTS = ("loss/ce_weight", "loss/region_weight")

SHARES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pretrain": ("loss/invariant_weight", "loss/equivariant_weight"),
        "encoder_decoder": ("loss/points_weight", "loss/distribution_weight"),
        "generator": _MASK_WEIGHTS,
        "pseudo_labels": _MASK_WEIGHTS,
        "paired": (*_MASK_WEIGHTS, "loss/adversarial_weight"),
    }
)
"""Phase -> weights of which only the proportions matter: where they total 1, they do so without
one of them too."""

SUM_TOLERANCE = 1e-6


class Step(Protocol):
    """A step of a plan with its settings: a stage, as it is trained or in the journal."""

    @property
    def label(self) -> str: ...

    @property
    def phase(self) -> str: ...

    @property
    def config(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Factor:
    """A part of a point that is on and can be off.

    Attributes:
        name: The path of its section (`pretrain/augment/blur`) or of its setting.
        off: Path -> value with which it is off.
        shares: If it is a weight that totals 1 with others, the paths of all of them.
    """

    name: str
    off: Mapping[str, Any]
    shares: tuple[str, ...] = ()


def factors_of(steps: Sequence[Step], searched: Collection[str]) -> list[Factor]:
    """Return all that is on and can be off, in the order of the plan.

    Args:
        steps: The point's steps.
        searched: The parameters it was searched by; flags among them can be off.
    """
    return [factor for step in steps for factor in _of_step(step, searched)]


def changes_without(steps: Sequence[Step], factors: Sequence[Factor]) -> dict[str, Any]:
    """Return the settings that differ where these are off, by path.

    Of weights that total 1, those that are left keep their proportions and total 1.
    """
    changes = {path: value for factor in factors for path, value in factor.off.items()}
    settings = _settings(steps)
    for shares in {factor.shares for factor in factors if factor.shares}:
        rest = {path: settings[path] for path in shares if path not in changes}
        total = math.fsum(rest.values())
        if total > 0:
            changes |= {path: weight / total for path, weight in rest.items()}
    return changes


def parameters_without(params: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a point's parameters still say once some settings are changed.

    Strengths of an operation that is off, and what weights followed from, are left out.
    """
    sections = {path.removesuffix("enabled") for path in changes if path.endswith("/enabled")}
    gone = (*sections, *(f"{path}/" for path in changes))
    kept = {path: value for path, value in params.items() if not path.startswith(gone)}
    return {**kept, **{path: value for path, value in changes.items() if path in params}}


def _of_step(step: Step, searched: Collection[str]) -> Iterator[Factor]:
    settings = _settings([step])
    known = {f"{step.label}/{path}": value for path, value in OFF.get(step.phase, {}).items()}
    shares = tuple(f"{step.label}/{path}" for path in SHARES.get(step.phase, ()))
    total = math.fsum(settings[path] for path in shares)
    for path, value in settings.items():
        section, _, name = path.rpartition("/")
        if name == "enabled" and value:
            yield Factor(section, {path: False})
        elif _is_weight(name) and isinstance(value, int | float) and value > 0:
            is_share = path in shares and abs(total - 1) <= SUM_TOLERANCE
            yield Factor(path, {path: 0.0}, shares if is_share else ())
        elif path in known and value != known[path]:
            yield Factor(path, {path: known[path]})
        elif path in searched and value is True and path not in known:
            yield Factor(path, {path: False})


def _is_weight(name: str) -> bool:
    return name == "weight" or name.endswith("_weight")


def _settings(steps: Sequence[Step]) -> dict[str, Any]:
    return {
        f"{step.label}/{path}": value for step in steps for path, value in flattened(step.config)
    }

"""Published settings, by name, for a study's arms to start from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Baseline:
    """A published setting.

    Attributes:
        about: What it is and where it was published.
        settings: Path -> value.
    """

    about: str
    settings: Mapping[str, Any]


_ZOOM = {"pretrain/augment/zoom/enabled": True, "pretrain/augment/zoom/max_factor": 1.5}
_COLOR = {"pretrain/augment/color_jitter/enabled": True}

BASELINES: Mapping[str, Baseline] = {
    "simclr": Baseline(
        about="SimCLR with scale and colour jitter, chosen by Spurr et al. (PeCLR, ICCV 2021)",
        settings={
            **_ZOOM,
            **_COLOR,
            "pretrain/loss/invariant_weight": 1.0,
            "pretrain/loss/equivariant_weight": 0.0,
            "pretrain/loss/temperature": 0.5,
        },
    ),
    "peclr": Baseline(
        about="PeCLR: rotation, translation, scale and colour jitter (Spurr et al., ICCV 2021)",
        settings={
            **_ZOOM,
            **_COLOR,
            "pretrain/augment/rotate/enabled": True,
            "pretrain/augment/rotate/max_deg": 45.0,
            "pretrain/augment/translate/enabled": True,
            "pretrain/augment/translate/max_share": 0.12,
            "pretrain/loss/invariant_weight": 0.0,
            "pretrain/loss/equivariant_weight": 1.0,
            "pretrain/loss/temperature": 0.5,
        },
    ),
}

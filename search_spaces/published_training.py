"""How S0 and S1 trained: what a baseline's `_full` variant adds to what it is about."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from search_spaces.published_augmentations import EARLY_AUGMENTATIONS, Settings, composed


@dataclass(frozen=True)
class Baseline:
    """A published setting.

    Attributes:
        about: What it is and where it was published.
        settings: Path -> value.
    """

    about: str
    settings: Settings


def trained(
    *,
    encoder: str,
    batch: int,
    accumulate: int,
    epochs: int | None,
    warmup_epochs: int | None = 10,
) -> dict[str, Any]:
    """Return how S0 and S1 pretrain: Adam behind LARS, cosine after a rise, rate x sqrt(batch).

    None leaves epochs or the rise to the study.
    """
    length = {"pretrain/epochs": epochs, "pretrain/optimizer/warmup_epochs": warmup_epochs}
    return {
        "pretrain/image_px": 128,
        "pretrain/encoder/name": encoder,
        "pretrain/encoder/init": "imagenet",
        "pretrain/projection/out": 128,
        "pretrain/batch_size": batch,
        "pretrain/accumulate": accumulate,
        "pretrain/optimizer/name": "lars",
        "pretrain/optimizer/lr": 1e-4,
        "pretrain/optimizer/sqrt_scaling": True,
        "pretrain/optimizer/weight_decay": 1e-6,
        **{path: value for path, value in length.items() if value is not None},
    }


POSE_TRAINING: Settings = {
    "finetune/image_px": 128,
    "finetune/batch_size": 128,
    "finetune/loss/depth_weight": 5.0,
    "finetune/loss/compat": "s0",
    "finetune/optimizer/sqrt_scaling": True,
    "finetune/optimizer/warmup_epochs": 0,  # S0 warms up behind LARS only
}
SUPERVISED_TRAINING: Settings = {
    **POSE_TRAINING,
    "finetune/encoder/name": "resnet50",
    "finetune/encoder/init": "imagenet",
    "finetune/epochs": 100,
    "finetune/optimizer/name": "adam",
    "finetune/optimizer/lr": 4.42e-5,
    "finetune/optimizer/weight_decay": 2e-4,
}
DOWNSTREAM: Settings = {
    **POSE_TRAINING,
    **composed(("Ro", "C"), phase="finetune"),
    "finetune/train_encoder": False,
    "finetune/epochs": 50,
    "finetune/optimizer/name": "adam",
    "finetune/optimizer/lr": 4.42e-5,
    "finetune/optimizer/weight_decay": 2e-4,
}
NIPS_DOWNSTREAM: Settings = {
    **DOWNSTREAM,
    **composed(("Ro", "C"), phase="finetune", of=EARLY_AUGMENTATIONS),
    "finetune/optimizer/name": "lars",
    "finetune/optimizer/lr": 1e-4,
    "finetune/optimizer/weight_decay": 1e-4,
    "finetune/optimizer/warmup_epochs": 10,
}
RESNET18 = trained(encoder="resnet18", batch=512, accumulate=4, epochs=100)
RESNET50 = trained(encoder="resnet50", batch=128, accumulate=16, epochs=None)


def with_full(
    name: str, about: str, settings: Settings, *training: Settings
) -> Iterator[tuple[str, Baseline]]:
    """Yield the baseline, and, with `_full`, the one that also says how it was trained."""
    full = {path: value for part in (settings, *training) for path, value in part.items()}
    yield name, Baseline(about, dict(settings))
    yield f"{name}_full", Baseline(f"{about}, trained as published", full)

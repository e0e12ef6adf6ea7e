"""Published settings, by name, for a study's arms to start from.

S0 is the code base behind Spurr et al., "Self-supervised 3D hand pose estimation from monocular RGB
via contrastive learning" (PeCLR, ICCV 2021), with the experiments of the thesis before it; S1 is
its release with the pre-registration. Both name compositions by codes: Ro rotate, C crop (a
translation), RC random crop (a scale), CJ colour jitter, SF Sobel filter, CO cut-out, GB Gaussian
blur, GN Gaussian noise, CD colour drop.

A baseline says what its experiment is about, the composition and the loss, and leaves the training
budget to the study. The one of the same name with `_full` adds how it was trained: encoder,
resolution, batch, optimizer, epochs where they are known, and the downstream head on the frozen
encoder. The ResNet-50 of S0 maps its features to 512 numbers first; ours does not. Mixed precision
was fp16 and is left to the study. S0 states encoder and batch for HYB2_ABL; SIMCLR_ABL_COMP and the
chosen SimCLR are taken to be trained alike.

Left out is what no phase here computes: relations between views (S0's pairwise and hybrid1, S1's
PAIR_*), heatmaps, and the denoiser.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from search_spaces.published_augmentations import EARLY_AUGMENTATIONS, Settings, composed

TEMPERATURE = 0.5  # S0's default, never overridden there

SIMCLR: Settings = {
    "pretrain/loss/invariant_weight": 1.0,
    "pretrain/loss/equivariant_weight": 0.0,
    "pretrain/loss/temperature": TEMPERATURE,
}
PECLR: Settings = {
    "pretrain/loss/invariant_weight": 0.0,
    "pretrain/loss/equivariant_weight": 1.0,
    "pretrain/loss/temperature": TEMPERATURE,
}

CHOSEN_PECLR = ("Ro", "C", "RC", "CJ")
CHOSEN_SIMCLR = ("RC", "CJ")
CHOSEN_SUPERVISED = ("Ro", "C", "RC")

_SIMCLR_TRAINING: Settings = {"pretrain/projection/hidden": 2048}
_PECLR_TRAINING: Settings = {"pretrain/projection/hidden": 512, "pretrain/loss/undo": "peclr"}

A1: Mapping[str, tuple[str, ...]] = {
    "color_drop": ("CD",),
    "color_jitter": ("CJ",),
    "crop": ("C",),
    "cut_out": ("CO",),
    "gaussian_blur": ("GB",),
    "random_crop": ("RC",),
    "rotate": ("Ro",),
    "gaussian_noise": ("GN",),
    "sobel_filter": ("SF",),
    "resize": (),
}
HYB2_ABL = (
    ("Ro", "CJ", "C", "RC"),
    ("Ro", "C", "RC"),
    ("C", "RC"),
    ("Ro",),
    ("C",),
    ("Ro", "CJ", "C", "RC", "SF"),
    ("Ro", "C", "RC", "SF"),
)
HYB2_ABL_EARLIER = (("CJ",), ("Ro", "CJ"), ("Ro", "C"), ("CJ", "C"), ("Ro", "CJ", "C"))
SIMCLR_ABL_COMP = (
    ("C", "RC"),
    ("C", "SF", "RC"),
    ("C", "SF", "RC", "CJ"),
    ("C", "SF", "RC", "CJ", "GN"),
    ("C", "RC", "CJ", "GN"),
)
SIM_COMPOSITION_SEARCH = tuple(
    codes for size in (2, 3, 4) for codes in combinations(("CJ", "Ro", "C", "RC"), size)
)
LABEL_SHARES_PERCENT = (1, 10, 20, 25, 40, 50, 75, 80, 90, 95)


@dataclass(frozen=True)
class Baseline:
    """A published setting.

    Attributes:
        about: What it is and where it was published.
        settings: Path -> value.
    """

    about: str
    settings: Settings


def _trained(
    *, encoder: str, batch: int, accumulate: int, epochs: int | None, warmup_epochs: int = 10
) -> dict[str, Any]:
    """Return how S0 and S1 pretrain: Adam behind LARS, cosine after a rise, rate x sqrt(batch)."""
    length = {} if epochs is None else {"pretrain/epochs": epochs}
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
        "pretrain/optimizer/warmup_epochs": warmup_epochs,
        **length,
    }


_POSE_TRAINING: Settings = {
    "finetune/image_px": 128,
    "finetune/batch_size": 128,
    "finetune/loss/depth_weight": 5.0,
    "finetune/optimizer/sqrt_scaling": True,
    "finetune/optimizer/warmup_epochs": 0,  # S0 warms up behind LARS only
}
_SUPERVISED_TRAINING: Settings = {
    **_POSE_TRAINING,
    "finetune/encoder/name": "resnet50",
    "finetune/encoder/init": "imagenet",
    "finetune/epochs": 100,
    "finetune/optimizer/name": "adam",
    "finetune/optimizer/lr": 4.42e-5,
    "finetune/optimizer/weight_decay": 2e-4,
}
_DOWNSTREAM: Settings = {
    **_POSE_TRAINING,
    **composed(("Ro", "C"), phase="finetune"),
    "finetune/train_encoder": False,
    "finetune/epochs": 50,
    "finetune/optimizer/name": "adam",
    "finetune/optimizer/lr": 4.42e-5,
    "finetune/optimizer/weight_decay": 2e-4,
}
_NIPS_DOWNSTREAM: Settings = {
    **_DOWNSTREAM,
    **composed(("Ro", "C"), phase="finetune", of=EARLY_AUGMENTATIONS),
    "finetune/optimizer/name": "lars",
    "finetune/optimizer/lr": 1e-4,
    "finetune/optimizer/weight_decay": 1e-4,
    "finetune/optimizer/warmup_epochs": 10,
}
_RESNET18 = _trained(encoder="resnet18", batch=512, accumulate=4, epochs=100)
_RESNET50 = _trained(encoder="resnet50", batch=128, accumulate=16, epochs=None)


def _both(
    name: str, about: str, settings: Settings, *training: Settings
) -> Iterator[tuple[str, Baseline]]:
    """Yield the baseline, and the one that also says how it was trained."""
    full = {path: value for part in (settings, *training) for path, value in part.items()}
    yield name, Baseline(about, dict(settings))
    yield f"{name}_full", Baseline(f"{about}, trained as published", full)


def _simclr(codes: Sequence[str]) -> Settings:
    return {**composed(codes, phase="pretrain"), **SIMCLR}


def _peclr(codes: Sequence[str]) -> Settings:
    return {**composed(codes, phase="pretrain"), **PECLR}


def _named(experiment: str, codes: Sequence[str]) -> str:
    return "_".join([experiment, *sorted(code.lower() for code in codes)])


def _chosen() -> Iterator[tuple[str, Baseline]]:
    """Yield the compositions that S0 settled on."""
    yield from _both(
        "simclr",
        "SimCLR with the composition S0 chose for it: scale and colour jitter",
        _simclr(CHOSEN_SIMCLR),
        _RESNET50,
        _SIMCLR_TRAINING,
        _DOWNSTREAM,
    )
    yield from _both(
        "peclr",
        "PeCLR as in its README: rotation, translation, scale and colour jitter",
        _peclr(CHOSEN_PECLR),
        {**_RESNET50, "pretrain/epochs": 100},
        _PECLR_TRAINING,
        _DOWNSTREAM,
    )
    yield from _both(
        "supervised",
        "S0's supervised training and finetuning: rotation, translation and scale",
        composed(CHOSEN_SUPERVISED, phase="finetune"),
        _SUPERVISED_TRAINING,
    )


def _s0() -> Iterator[tuple[str, Baseline]]:
    for augmentation, codes in A1.items():
        yield from _both(
            f"s0_a1_{augmentation}",
            f"S0, experiment A1: SimCLR with {augmentation} alone",
            {**composed(codes, phase="pretrain", of=EARLY_AUGMENTATIONS), **SIMCLR},
            _RESNET18,
            _SIMCLR_TRAINING,
            _NIPS_DOWNSTREAM,
        )
    for codes in (*HYB2_ABL, *HYB2_ABL_EARLIER):
        yield from _both(
            _named("s0_hyb2_abl", codes),
            f"S0, HYB2_ABL: PeCLR with {', '.join(codes)}",
            _peclr(codes),
            _RESNET50,
            _PECLR_TRAINING,
            _DOWNSTREAM,
        )
    for codes in SIMCLR_ABL_COMP:
        yield from _both(
            _named("s0_simclr_abl_comp", codes),
            f"S0, SIMCLR_ABL_COMP: SimCLR with {', '.join(codes)}",
            _simclr(codes),
            _RESNET50,
            _SIMCLR_TRAINING,
            _DOWNSTREAM,
        )
    yield from _both(
        "s0_hybrid2",
        "S0, HYBRID2: PeCLR with rotation, translation and colour jitter",
        _peclr(("Ro", "C", "CJ")),
        _trained(encoder="resnet18", batch=512, accumulate=4, epochs=300),
        _PECLR_TRAINING,
        _DOWNSTREAM,
    )
    for percent in LABEL_SHARES_PERCENT:
        yield from _both(
            f"s0_label_eff_{percent:02d}",
            f"S0, LABEL_EFF and E26: finetuning end to end on {percent} % of the labels",
            {
                **composed(CHOSEN_SUPERVISED, phase="finetune"),
                "finetune/train_encoder": True,
                "finetune/label_fraction": percent / 100,
            },
            _SUPERVISED_TRAINING,
        )
    yield (
        "s0_imagenet_down",
        Baseline(
            "S0, IMAGENET_DOWN: a head on a frozen ImageNet encoder",
            {
                **_DOWNSTREAM,
                "finetune/encoder/name": "resnet50",
                "finetune/encoder/init": "imagenet",
            },
        ),
    )


def _s1() -> Iterator[tuple[str, Baseline]]:
    for codes in SIM_COMPOSITION_SEARCH:
        yield from _both(
            _named("s1_sim_composition", codes),
            f"S1, SIM_COMPOSITION_SEARCH: SimCLR with {', '.join(codes)}",
            _simclr(codes),
            _RESNET18,
            _SIMCLR_TRAINING,
            _DOWNSTREAM,
        )
    short = _trained(encoder="resnet18", batch=512, accumulate=4, epochs=26, warmup_epochs=3)
    for downstream in ("frozen", "trainable"):
        yield from _both(
            f"s1_cross_data_sim_{downstream}",
            f"S1, CROSS_DATA_SIM: SimCLR with CJ, RC, C; encoder {downstream} downstream",
            {
                **_simclr(("CJ", "RC", "C")),
                "finetune/train_encoder": downstream == "trainable",
            },
            short,
            _SIMCLR_TRAINING,
            {**_DOWNSTREAM, "finetune/epochs": 100},
            {"finetune/train_encoder": downstream == "trainable"},
        )


BASELINES: Mapping[str, Baseline] = dict([*_chosen(), *_s0(), *_s1()])

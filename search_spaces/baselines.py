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

What finetunes without pretraining, and how pretraining depends on depth and length, is in
`search_spaces.supervised_baselines`; relations between views, and heatmaps in pretraining, in
`search_spaces.relative_baselines`.
"""

from collections.abc import Iterator, Mapping

from search_spaces.body_baselines import body_baselines
from search_spaces.encoder_decoder_baselines import encoder_decoder_baselines
from search_spaces.published_augmentations import EARLY_AUGMENTATIONS, composed
from search_spaces.published_methods import (
    CHOSEN_PECLR,
    CHOSEN_SIMCLR,
    CHOSEN_SUPERVISED,
    COMPOSITION_SEARCH,
    PECLR_TRAINING,
    SIMCLR,
    SIMCLR_TRAINING,
    named,
    peclr,
    simclr,
)
from search_spaces.published_training import (
    DOWNSTREAM,
    NIPS_DOWNSTREAM,
    RESNET18,
    RESNET50,
    SUPERVISED_TRAINING,
    Baseline,
    trained,
    with_full,
)
from search_spaces.relative_baselines import heatmap_baselines, relative_baselines
from search_spaces.segmentation_baselines import segmentation_baselines
from search_spaces.skeleton_baselines import skeleton_baselines
from search_spaces.supervised_baselines import by_depth, by_length, supervised_baselines

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
LABEL_SHARES_PERCENT = (1, 10, 20, 25, 40, 50, 75, 80, 90, 95)


def _chosen() -> Iterator[tuple[str, Baseline]]:
    """Yield the compositions that S0 settled on."""
    yield from with_full(
        "simclr",
        "SimCLR with the composition S0 chose for it: scale and colour jitter",
        simclr(CHOSEN_SIMCLR),
        RESNET50,
        SIMCLR_TRAINING,
        DOWNSTREAM,
    )
    yield from with_full(
        "peclr",
        "PeCLR as in its README: rotation, translation, scale and colour jitter",
        peclr(CHOSEN_PECLR),
        {**RESNET50, "pretrain/epochs": 100},
        PECLR_TRAINING,
        DOWNSTREAM,
    )
    yield from with_full(
        "supervised",
        "S0's supervised training and finetuning: rotation, translation and scale",
        composed(CHOSEN_SUPERVISED, phase="finetune"),
        SUPERVISED_TRAINING,
    )


def _s0() -> Iterator[tuple[str, Baseline]]:
    for augmentation, codes in A1.items():
        yield from with_full(
            f"s0_a1_{augmentation}",
            f"S0, experiment A1: SimCLR with {augmentation} alone",
            {**composed(codes, phase="pretrain", of=EARLY_AUGMENTATIONS), **SIMCLR},
            RESNET18,
            SIMCLR_TRAINING,
            NIPS_DOWNSTREAM,
        )
    for codes in (*HYB2_ABL, *HYB2_ABL_EARLIER):
        yield from with_full(
            named("s0_hyb2_abl", codes),
            f"S0, HYB2_ABL: PeCLR with {', '.join(codes)}",
            peclr(codes),
            RESNET50,
            PECLR_TRAINING,
            DOWNSTREAM,
        )
    for codes in SIMCLR_ABL_COMP:
        yield from with_full(
            named("s0_simclr_abl_comp", codes),
            f"S0, SIMCLR_ABL_COMP: SimCLR with {', '.join(codes)}",
            simclr(codes),
            RESNET50,
            SIMCLR_TRAINING,
            DOWNSTREAM,
        )
    yield from with_full(
        "s0_hybrid2",
        "S0, HYBRID2: PeCLR with rotation, translation and colour jitter",
        peclr(("Ro", "C", "CJ")),
        trained(encoder="resnet18", batch=512, accumulate=4, epochs=300),
        PECLR_TRAINING,
        NIPS_DOWNSTREAM,
    )
    for percent in LABEL_SHARES_PERCENT:
        yield from with_full(
            f"s0_label_eff_{percent:02d}",
            f"S0, LABEL_EFF and E26: finetuning end to end on {percent} % of the labels",
            {
                **composed(CHOSEN_SUPERVISED, phase="finetune"),
                "finetune/train_encoder": True,
                "finetune/label_fraction": percent / 100,
            },
            SUPERVISED_TRAINING,
        )
    yield (
        "s0_imagenet_down",
        Baseline(
            "S0, IMAGENET_DOWN: a head on a frozen ImageNet encoder",
            {
                **DOWNSTREAM,
                "finetune/encoder/name": "resnet50",
                "finetune/encoder/init": "imagenet",
            },
        ),
    )


def _s1() -> Iterator[tuple[str, Baseline]]:
    for codes in COMPOSITION_SEARCH:
        yield from with_full(
            named("s1_sim_composition", codes),
            f"S1, SIM_COMPOSITION_SEARCH: SimCLR with {', '.join(codes)}",
            simclr(codes),
            RESNET18,
            SIMCLR_TRAINING,
            DOWNSTREAM,
        )
    yield from _cross_data()


def _cross_data() -> Iterator[tuple[str, Baseline]]:
    """Yield what is pretrained on mixtures; how many passes are the same steps, a study says."""
    for downstream in ("frozen", "trainable"):
        head = {"finetune/train_encoder": downstream == "trainable"}
        yield from with_full(
            f"s1_cross_data_sim_{downstream}",
            f"S1, CROSS_DATA_SIM: SimCLR with CJ, RC, C; encoder {downstream} downstream",
            {**simclr(("CJ", "RC", "C")), **head},
            trained(encoder="resnet18", batch=512, accumulate=4, epochs=None, warmup_epochs=None),
            SIMCLR_TRAINING,
            {**DOWNSTREAM, "finetune/epochs": 100},
            head,
        )
        yield from with_full(
            f"s0_cross_data_{downstream}",
            f"S0, CROSS_DATA: PeCLR; encoder {downstream} downstream",
            {**peclr(CHOSEN_PECLR), **head},
            trained(encoder="resnet50", batch=128, accumulate=16, epochs=None, warmup_epochs=None),
            PECLR_TRAINING,
            DOWNSTREAM,
            head,
        )


BASELINES: Mapping[str, Baseline] = dict(
    [
        *_chosen(),
        *_s0(),
        *supervised_baselines(),
        *by_depth(),
        *by_length(),
        *_s1(),
        *relative_baselines(),
        *heatmap_baselines(),
        *encoder_decoder_baselines(),
        *segmentation_baselines(),
        *skeleton_baselines(),
        *body_baselines(),
    ]
)

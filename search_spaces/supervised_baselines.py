"""S0's supervised trainings and their controls, and PeCLR by depth and by length.

SUPERVISED, IMAGENET_DOWN, LABEL_EFF, E24B and E34 are codes of S0's launcher.
"""

from collections.abc import Iterator

from search_spaces.published_augmentations import Settings, composed
from search_spaces.published_methods import (
    CHOSEN_PECLR,
    CHOSEN_SIMCLR,
    CHOSEN_SUPERVISED,
    PECLR_TRAINING,
    SIMCLR_TRAINING,
    peclr,
    simclr,
)
from search_spaces.published_training import (
    DOWNSTREAM,
    RESNET50,
    SUPERVISED_TRAINING,
    Baseline,
    trained,
    with_full,
)

DEPTHS = (18, 34, 50, 101, 152)
LABEL_EFF_PERCENT = (10, 20, 40, 80, 95)
E34_EPOCHS = tuple(range(10, 101, 10))  # S0's checkpoints 9 to 99, counted from 0
SIMCLR_EPOCHS = tuple(range(25, 226, 25))  # 24 to 224 of 1000

_HEATMAP: Settings = {
    "finetune/encoder/name": "hrnet_w32",
    "finetune/head/kind": "heatmap",
    "finetune/head/denoiser": True,
}
_HEATMAP_TRAINING: Settings = {
    **SUPERVISED_TRAINING,
    **_HEATMAP,
    "finetune/encoder/init": "random",
    "finetune/head/compat": "s0",
    "finetune/optimizer/lr": 5e-4,
}


def supervised_baselines() -> Iterator[tuple[str, Baseline]]:
    """Yield what trains on labels alone, or puts a head on weights that saw no hand."""
    augmented = composed(CHOSEN_SUPERVISED, phase="finetune")
    yield from with_full(
        "supervised_denoised",
        "S0, SUPERVISED: with a denoised root depth",
        {**augmented, "finetune/head/denoiser": True},
        SUPERVISED_TRAINING,
    )
    yield from with_full(
        "supervised_heatmap",
        "S0, SUPERVISED: HRNet with a heatmap head and a denoised root depth",
        {**augmented, **_HEATMAP},
        _HEATMAP_TRAINING,
    )
    for depth in DEPTHS:
        yield from with_full(
            f"supervised_resnet{depth}",
            f"S0, SUPERVISED: the control of E24B with a ResNet-{depth}",
            {**augmented, "finetune/encoder/name": f"resnet{depth}"},
            SUPERVISED_TRAINING,
            {"finetune/encoder/name": f"resnet{depth}"},
        )
    yield from with_full(
        "s0_random_down",
        "S0, IMAGENET_DOWN as its code was last: a head on a frozen encoder of random weights",
        {
            **composed(("Ro", "C"), phase="finetune"),
            "finetune/encoder/init": "random",
            "finetune/train_encoder": False,
        },
        DOWNSTREAM,
        {"finetune/encoder/name": "resnet50"},
    )
    for percent in LABEL_EFF_PERCENT:
        yield from with_full(
            f"s0_label_eff_denoised_{percent}",
            f"S0, LABEL_EFF: end to end on {percent} % of the labels, with a denoised root depth",
            {
                **augmented,
                "finetune/train_encoder": True,
                "finetune/label_fraction": percent / 100,
                "finetune/head/denoiser": True,
            },
            SUPERVISED_TRAINING,
            {"finetune/encoder/name": "resnet152"},
        )


def by_depth() -> Iterator[tuple[str, Baseline]]:
    """Yield E24B: PeCLR with each ResNet; S0 is taken to have trained all of them alike."""
    for depth in DEPTHS:
        encoder = {"pretrain/encoder/name": f"resnet{depth}"}
        yield from with_full(
            f"s0_e24b_resnet{depth}",
            f"S0, E24B: PeCLR with a ResNet-{depth}",
            {**peclr(CHOSEN_PECLR), **encoder},
            trained(encoder=f"resnet{depth}", batch=128, accumulate=16, epochs=100),
            PECLR_TRAINING,
            DOWNSTREAM,
        )


def by_length() -> Iterator[tuple[str, Baseline]]:
    """Yield E34, and experiment 1 of S0's notes: the downstream score while pretraining goes on.

    Epochs on one horizon have one learning rate, whatever the number of them, so that each arm's
    encoder is the checkpoint of the longest one. About a budget, they have no variant without.
    Which composition and encoder experiment 1 had is not known; it has those chosen for SimCLR.
    """
    for epochs in E34_EPOCHS:
        yield (
            f"s0_e34_epoch_{epochs:03d}_full",
            Baseline(
                f"S0, E34: PeCLR as it is after {epochs} of 100 epochs, trained as published",
                {
                    **peclr(CHOSEN_PECLR),
                    **RESNET50,
                    **PECLR_TRAINING,
                    **DOWNSTREAM,
                    "pretrain/epochs": epochs,
                    "pretrain/optimizer/horizon_epochs": 100,
                },
            ),
        )
    for epochs in SIMCLR_EPOCHS:
        yield (
            f"s0_simclr_epoch_{epochs:03d}_full",
            Baseline(
                f"S0, experiment 1: SimCLR as it is after {epochs} of 1000 epochs, trained as "
                "published",
                {
                    **simclr(CHOSEN_SIMCLR),
                    **RESNET50,
                    **SIMCLR_TRAINING,
                    **DOWNSTREAM,
                    "pretrain/epochs": epochs,
                    "pretrain/optimizer/horizon_epochs": 1000,
                },
            ),
        )

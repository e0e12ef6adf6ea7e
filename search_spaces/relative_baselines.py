"""S0's and S1's experiments with relations between views, and with heatmaps in pretraining.

A2, NIPS_B and HYBRID1 are codes of S0, PAIR_ABL, PAIR_COMPOSITION_SEARCH and SIM_HEATMAP of S1,
whose PAIR_ABL_FH and PAIR_ABL_IH differ in their data alone. Where NIPS_B names no contrastive
augmentation that side is empty: there is no contrastive part. What was published of the heatmap
experiments does not say which composition they had; they have here what was chosen for the same
loss on features.
"""

from collections.abc import Iterator, Mapping, Sequence

from search_spaces.published_augmentations import EARLY_AUGMENTATIONS, Settings, composed
from search_spaces.published_methods import (
    CHOSEN_PECLR,
    CHOSEN_SIMCLR,
    COMPOSITION_SEARCH,
    PAIRWISE,
    SIMCLR,
    SIMCLR_TRAINING,
    named,
    pairwise,
    peclr,
    simclr,
)
from search_spaces.published_training import (
    DOWNSTREAM,
    NIPS_DOWNSTREAM,
    RESNET18,
    Baseline,
    trained,
    with_full,
)

HYBRID1: Settings = {
    **SIMCLR,
    "pretrain/relative/weight": 1.0,
    "pretrain/relative/own_views": True,
    "pretrain/relative/balance": "learned",
}

A2: Mapping[str, tuple[str, ...]] = {
    "color_jitter": ("CJ",),
    "rotate": ("Ro",),
    "crop": ("C",),
}
NIPS_B_PAIRWISE = (("Ro",), ("C",), ("C", "Ro"))
PAIR_ABL = (("CJ",), ("C",), ("Ro",), ("RC",))

_RELATIVE_TRAINING: Settings = {"pretrain/relative/hidden": 1024, "pretrain/relative/compat": "s0"}
_HYBRID1_TRAINING: Settings = {**_RELATIVE_TRAINING, **SIMCLR_TRAINING}
_HRNET: Settings = {
    **trained(encoder="hrnet_w32", batch=128, accumulate=16, epochs=100),
    "pretrain/encoder/init": "random",
}
_HEATMAP_DOWNSTREAM: Settings = {
    **DOWNSTREAM,
    "finetune/head/kind": "heatmap",
    "finetune/head/compat": "s0",
}


def relative_baselines() -> Iterator[tuple[str, Baseline]]:
    """Yield the experiments with relations."""
    for augmentation, codes in A2.items():
        yield from with_full(
            f"s0_a2_{augmentation}",
            f"S0, experiment A2: pairwise relations with {augmentation} alone",
            {**composed(codes, phase="pretrain", of=EARLY_AUGMENTATIONS), **PAIRWISE},
            RESNET18,
            {"pretrain/optimizer/weight_decay": 1e-4},
            _RELATIVE_TRAINING,
            NIPS_DOWNSTREAM,
        )
    yield from _nips_b()
    yield from with_full(
        "s0_hybrid1",
        "S0, HYBRID1: contrastive with colour jitter, pairwise with rotation and translation",
        _hybrid1(("CJ",), ("Ro", "C")),
        trained(encoder="resnet18", batch=512, accumulate=4, epochs=300),
        _HYBRID1_TRAINING,
        DOWNSTREAM,
    )
    for experiment, searched in (
        ("pair_abl", PAIR_ABL),
        ("pair_composition", COMPOSITION_SEARCH),
    ):
        for codes in searched:
            yield from with_full(
                named(f"s1_{experiment}", codes),
                f"S1, {experiment.upper()}: pairwise relations with {', '.join(codes)}",
                pairwise(codes),
                RESNET18,
                _RELATIVE_TRAINING,
                DOWNSTREAM,
            )


def heatmap_baselines() -> Iterator[tuple[str, Baseline]]:
    """Yield the experiments that pretrain HRNet by its maps."""
    chosen = peclr(CHOSEN_PECLR)
    yield from with_full(
        "s1_sim_heatmap",
        "S1, SIM_HEATMAP: SimCLR on heatmaps of HRNet",
        {**simclr(CHOSEN_SIMCLR), **_on_maps("points", hidden=64, out=128)},
        _HRNET,
        _HEATMAP_DOWNSTREAM,
    )
    yield from with_full(
        "s0_hybrid2_heatmap",
        "S0, hybrid2 on heatmaps of HRNet: PeCLR on the points that they mean",
        {**chosen, **_on_maps("points", hidden=256, out=64)},
        _HRNET,
        {"pretrain/projection/out": 64, "pretrain/loss/undo": "peclr"},
        _HEATMAP_DOWNSTREAM,
    )
    yield from with_full(
        "s0_hybrid2_heatmap_preserved",
        "S0, hybrid2 with preserve_heatmap: maps moved back, compared where both views show them",
        {**chosen, **_on_maps("maps", hidden=256, out=64)},
        _HRNET,
        {"pretrain/projection/out": 64},
        _HEATMAP_DOWNSTREAM,
    )


def _nips_b() -> Iterator[tuple[str, Baseline]]:
    for codes in NIPS_B_PAIRWISE:
        yield from with_full(
            named("s0_nips_b_rel", codes) + "_con_cj",
            f"S0, NIPS_B: hybrid1, contrastive with CJ, pairwise with {', '.join(codes)}",
            _hybrid1(("CJ",), codes),
            RESNET18,
            _HYBRID1_TRAINING,
            NIPS_DOWNSTREAM,
        )
        yield from with_full(
            named("s0_nips_b_rel", codes),
            f"S0, NIPS_B: hybrid1 without a contrastive side, pairwise with {', '.join(codes)}",
            pairwise(codes),
            RESNET18,
            _RELATIVE_TRAINING,
            NIPS_DOWNSTREAM,
        )
    yield from with_full(
        "s0_nips_b_con_cj",
        "S0, NIPS_B: hybrid1 without a pairwise side, contrastive with CJ",
        simclr(("CJ",)),
        RESNET18,
        SIMCLR_TRAINING,
        NIPS_DOWNSTREAM,
    )


def _hybrid1(contrastive: Sequence[str], pairwise: Sequence[str]) -> Settings:
    return {
        **composed(contrastive, phase="pretrain"),
        **composed(pairwise, phase="pretrain/relative"),
        **HYBRID1,
    }


def _on_maps(kind: str, *, hidden: int, out: int) -> Settings:
    return {
        "pretrain/encoder/name": "hrnet_w32",
        "pretrain/projection/kind": kind,
        "pretrain/projection/hidden": hidden,
        "pretrain/projection/out": out,
    }

"""Published settings of evolving skeletons and of lifting, for a study's arms to start from.

EvoSkeleton is Li et al. (CVPR 2020); S4 evolves with the same code and other numbers. Both without
Akhter and Black's limits, which a study adds by `evolve/limits/folder`. The learning rates of both
lifting networks fall by 4 % every 100,000 steps; ours stays.
"""

from collections.abc import Iterator

from search_spaces.published_augmentations import Settings
from search_spaces.published_training import Baseline, with_full

OPERATORS: Settings = {
    "evolve/compat": "evoskeleton_v1",
    "evolve/growth": 2.5,
    "evolve/limbs/prob": 0.3,
    "evolve/limbs/deg": 10.0,
    "evolve/turn/prob": 0.1,
}
LIFTING_TRAINING: Settings = {
    "lift/batch_size": 64,
    "lift/optimizer/name": "adam",
    "lift/optimizer/lr": 1e-3,
    "lift/optimizer/weight_decay": 0.0,
    "lift/optimizer/schedule": "constant",
}


def skeleton_baselines() -> Iterator[tuple[str, Baseline]]:
    """Yield how S4 and EvoSkeleton evolve, and the networks that lift."""
    yield (
        "s4_evolution",
        Baseline("S4: evolution with its numbers", {**OPERATORS, "evolve/parents_share": 0.1}),
    )
    yield (
        "evoskeleton",
        Baseline(
            "EvoSkeleton: evolution with its numbers", {**OPERATORS, "evolve/parents_share": 0.05}
        ),
    )
    yield from with_full(
        "martinez_lifting",
        "Martinez et al. (2017): a residual MLP lifts",
        {
            "lift/network/kind": "residual_mlp",
            "lift/network/width": 1024,
            "lift/network/blocks": 2,
            "lift/network/dropout": 0.5,
        },
        LIFTING_TRAINING,
        {"lift/epochs": 200},
    )
    yield from with_full(
        "semgcn_lifting",
        "Zhao et al. (2019): a semantic graph network lifts",
        {
            "lift/network/kind": "semantic_graph",
            "lift/network/width": 128,
            "lift/network/blocks": 4,
            "lift/network/dropout": 0.0,
        },
        LIFTING_TRAINING,
    )

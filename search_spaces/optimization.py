"""Learning rates, batch sizes and weight decay."""

from search_spaces.learning_rate import LearningRateForBatch
from search_spaces.parameters import Parts, Real

WEIGHT_DECAY = Real("pretrain/optimizer/weight_decay", 1e-7, 1e-2, log=True)

PRETRAINING_OPTIMIZATION = Parts(
    (Real("pretrain/optimizer/lr", 3e-4, 1e-2, log=True), WEIGHT_DECAY)
)
"""Pretraining's learning rate and weight decay."""

COUPLED_PRETRAINING_OPTIMIZATION = Parts(
    (
        LearningRateForBatch(
            path="pretrain",
            low=3e-4,
            high=1e-2,
            reference=128,
            smallest=64,
            doublings=3,
            rule="sqrt",
        ),
        WEIGHT_DECAY,
    )
)
"""Batches of 64 to 512, the rate scaled by the square root as in S0, and weight decay."""

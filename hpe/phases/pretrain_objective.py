"""The whole loss of pretraining, from what the network said about a batch."""

from collections.abc import Mapping

from torch import Tensor

from hpe.losses.relative import balanced
from hpe.phases.contrastive_terms import contrastive_terms
from hpe.phases.distribution import batch_of_all_ranks
from hpe.phases.loaders import Batch
from hpe.phases.pretrain_config import BALANCED_PARTS, PretrainConfig
from hpe.phases.pretraining_network import LOG_SCALE, PROJECTIONS, RELATION
from hpe.phases.relative_terms import LOSS, relative_terms, weight_metric
from hpe.phases.view_pairs import RELATIVE


def pretraining_terms(
    outputs: Mapping[str, Tensor], batch: Batch, config: PretrainConfig
) -> dict[str, Tensor]:
    """Return the losses and metrics of a batch; `train/loss` carries the gradient.

    Args:
        outputs: What `PretrainingNetwork` returned for this worker's pairs.
        batch: How their views were made.
        config: The phase's settings.
    """
    if not config.relative.enabled:
        return contrastive_terms(outputs[PROJECTIONS], batch, config.loss)
    scales = {
        name: batch_of_all_ranks(scale).mean() for name, scale in _below(LOG_SCALE, outputs).items()
    }
    relative = relative_terms(
        _below(RELATION, outputs),
        scales,
        _below(RELATIVE, batch) if config.relative.own_views else batch,
        image_px=config.image_px,
        compat=config.relative.compat,
    )
    weighted = config.relative.weight * relative[LOSS]
    if not config.loss.enabled:
        return {"train/loss": weighted, **relative}
    contrastive = contrastive_terms(outputs[PROJECTIONS], batch, config.loss)
    parts = dict(zip(BALANCED_PARTS, (contrastive["train/loss"], weighted), strict=True))
    weights: dict[str, Tensor] = {}
    if config.has_learned_balance:
        parts = {name: balanced(part, scales[name]) for name, part in parts.items()}
        weights = {weight_metric(name): (-scales[name].detach()).exp() for name in parts}
    total = parts["contrastive"] + parts["relative"]
    return {**contrastive, **relative, **weights, "train/loss": total}


def _below(prefix: str, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }

"""The contrastive part of pretraining's loss: SimCLR's term, PeCLR's, or both."""

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from hpe.config import Config
from hpe.losses.contrastive import collapse_level, nt_xent, top1_share
from hpe.losses.equivariant import as_points, undo_affine, undo_peclr
from hpe.losses.equivariant_maps import aligned_rows
from hpe.phases.distribution import batch_of_all_ranks
from hpe.phases.loaders import Batch

INVARIANT = "train/loss_invariant"
EQUIVARIANT = "train/loss_equivariant"
TOP1 = "train/top1"
COLLAPSE_SHARE = "train/collapse_share"


class ContrastiveLossConfig(Config):
    """What pretraining minimises: a weighted sum of two NT-Xent terms.

    Attributes:
        temperature: Of both terms.
        invariant_weight: Weight of the term on plain projections; alone it is SimCLR.
        equivariant_weight: Weight of the term on projections moved back to the reference crop;
            alone it is PeCLR (S0's hybrid2).
        undo: Invert each view's affine exactly, or as PeCLR's code approximates it.
        negatives: Where the negatives of an accumulated step come from: each `batch` for itself, as
            in S0, or all batches of the `step`, whose gradient is then that of one large batch, at
            the price of a second forward pass. Batch norm sees one batch either way.
    """

    temperature: float = Field(0.2, gt=0)
    invariant_weight: float = Field(1.0, ge=0)
    equivariant_weight: float = Field(0.0, ge=0)
    undo: Literal["exact", "peclr"] = "exact"
    negatives: Literal["batch", "step"] = "batch"

    @property
    def enabled(self) -> bool:
        """Return whether a term has weight."""
        return self.invariant_weight > 0 or self.equivariant_weight > 0


def contrastive_terms(
    projections: Float[Tensor, "views dim"] | Float[Tensor, "views maps height width"],
    batch: Batch,
    config: ContrastiveLossConfig,
) -> dict[str, Float[Tensor, ""]]:
    """Return the losses of one batch of view pairs; `train/loss` carries the gradient.

    A term without weight is reported too, except that maps have the equivariant one alone.
    `train/top1` is the share of views whose positive is the nearest other view and
    `train/collapse_share` the loss as a share of what equal embeddings give (about 1 means
    collapse): of the equivariant term where it has weight, else the invariant one.
    """
    if projections.ndim == 4:
        return _map_terms(projections, batch, config)
    plain = _paired(projections)
    undone = _paired(_undone(projections, batch, config))
    with torch.set_grad_enabled(config.invariant_weight > 0):
        invariant = nt_xent(*plain, temperature=config.temperature)
    with torch.set_grad_enabled(config.equivariant_weight > 0):
        equivariant = nt_xent(*undone, temperature=config.temperature)
    is_equivariant = config.equivariant_weight > 0
    leading, pairs = (equivariant, undone) if is_equivariant else (invariant, plain)
    return {
        "train/loss": (
            config.invariant_weight * invariant + config.equivariant_weight * equivariant
        ),
        INVARIANT: invariant,
        EQUIVARIANT: equivariant,
        **_health(leading, pairs),
    }


def _map_terms(
    maps: Float[Tensor, "views maps height width"], batch: Batch, config: ContrastiveLossConfig
) -> dict[str, Float[Tensor, ""]]:
    pairs = _paired(aligned_rows(maps, batch["affine"].flatten(0, 1).to(maps.device)))
    equivariant = nt_xent(*pairs, temperature=config.temperature)
    return {
        "train/loss": config.equivariant_weight * equivariant,
        EQUIVARIANT: equivariant,
        **_health(equivariant, pairs),
    }


def _health(
    loss: Float[Tensor, ""], pairs: tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]
) -> dict[str, Float[Tensor, ""]]:
    return {
        TOP1: top1_share(*pairs),
        COLLAPSE_SHARE: loss.detach() / collapse_level(len(pairs[0])),
    }


def _undone(
    projections: Float[Tensor, "views dim"], batch: Batch, config: ContrastiveLossConfig
) -> Float[Tensor, "views dim"]:
    device = projections.device
    points = as_points(projections)
    if config.undo == "exact":
        moved = undo_affine(points, batch["affine"].flatten(0, 1).to(device))
    else:
        moved = undo_peclr(
            points,
            angle_deg=batch["angle_deg"].flatten().to(device),
            shift=batch["shift"].flatten(0, 1).to(device),
        )
    return moved.flatten(1)


def _paired(
    rows: Float[Tensor, "views dim"],
) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
    """Return the first and the second views of all workers' samples."""
    return batch_of_all_ranks(rows[0::2]), batch_of_all_ranks(rows[1::2])

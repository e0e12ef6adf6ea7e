"""Where a volume of logits has its mass: the joint soft-argmax over width, height and depth."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def volume_means(
    logits: Float[Tensor, "batch joints depth height width"],
) -> Float[Tensor, "batch joints 3"]:
    """Return the mean cell (x, y, z), counted from 0, under a softmax over all cells of a volume.

    Sun et al. (2018), eq. 2 and 3: expectations of the marginal distributions. Neither the softmax
    nor its marginals are kept: the backward pass makes the mass p again from the logits, sample by
    sample, as dL/dlogit = p * sum over axes of dL/dmean * (cell - mean). So a training step holds
    the logits and their gradient, and one sample's share of scratch beside them.

    Args:
        logits: In any layout of memory; those in half precision are added up in float32.

    Returns:
        In float32, or float64 if the logits are.
    """
    means: Tensor = _VolumeMeans.apply(logits)  # type: ignore[no-untyped-call]  # untyped in torch
    return means


class _VolumeMeans(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Float[Tensor, "batch joints depth height width"]
    ) -> Float[Tensor, "batch joints 3"]:
        precise = torch.promote_types(logits.dtype, torch.float32)
        means = torch.empty(*logits.shape[:2], 3, dtype=precise, device=logits.device)
        log_totals = torch.empty(logits.shape[:2], dtype=precise, device=logits.device)
        for sample, volume in enumerate(logits):
            peak = volume.amax(dim=(1, 2, 3)).to(precise)
            mass = (volume - _per_volume(peak)).exp_()
            log_totals[sample] = mass.sum(dim=(1, 2, 3)).log().add_(peak)
            means[sample] = _mean_cells(mass)
        ctx.save_for_backward(logits, log_totals, means)
        return means

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_means: Float[Tensor, "batch joints 3"]
    ) -> Float[Tensor, "batch joints depth height width"]:
        logits, log_totals, means = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        for sample, volume in enumerate(logits):
            mass = (volume - _per_volume(log_totals[sample])).exp_()
            along_x, along_y, along_z = (
                grad_means[sample, :, axis, None] * (cells - means[sample, :, axis, None])
                for axis, cells in enumerate(_cells(mass))
            )
            slope = along_z[:, :, None, None] + along_y[:, None, :, None]
            gradient[sample] = mass.mul_(slope + along_x[:, None, None, :])
        return gradient


def _per_volume(values: Float[Tensor, " joints"]) -> Float[Tensor, "joints 1 1 1"]:
    return values[:, None, None, None]


def _cells(volume: Float[Tensor, "joints depth height width"]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the numbers of the cells along x, y and z."""
    depth, height, width = volume.shape[1:]
    x, y, z = (
        torch.arange(size, dtype=volume.dtype, device=volume.device)
        for size in (width, height, depth)
    )
    return x, y, z


def _mean_cells(mass: Float[Tensor, "joints depth height width"]) -> Float[Tensor, "joints 3"]:
    x, y, z = _cells(mass)
    slices = mass.sum(dim=1)
    along_z = mass.sum(dim=(2, 3))
    moments = [
        (slices.sum(dim=1) * x).sum(-1),
        (slices.sum(dim=2) * y).sum(-1),
        (along_z * z).sum(-1),
    ]
    return torch.stack(moments, dim=-1) / along_z.sum(-1, keepdim=True)

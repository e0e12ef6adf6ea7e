"""Run as a process of a group of two: `pretraining_rank.py FOLDER RANK`; leaves gradients there."""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import nn

from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.heads import ProjectionHead, ProjectionHeadConfig
from hpe.models.relative_head import RelativeHeads
from hpe.phases.distribution import data_parallel
from hpe.phases.precision import Numerics
from hpe.phases.pretrain_config import BALANCED_PARTS, PretrainConfig
from hpe.phases.pretrain_steps import step_as_one_batch, step_by_batches
from hpe.phases.pretraining_network import PretrainingNetwork

PAIRS = 8
ON = {"enabled": True}
CONFIG = PretrainConfig.model_validate(
    {
        "image_px": 36,
        "augment": {"rotate": ON, "translate": ON, "zoom": ON, "hsv_jitter": ON},
        "loss": {"equivariant_weight": 0.5},
        "relative": {
            "weight": 0.3,
            "balance": "learned",
            "own_views": True,
            "augment": {"rotate": ON, "hsv_jitter": ON},
        },
    }
)


def network():
    """Return a network for hybrid1 that treats every row by itself: no batch norm."""
    encoder = build_encoder(EncoderConfig(width=4), seed=0)
    numerics = Numerics(torch.device("cpu"), "fp32", channels_last=False)
    features = encoder.feature_dim
    whole = PretrainingNetwork(
        encoder,
        numerics,
        projection=ProjectionHead(features, ProjectionHeadConfig(hidden=8, out=8), seed=0),
        relative=RelativeHeads(features, CONFIG.relations, hidden=8, seed=0),
        balanced_parts=BALANCED_PARTS,
    )
    scales = [*whole.log_scales.values(), *whole.relative.log_scales.values()]
    with torch.no_grad():
        for number, scale in enumerate(scales):
            scale.fill_(0.1 * (number + 1))
    _drop_norms(whole)
    return whole.train()


def _drop_norms(module):
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(module, name, nn.Identity())
        else:
            _drop_norms(child)


def pairs():
    """Return one large batch of both kinds of pairs."""
    generator = torch.Generator().manual_seed(0)
    batch = {}
    for prefix in ("", "relative_"):
        images = torch.randint(0, 256, (PAIRS, 2, 36, 36, 3), generator=generator)
        affine = torch.eye(2, 3) + 0.1 * torch.randn(PAIRS, 2, 2, 3, generator=generator)
        batch |= {
            f"{prefix}image": images.to(torch.uint8),
            f"{prefix}affine": affine,
            f"{prefix}angle_deg": 60 * torch.randn(PAIRS, 2, generator=generator),
            f"{prefix}shift": 0.1 * torch.randn(PAIRS, 2, 2, generator=generator),
            f"{prefix}zoom": 0.8 + torch.rand(PAIRS, 2, generator=generator),
            f"{prefix}hsv_change": torch.rand(PAIRS, 2, 4, generator=generator),
        }
    return batch


def batches(count, *, rank=0, ranks=1):
    """Return the pairs in this many batches, of which a rank has its rows."""
    return [
        {name: rows[first : first + PAIRS // count][rank::ranks] for name, rows in pairs().items()}
        for first in range(0, PAIRS, PAIRS // count)
    ]


def gradients(count, negatives, *, rank=0, ranks=1):
    """Return every gradient of one step, and its mean loss."""
    config = CONFIG.model_copy(update={"accumulate": count})
    whole = network()
    step = step_as_one_batch if negatives == "step" else step_by_batches
    parts = batches(count, rank=rank, ranks=ranks)
    terms = list(step(parts, config, network=whole, parallel=data_parallel(whole)))
    losses = [part["train/loss"].detach() for part in terms]
    found = {name: parameter.grad for name, parameter in whole.named_parameters()}
    return {**found, "loss": torch.stack(losses).mean()}


def main(folder: Path, rank: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    for count, negatives in ((1, "batch"), (2, "batch"), (2, "step")):
        tensors = gradients(count, negatives, rank=rank, ranks=2)
        save_file(
            {name: value.contiguous() for name, value in tensors.items()},
            folder / f"{rank}_{count}_{negatives}.safetensors",
        )
    dist.barrier()
    os._exit(0)  # gloo's threads now and then abort a process that ends in the ordinary way


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""Run as a process of a group of two: `one_of_two_ranks.py FOLDER RANK`; leaves results there."""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from body_fakes import fake_bodies
from conftest import fake_data
from safetensors.torch import save_file
from scene_fakes import fake_scenes
from torch import nn

from hpe.models.seeding import seeded_weights
from hpe.phases import mask_run
from hpe.phases.body_config import BodyPoseConfig
from hpe.phases.body_pose import body_pose
from hpe.phases.contrastive_terms import ContrastiveLossConfig, contrastive_terms
from hpe.phases.distribution import (
    data_parallel,
    in_original_order,
    mean_over_ranks,
    take_first_ranks_buffers,
)
from hpe.phases.encoder_decoder import encoder_decoder
from hpe.phases.encoder_decoder_config import EncoderDecoderConfig
from hpe.phases.finetune import finetune
from hpe.phases.finetune_config import FinetuneConfig
from hpe.phases.mask_batches import pseudo_labelled
from hpe.phases.paired import paired
from hpe.phases.phase import PhaseInputs
from hpe.phases.precision import Numerics
from hpe.phases.segmentation_config import PairedConfig

FINETUNE = {
    "epochs": 1,
    "steps_per_epoch": 1,
    "batch_size": 4,
    "accumulate": 2,
    "image_px": 36,
    "encoder": {"width": 4},
    "train_encoder": False,
    "augment": {"rotate": {"enabled": True}},
}
DENOISED = {
    **FINETUNE,
    "train_encoder": True,
    "head": {"kind": "heatmap", "hidden": 8, "denoiser": True},
}
ENCODER_DECODER = {
    **FINETUNE,
    "decoder": {"kind": "regression"},
    "target": {"low": (-400.0, -400.0, 100.0), "high": (400.0, 400.0, 2000.0)},
}
TOWERS = {**ENCODER_DECODER, "train_encoder": True, "decoder": {"width": 4, "blocks": 2}}
BODY_POSE = {
    "epochs": 1,
    "steps_per_epoch": 1,
    "batch_size": 4,
    "accumulate": 2,
    "width_px": 64,
    "height_px": 96,
    "encoder": {"width": 4},
    "frozen_stages": 5,
    "head": {"kind": "direct", "hidden": 16},
    "augment": {"rotate": {"enabled": True}},
    "loss": {"bone_weight": 0.1},
    "optimizer": {"milestones": [1]},
}
VOLUMES = {**BODY_POSE, "frozen_stages": 2, "head": {"depth": 6, "channels": 8, "upsamplings": 2}}
SEGMENTATION = {
    "epochs": 1,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "loss": {"ce_weight": 0.9, "region_weight": 0.0, "class_weights": "uniform"},
    "adversary": {"trains": True},
}
"""What is said of a batch is a mean over its rows: no loss on regions, no weights of classes."""
BOTH_TERMS = ContrastiveLossConfig(equivariant_weight=0.5)


def body_inputs():
    """Return bodies of which some are known in the image alone, and an odd number to score."""
    data = fake_bodies(val=5, flat_every=3, head_px=9.0)
    return PhaseInputs(data=data, parents={}, seed=3, device=torch.device("cpu"))


def segmentation_report():
    """Train a light segmenter and its discriminator for an epoch."""
    inputs = PhaseInputs(data=fake_scenes(val=3), parents={}, seed=3, device=torch.device("cpu"))
    return next(paired(PairedConfig.model_validate(SEGMENTATION), inputs))


def light_segmenter(config, *, seed):
    """Return a segmenter without batch norm, which would see half a batch."""
    with seeded_weights(seed):
        return nn.Sequential(nn.Conv2d(3, 6, 5, padding=2), nn.ReLU(), nn.Conv2d(6, 34, 1))


class ByBrightness(nn.Module):
    """Surest of bright images."""

    def forward(self, images):
        return images.mean(dim=1, keepdim=True).expand(-1, 34, -1, -1)


def kept_levels(rank):
    """Return which of a batch's images this rank trains on, and how sure the labeller is."""
    levels = torch.tensor([90, 10, 80, 20], dtype=torch.uint8)[rank::2]
    batches = ({"image": rows} for rows in [levels[:, None, None, None].expand(-1, 32, 32, 3)])
    numerics = Numerics(torch.device("cpu"), "fp32", channels_last=False)
    (kept,) = pseudo_labelled(batches, ByBrightness(), numerics=numerics, keep_share=0.5)
    return {
        "labelled.levels": kept["image"][:, 0, 0, 0].contiguous(),
        "labelled.confidence": 255 * kept["confidence"],
    }


def moments_of(report, optimizer="optimizer"):
    """Return the first moments of all weights that an optimizer trains, in one row."""
    weights = report.state()[optimizer]["state"].values()
    return torch.cat([weight["exp_avg"].flatten() for weight in weights])


def view_pairs():
    """Return six pairs whose images a linear network can take."""
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randn(6, 2, 5, generator=generator),
        "affine": torch.eye(2, 3) + 0.1 * torch.randn(6, 2, 2, 3, generator=generator),
    }


def projection():
    """Return the linear network."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(5, 8)


def main(folder: Path, rank: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    inputs = PhaseInputs(
        data=fake_data(partly_visible=True), parents={}, seed=3, device=torch.device("cpu")
    )
    report = next(finetune(FinetuneConfig.model_validate(FINETUNE), inputs))
    moments = report.state()["optimizer"]["state"]

    learnt = next(finetune(FinetuneConfig.model_validate(DENOISED), inputs)).artifacts().tensors

    axes = next(encoder_decoder(EncoderDecoderConfig.model_validate(ENCODER_DECODER), inputs))
    axis_moments = axes.state()["optimizer"]["state"]
    towers = next(encoder_decoder(EncoderDecoderConfig.model_validate(TOWERS), inputs))

    bodies = next(body_pose(BodyPoseConfig.model_validate(BODY_POSE), body_inputs()))
    volumes = next(body_pose(BodyPoseConfig.model_validate(VOLUMES), body_inputs()))

    mask_run.build_segmenter = light_segmenter
    masks = segmentation_report()

    network = projection()
    batch = {name: rows[rank::2] for name, rows in view_pairs().items()}
    parallel = data_parallel(network)
    projections = parallel(batch["image"].flatten(0, 1))
    terms = contrastive_terms(projections, batch, BOTH_TERMS)
    (terms["train/loss"] * 2).backward()

    norm = nn.BatchNorm1d(2)
    norm.running_mean.fill_(rank + 1.0)
    norm.num_batches_tracked.fill_(rank + 3)
    take_first_ranks_buffers(norm)

    rows = torch.arange(5)
    save_file(
        {
            "head.weight": moments[0]["exp_avg"],
            "head.bias": moments[1]["exp_avg"],
            "metrics": torch.tensor(list(report.metrics.values()), dtype=torch.float64),
            "heatmap.weight": learnt["head"]["conv1.weight"].contiguous(),
            "denoiser.weight": learnt["denoiser"]["layers.6.weight"],
            "axes.weight": axis_moments[0]["exp_avg"],
            "axes.metrics": torch.tensor(list(axes.metrics.values()), dtype=torch.float64),
            "tower.weight": towers.artifacts().tensors["decoder"]["axes.z.weight"].contiguous(),
            "bodies.moments": moments_of(bodies),
            "bodies.metrics": torch.tensor(list(bodies.metrics.values()), dtype=torch.float64),
            "volumes.weight": volumes.artifacts().tensors["head"]["volumes.weight"].contiguous(),
            "masks.moments": moments_of(masks),
            "masks.discriminator": moments_of(masks, "discriminator_optimizer"),
            "masks.metrics": torch.tensor(list(masks.metrics.values()), dtype=torch.float64),
            **kept_levels(rank),
            "contrastive.grad": network.weight.grad,
            "contrastive.loss": terms["train/loss"].detach(),
            "norm.mean": norm.running_mean,
            "norm.batches": norm.num_batches_tracked,
            "rows": in_original_order(rows[rank::2], total=5),
            "mean": torch.tensor(mean_over_ranks({"x": float(rank)})["x"]),
        },
        folder / f"{rank}.safetensors",
    )
    dist.barrier()
    os._exit(0)  # gloo's threads now and then abort a process that ends in the ordinary way


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

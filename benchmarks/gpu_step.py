"""Time PeCLR's pretraining step on a GPU, against eager TF32, a bare loop, and its own data.

Rounds of four ways to make the same step (same views, same starting weights, AdamW) alternate on
one device; ratios are medians over rounds:

* `ours`: the steps of the phase `pretrain`, bf16, channels_last;
* `bare`: the same written out in plain torch with torchvision's ResNet, bf16, channels_last;
* `bare tf32`: the same in float32 with TF32 products, channels first: what eager torch does;
* `fed`: `ours` on batches that come through the loader, with views made on the device.

Goals: ours at least 2 times as fast as bare tf32 and 0.95 times as fast as bare, and at most 5 % of
the fed loop spent waiting for the loader.

    python benchmarks/gpu_step.py [--batch 256] [--steps 40] [--rounds 5] [--workers 8]
    python benchmarks/gpu_step.py --device cpu --tiny     # does it run? Its times mean nothing

Without a CUDA device it measures nothing, says so, and ends with 0; a missed goal ends with 1.
"""

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpe.data.hands import HandSplit
from hpe.data.rendered_hands import (
    RenderedHandsConfig,
    open_rendered_hands,
    prepare_rendered_hands,
)
from hpe.models.encoders import build_encoder
from hpe.models.heads import ProjectionHead
from hpe.models.torchvision_format import torchvision_from_encoder
from hpe.models.torchvision_on_cpu import make_torchvision_importable
from hpe.phases.device_views import DeviceViews, source_rows
from hpe.phases.loaders import Batch, collate, epoch_draws, load
from hpe.phases.optimization import ScheduledOptimizer
from hpe.phases.precision import Numerics
from hpe.phases.pretrain_config import PretrainConfig
from hpe.phases.pretrain_steps import step_by_batches
from hpe.phases.pretraining_network import PretrainingNetwork
from hpe.phases.views import training_composition

SEED = 0
CLASSES = 1000  # of torchvision's `fc`, which is taken off
GOALS = {"ours over bare tf32": 2.0, "ours over bare": 0.95}
MOST_WAITING = 0.05

Step = Callable[[Batch], Tensor]
"""Takes an optimizer step on a batch of pairs and returns its loss."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured, on what."""

    encoder: str
    image_px: int
    source_px: int
    samples: int
    batch: int
    steps: int
    warm_up: int
    rounds: int
    workers: int


TINY = Sizes("resnet18", 40, 64, 4, 4, 1, 0, 1, 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    options = _parser().parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA device here: nothing measured (--device cpu --tiny tries the script out)")
        return 0
    sizes = TINY if options.tiny else _sizes(options)
    device = torch.device(options.device)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    print(f"device    {device_name(device)}; torch {torch.__version__}")
    print(f"step      {sizes.batch} pairs of {sizes.image_px} px, {sizes.encoder}, PeCLR's loss")
    with tempfile.TemporaryDirectory() as folder:
        split = rendered(sizes, Path(folder))
        measured = measure(sizes, split, device)
    return report(measured, sizes, judges=device.type == "cuda")


@dataclass(frozen=True)
class Measured:
    """Seconds per step by way and round, and the share of the fed loop that waited for data."""

    step_s: dict[str, list[float]]
    waiting_share: float
    memory_bytes: int


def measure(sizes: Sizes, split: HandSplit, device: torch.device) -> Measured:
    """Alternate the ways to step, then feed ours from the loader."""
    config = configured(sizes)
    batch = resident_batch(config, split, device)
    steps = {
        "ours": our_step(config, device),
        "bare": bare_step(config, device, bf16=True),
        "bare tf32": bare_step(config, device, bf16=False),
    }
    step_s: dict[str, list[float]] = {name: [] for name in (*steps, "fed")}
    for _ in range(sizes.rounds):
        for name, step in steps.items():
            step_s[name].append(timed(step, batch, sizes, device))
    waits = []
    for number in range(sizes.rounds):
        wall_s, waited_s, count = fed(steps["ours"], config, split, sizes, device, epoch=number)
        step_s["fed"].append(wall_s / count)
        waits.append(waited_s / wall_s)
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Measured(step_s, statistics.median(waits), memory)


def report(measured: Measured, sizes: Sizes, *, judges: bool) -> int:
    """Print the table; return 1 if a goal is missed and this is the device to judge on."""
    print(f"\n{'way':<12}{'ms/step':>10}{'least':>9}{'most':>9}{'views/s':>10}")
    for name, times in measured.step_s.items():
        middle = statistics.median(times)
        row = [1000 * middle, 1000 * min(times), 1000 * max(times), 2 * sizes.batch / middle]
        print(f"{name:<12}{row[0]:>10.2f}{row[1]:>9.2f}{row[2]:>9.2f}{row[3]:>10.0f}")
    missed = []
    print()
    for name, goal in GOALS.items():
        ratio = ratio_of(measured.step_s, name)
        missed += [name] if ratio < goal else []
        print(f"{name:<24}{ratio:>7.3f}   goal >= {goal}")
    waiting = measured.waiting_share
    missed += ["waiting for data"] if waiting > MOST_WAITING else []
    print(f"{'waiting for data':<24}{waiting:>7.1%}   goal <= {MOST_WAITING:.0%}")
    print(f"{'most memory':<24}{measured.memory_bytes / 1e9:>7.2f} GB")
    if not judges:
        print("\nthis is no GPU: the numbers mean nothing")
        return 0
    print(f"\n{'missed: ' + ', '.join(missed) if missed else 'all goals reached'}")
    return 1 if missed else 0


def ratio_of(step_s: dict[str, list[float]], name: str) -> float:
    """Return how many times as fast the first way of `A over B` is, the median over rounds."""
    first, second = name.split(" over ")
    return statistics.median(b / a for a, b in zip(step_s[first], step_s[second], strict=True))


def configured(sizes: Sizes) -> PretrainConfig:
    """Return the settings of the phase: PeCLR's composition and loss."""
    return PretrainConfig.model_validate(
        {
            "batch_size": sizes.batch,
            "image_px": sizes.image_px,
            "encoder": {"name": sizes.encoder},
            "augment": {
                name: {"enabled": True} for name in ("rotate", "zoom", "translate", "hsv_jitter")
            },
            "augment_on": "device",
            "loss": {"invariant_weight": 0.0, "equivariant_weight": 1.0},
            "optimizer": {"schedule": "constant"},
            "precision": "bf16",
            "probe": {"every": 0},
            "loader_workers": sizes.workers,
        }
    )


def rendered(sizes: Sizes, folder: Path) -> HandSplit:
    """Render hands and return them, packed."""
    config = RenderedHandsConfig(
        image_px=sizes.source_px, unlabelled=sizes.samples, train=1, val=1, test=1
    )
    processes = max(1, sizes.workers)
    prepare_rendered_hands(config, folder, processes=processes, progress=lambda *_: None)
    return open_rendered_hands(config, folder).splits["unlabelled"]


def resident_batch(config: PretrainConfig, split: HandSplit, device: torch.device) -> Batch:
    """Return one batch of pairs whose pixels are on the device."""
    composition = training_composition(config.augment, image_px=config.image_px, seed=SEED)
    rows = source_rows(split, [composition])
    sources = collate([rows((0, index % len(split))) for index in range(config.batch_size)])
    return DeviceViews(composition, SEED, device)(sources)


def our_step(config: PretrainConfig, device: torch.device) -> Step:
    """Return the phase's own step."""
    numerics = Numerics(device, config.precision, config.channels_last)
    encoder = build_encoder(config.encoder, seed=SEED)
    head = ProjectionHead(encoder.feature_dim, config.projection, seed=SEED)
    network = numerics.placed(PretrainingNetwork(encoder, numerics, projection=head, relative=None))
    network.train()
    optimizer = ScheduledOptimizer(
        network.parameters(),
        config.optimizer,
        effective_batch=config.batch_size,
        steps_per_epoch=1,
        epochs=1,
    )

    def step(batch: Batch) -> Tensor:
        (terms,) = step_by_batches([batch], config, network=network, parallel=network)
        optimizer.step(0)
        return terms["train/loss"].detach()

    return step


class _Bare(nn.Module):
    """torchvision's ResNet and PeCLR's head, from the weights that ours starts with."""

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__()
        make_torchvision_importable()
        from torchvision import models  # noqa: PLC0415 - importable only after the line above

        encoder = build_encoder(config.encoder, seed=SEED)
        trunk = getattr(models, config.encoder.name)(num_classes=CLASSES)
        weights = torchvision_from_encoder(encoder.state_dict(), num_classes=CLASSES)
        trunk.load_state_dict(weights)
        trunk.fc = nn.Identity()
        self.trunk = trunk
        self.head = ProjectionHead(encoder.feature_dim, config.projection, seed=SEED).layers
        self.register_buffer("mean", encoder.mean.clone())
        self.register_buffer("std", encoder.std.clone())

    def forward(self, images: Tensor, *, bf16: bool) -> Tensor:
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bf16):
            features = self.trunk((images - self.mean) / self.std)
        projections: Tensor = self.head(features.float())
        return projections


def bare_step(config: PretrainConfig, device: torch.device, *, bf16: bool) -> Step:
    """Return the step written out; without bf16 in TF32 and channels first."""
    layout = torch.channels_last if bf16 else torch.contiguous_format
    network: Any = _Bare(config).to(device).to(memory_format=layout)
    network.train()
    settings = config.optimizer
    decaying = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decaying, "weight_decay": settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=settings.lr,
        fused=True,
    )

    def step(batch: Batch) -> Tensor:
        images = batch["image"].flatten(0, 1).permute(0, 3, 1, 2).float() / 255
        projections = network(images.contiguous(memory_format=layout), bf16=bf16)
        affine = batch["affine"].flatten(0, 1)
        back = torch.linalg.inv(affine[:, :, :2]).to(device)
        points = projections.reshape(len(projections), -1, 2) - affine[:, None, :, 2].to(device)
        undone = (points @ back.mT).flatten(1)
        views = functional.normalize(torch.cat([undone[0::2], undone[1::2]]), dim=1)
        logits = views @ views.T / config.loss.temperature
        logits.fill_diagonal_(-torch.inf)
        positives = torch.arange(len(views), device=device).roll(len(views) // 2)
        loss = functional.cross_entropy(logits, positives)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


def timed(step: Step, batch: Batch, sizes: Sizes, device: torch.device) -> float:
    """Return seconds per step, after a warm-up."""
    for _ in range(sizes.warm_up):
        step(batch)
    _finish(device)
    start_s = time.perf_counter()
    for _ in range(sizes.steps):
        step(batch)
    _finish(device)
    return (time.perf_counter() - start_s) / sizes.steps


@dataclass
class _Clock:
    """Seconds spent waiting for the loader."""

    waited_s: float = 0.0

    def watched(self, sources: Iterator[Batch]) -> Iterator[Batch]:
        while True:
            start_s = time.perf_counter()
            batch = next(sources, None)
            self.waited_s += time.perf_counter() - start_s
            if batch is None:
                return
            yield batch


def fed(
    step: Step,
    config: PretrainConfig,
    split: HandSplit,
    sizes: Sizes,
    device: torch.device,
    *,
    epoch: int,
) -> tuple[float, float, int]:
    """Return wall seconds, those of them spent waiting for the loader, and the steps taken.

    The loader starts before the clock does, as it does once in a phase that trains for hours.
    """
    composition = training_composition(config.augment, image_px=config.image_px, seed=SEED)
    rows, views = source_rows(split, [composition]), DeviceViews(composition, SEED, device)
    passes = -(-(sizes.steps + sizes.warm_up) * sizes.batch // len(split))
    draws = [
        group
        for number in range(passes)
        for group in epoch_draws(
            len(split), seed=SEED, epoch=epoch * passes + number, batch_size=sizes.batch
        )
    ][: sizes.warm_up + sizes.steps]
    with closing(load(rows, draws, workers=sizes.workers)) as sources:
        for _ in range(sizes.warm_up):
            step(views(next(sources)))
        _finish(device)
        clock = _Clock()
        start_s, count = time.perf_counter(), 0
        for batch in clock.watched(sources):
            step(views(batch))
            count += 1
        _finish(device)
    return time.perf_counter() - start_s, clock.waited_s, count


def device_name(device: torch.device) -> str:
    """Return what people call the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _sizes(options: argparse.Namespace) -> Sizes:
    return Sizes(
        encoder=options.encoder,
        image_px=128,
        source_px=224,
        samples=options.batch * 4,
        batch=options.batch,
        steps=options.steps,
        warm_up=10,
        rounds=options.rounds,
        workers=options.workers,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--device", choices=("cuda", "cpu"), default="cuda")
    add("--tiny", action="store_true", help="two steps of a small network, to try the script out")
    add("--encoder", default="resnet50", help="a ResNet (default: resnet50)")
    add("--batch", type=int, default=256, help="pairs per step (default: 256)")
    add("--steps", type=int, default=40, help="per round (default: 40)")
    add("--rounds", type=int, default=5, help="default: 5")
    add("--workers", type=int, default=8, help="loader processes of the fed loop (default: 8)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

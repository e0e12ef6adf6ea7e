"""How much memory the joint soft-argmax takes beside its logits, and that it costs no precision.

Runs the formula as it is written (softmax over the volume, its marginals, their expectations) and
`hpe.geometry.volume` forwards and backwards on the same logits, each in a process of its own, and
prints the peak that each adds to the logits, in copies of the volume; their ratio; and the largest
differences between their means, in cells, and gradients. On a GPU the peak is the allocator's, on a
CPU (Linux only) that of resident memory.

    python benchmarks/volume_memory.py [--batch 4] [--volume 72 96 72] [--device cpu]
"""

import argparse
import multiprocessing
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hpe.geometry.body_skeleton import NUM_BODY_JOINTS
from hpe.geometry.volume import volume_means

MIB = 2**20
REPEATS = 3
MOST_MEMORY = 0.5
MOST_DIFFERENCE_CELLS = 1e-2


Numbers = Float[np.ndarray, "..."]


@dataclass(frozen=True)
class Outcome:
    """What one way of doing it comes to."""

    peak_bytes: float
    seconds: float
    means: Numbers
    gradient: Numbers


def as_written(logits: Tensor) -> Tensor:
    """Return the mean cells by a softmax that is kept, and its marginals."""
    mass = logits.flatten(2).softmax(dim=-1).reshape(logits.shape)
    marginals = mass.sum((2, 3)), mass.sum((2, 4)), mass.sum((3, 4))
    cells = (torch.arange(m.shape[-1], dtype=m.dtype, device=m.device) for m in marginals)
    return torch.stack([m @ along for m, along in zip(marginals, cells, strict=True)], dim=-1)


WAYS: dict[str, Callable[[Tensor], Tensor]] = {"as written": as_written, "ours": volume_means}


def main() -> None:
    """Print both ways' peaks and times, and how they compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument(
        "--volume", type=int, nargs=3, default=(72, 96, 72), metavar=("W", "H", "D")
    )
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    width, height, depth = arguments.volume
    shape = (arguments.batch, NUM_BODY_JOINTS, depth, height, width)
    volume_bytes = 4 * torch.Size(shape).numel()
    print(f"logits of {arguments.batch} bodies: {volume_bytes / MIB:.0f} MiB ({arguments.device})")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        outcomes = {name: pool.apply(outcome_of, (name, shape, arguments.device)) for name in WAYS}
    for name, outcome in outcomes.items():
        copies = outcome.peak_bytes / volume_bytes
        print(f"{name:>12} {copies:6.2f} copies beside the logits {outcome.seconds:8.3f} s")
    written, ours = outcomes["as written"], outcomes["ours"]
    ratio = ours.peak_bytes / written.peak_bytes
    far_cells = float(np.abs(ours.means - written.means).max())
    steep = float(np.abs(ours.gradient - written.gradient).max())
    steep /= float(np.abs(written.gradient).max())
    print(
        f"memory: {ratio:.2f} of it; means differ by {far_cells:.1e} cells, gradients by "
        f"{steep:.1e} of the largest"
    )
    if ratio > MOST_MEMORY or far_cells > MOST_DIFFERENCE_CELLS:
        sys.exit(f"the ratio should be at most {MOST_MEMORY}, means differ by rounding alone.")


def outcome_of(name: str, shape: tuple[int, ...], device: str) -> Outcome:
    """Run one way forwards and backwards; the peak is that of the first time."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator).mul_(5).to(device).requires_grad_()
    WAYS[name](logits[:1, :, :2, :2, :2].detach())  # what loads with the first call
    before = memory_bytes(device, peak=False)
    gradient, means = step(WAYS[name], logits)
    peak_bytes = memory_bytes(device, peak=True) - before
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        step(WAYS[name], logits)
        seconds.append(time.perf_counter() - start)
    return Outcome(peak_bytes, min(seconds), means.cpu().numpy(), gradient[:1].cpu().numpy())


def step(way: Callable[[Tensor], Tensor], logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits' gradient under a linear loss, and the means."""
    means = way(logits)
    (gradient,) = torch.autograd.grad((means * torch.tensor([1.0, 2, 3]).to(means)).sum(), logits)
    if gradient.is_cuda:
        torch.cuda.synchronize()
    return gradient, means.detach()


def memory_bytes(device: str, *, peak: bool) -> float:
    """Return what this process holds now, or held at most."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", status)
    assert found is not None
    return 1024 * int(found[1])


if __name__ == "__main__":
    main()

"""Memory and time of NT-Xent, forward and backward, by the rows it compares.

Each way runs in a process of its own, which reports how far its resident memory rose above what it
held before (on a CUDA device, what torch allocated). The ways are S0's and PeCLR's formula as they
write it (exp of all products, then masked_select), the cross-entropy of all products, and ours in
chunks. Goal: at 2N = 8192 ours takes at most a quarter of the former's memory.

    python benchmarks/nt_xent_memory.py [--rows 8192] [--dim 128] [--device cpu]
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from hpe.losses.nt_xent_chunks import nt_xent_in_chunks

ROOT = Path(__file__).resolve().parent.parent
TEMPERATURE = 0.5
MOST_SHARE = 0.25
REFERENCE, PLAIN, CHUNKS = "exp and masked_select", "cross_entropy", "chunks"


@dataclass(frozen=True)
class Cost:
    """What one way took.

    Attributes:
        extra_bytes: Peak memory above what the rows themselves took.
        seconds: Of one forward and backward pass.
        loss: What came out.
        gradient_norm: Of the rows' gradient.
    """

    extra_bytes: int
    seconds: float
    loss: float
    gradient_norm: float


def reference(views: Tensor) -> Tensor:
    """Return NT-Xent as S0 and PeCLR write it."""
    count = len(views)
    products = torch.exp(torch.mm(views, views.t().contiguous()) / TEMPERATURE)
    others = ~torch.eye(count, dtype=torch.bool, device=views.device)
    negatives = products.masked_select(others).view(count, -1).sum(dim=-1)
    first, second = views.chunk(2)
    positives = torch.exp((first * second).sum(dim=-1) / TEMPERATURE)
    return -torch.log(torch.cat([positives, positives]) / negatives).mean()


def plain(views: Tensor) -> Tensor:
    """Return it as the cross-entropy of all products."""
    logits = (views @ views.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    positives = torch.arange(len(views), device=views.device).roll(len(views) // 2)
    return functional.cross_entropy(logits, positives)


def in_chunks(views: Tensor) -> Tensor:
    """Return it a chunk of anchors at a time."""
    return nt_xent_in_chunks(views, temperature=TEMPERATURE)


WAYS: Mapping[str, Callable[[Tensor], Tensor]] = {
    REFERENCE: reference,
    PLAIN: plain,
    CHUNKS: in_chunks,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 if the goal is missed."""
    options = _parser().parse_args(arguments)
    if options.way is not None:
        cost = cost_here(options.way, options.rows, options.dim, torch.device(options.device))
        print(json.dumps(asdict(cost)))
        return 0
    costs = {
        way: cost_in_child(way, options.rows, options.dim, device=options.device) for way in WAYS
    }
    print(f"2N = {options.rows}, {options.dim} numbers each, {options.device}")
    print(f"{'way':<24}{'extra MiB':>10}{'seconds':>9}{'loss':>12}{'|gradient|':>12}")
    for way, cost in costs.items():
        took = f"{cost.extra_bytes / 2**20:>10.1f}{cost.seconds:>9.2f}"
        print(f"{way:<24}{took}{cost.loss:>12.6f}{cost.gradient_norm:>12.3e}")
    share = costs[CHUNKS].extra_bytes / costs[REFERENCE].extra_bytes
    print(f"\n{CHUNKS} over {REFERENCE}: {share:.3f} of the memory; goal <= {MOST_SHARE}")
    return int(share > MOST_SHARE)


def cost_in_child(way: str, rows: int, dim: int, *, device: str = "cpu") -> Cost:
    """Return what a way costs in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.nt_xent_memory", "--way", way]
    sizes = ["--rows", str(rows), "--dim", str(dim), "--device", device]
    done = subprocess.run([*command, *sizes], check=True, capture_output=True, text=True, cwd=ROOT)
    return Cost(**json.loads(done.stdout))


def cost_here(way: str, rows: int, dim: int, device: torch.device) -> Cost:
    """Return what a way costs in this process, whose peak so far is forgotten."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(rows, dim, generator=generator).to(device)
    views = functional.normalize(raw, dim=-1).requires_grad_()
    compute = WAYS[way]
    small = functional.normalize(raw[:64], dim=-1).requires_grad_()
    compute(small).backward()  # thread pools and buffers that are there once
    before = _start_peak(device)
    start_s = time.perf_counter()
    loss = compute(views)
    loss.backward()
    value = float(loss)
    seconds = time.perf_counter() - start_s
    extra = _peak(device) - before
    assert views.grad is not None
    return Cost(extra, seconds, value, float(views.grad.norm()))


def _start_peak(device: torch.device) -> int:
    """Forget the peak so far; return the bytes held now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak resident set size
    return _status("VmRSS")


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    return _status("VmHWM")


def _status(name: str) -> int:
    """Return a size of this process in bytes, as Linux tells it in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status does not tell {name}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rows", type=int, default=8192, help="2N (default: 8192)")
    add("--dim", type=int, default=128, help="of a projection (default: 128)")
    add("--device", default="cpu", help="cpu or cuda (default: cpu)")
    add("--way", choices=WAYS, help="measure one way in this process, and print it as JSON")
    return parser


if __name__ == "__main__":
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    sys.exit(main())

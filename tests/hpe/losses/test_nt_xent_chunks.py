"""NT-Xent in chunks: the value and gradient of the whole matrix, in less memory."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from hpe.losses import contrastive, nt_xent_chunks
from hpe.losses.contrastive import nt_xent, top1_share

PEAK_BYTES = """
import sys, torch
from pathlib import Path
from torch.nn.functional import cross_entropy, normalize
from hpe.losses.contrastive import nt_xent, top1_share
from hpe.losses.nt_xent_chunks import nt_xent_in_chunks
torch.set_num_threads(1)

def naive(anchor, positive, *, temperature):
    views = normalize(torch.cat([anchor, positive]), dim=-1)
    logits = (views @ views.T / temperature).fill_diagonal_(-torch.inf)
    return cross_entropy(logits, torch.arange(len(views)).roll(len(views) // 2))

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

loss_of = {"naive": naive, "ours": nt_xent}[sys.argv[1]]
small, rows = torch.randn(64, 32, requires_grad=True), torch.randn(4096, 32, requires_grad=True)
naive(small, small.flip(0), temperature=0.5).backward()
nt_xent_in_chunks(normalize(small), temperature=0.5).backward()  # what is imported only then
before = peak()
loss_of(rows, rows.roll(1), temperature=0.5).backward()
if sys.argv[1] == "ours":
    top1_share(rows, rows.roll(1))
print(peak() - before)
"""


@pytest.fixture
def _chunks_of_5(monkeypatch):
    monkeypatch.setattr(nt_xent_chunks, "MOST_ROWS_AT_ONCE", 10)
    monkeypatch.setattr(nt_xent_chunks, "CHUNK_ROWS", 5)
    monkeypatch.setattr(contrastive, "MOST_ROWS_AT_ONCE", 10)


def projections(batch, dim, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, dim, generator=generator, dtype=torch.float64)


def of_the_whole_matrix(anchor, positive, temperature):
    views = normalize(torch.cat([anchor, positive]), dim=-1)
    logits = (views @ views.T / temperature).fill_diagonal_(-torch.inf)
    return cross_entropy(logits, torch.arange(len(views)).roll(len(views) // 2))


def value_and_gradients(loss_of, *rows):
    rows = [row.clone().requires_grad_() for row in rows]
    loss = loss_of(*rows)
    return loss.detach(), torch.autograd.grad(3 * loss, rows)


@pytest.mark.usefixtures("_chunks_of_5")
@pytest.mark.parametrize("batch", [6, 10, 13])
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_has_the_value_and_gradient_of_the_whole_matrix(batch, temperature):
    rows = projections(batch, 4, seed=0), projections(batch, 4, seed=1)
    expected = value_and_gradients(lambda a, p: of_the_whole_matrix(a, p, temperature), *rows)
    given = value_and_gradients(lambda a, p: nt_xent(a, p, temperature=temperature), *rows)
    torch.testing.assert_close(given, expected)


@pytest.mark.usefixtures("_chunks_of_5")
def test_has_the_right_gradient():
    anchor = projections(7, 3, seed=4).requires_grad_()
    positive = projections(7, 3, seed=5).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, p: nt_xent(a, p, temperature=0.4), (anchor, positive))


def test_t5_in_chunks(monkeypatch):
    monkeypatch.setattr(contrastive, "MOST_ROWS_AT_ONCE", 2)
    identity = torch.eye(2, dtype=torch.float64)
    loss = nt_xent(identity, identity, temperature=0.5).item()
    assert loss == pytest.approx(math.log(1 + 2 * math.exp(-2)), abs=1e-12)


@pytest.mark.usefixtures("_chunks_of_5")
def test_the_nearest_row_is_found_in_chunks():
    anchor, positive = projections(9, 3, seed=6), projections(9, 3, seed=7)
    views = normalize(torch.cat([anchor, positive]), dim=-1)
    hits = 0
    for i, view in enumerate(views):
        others = {k: float(view @ row) for k, row in enumerate(views) if k != i}
        hits += max(others, key=others.__getitem__) == (i + 9) % 18
    assert top1_share(anchor, positive).item() == pytest.approx(hits / 18)


def test_rows_are_compared_at_once_unless_they_are_many():
    limit, step = nt_xent_chunks.MOST_ROWS_AT_ONCE, nt_xent_chunks.CHUNK_ROWS
    assert list(nt_xent_chunks.row_chunks(limit)) == [slice(0, limit)]
    many = list(nt_xent_chunks.row_chunks(limit + 1))
    assert many[0] == slice(0, step)
    assert many[-1] == slice(limit, limit + 1)


@pytest.mark.slow
def test_8192_rows_have_the_whole_matrix_value_and_gradient_in_single_precision():
    rows = projections(4096, 16, seed=8).float(), projections(4096, 16, seed=9).float()
    expected = value_and_gradients(lambda a, p: of_the_whole_matrix(a, p, 0.5), *rows)
    given = value_and_gradients(lambda a, p: nt_xent(a, p, temperature=0.5), *rows)
    torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's accounts")
@pytest.mark.slow
def test_8192_rows_take_at_most_a_quarter_of_the_memory():
    naive, ours = (
        int(
            subprocess.run(
                [sys.executable, "-c", PEAK_BYTES, which],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for which in ("naive", "ours")
    )
    assert naive > 2 * 8192**2 * 4
    assert 0 < ours <= naive / 4

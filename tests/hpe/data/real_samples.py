"""Where a few real samples may lie beside the repository; tests that need them skip without."""

from pathlib import Path

import pytest

REAL = Path(__file__).parents[4] / "shared" / "data"

needs_h36m = pytest.mark.skipif(
    not (REAL / "h36m").is_dir(), reason="needs real samples of Human3.6M"
)
needs_mpii = pytest.mark.skipif(not (REAL / "mpii").is_dir(), reason="needs real samples of MPII")
needs_photographs = pytest.mark.skipif(
    not all((REAL / n).is_dir() for n in ("freihand", "onehand10k", "coco", "rhd")),
    reason="needs real samples of hands in photographs",
)

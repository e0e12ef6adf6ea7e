import os
import subprocess
import sys

import pytest

PROBE = """
import os, sys, urllib.request
import hpe.augment.composition
assert "albumentations" not in sys.modules, "imported before it was needed"

class Refused:
    def open(self, *args, **kwargs):
        raise AssertionError("albumentations asked the package index")

urllib.request.build_opener = lambda *args: Refused()
from hpe.augment.kernels import kernels
assert kernels() is kernels()
assert "albumentations" in sys.modules
print(os.environ.get("NO_ALBUMENTATIONS_UPDATE"))
"""


def probe(environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("before", [None, "0"])
def test_albumentations_comes_in_late_and_quietly_and_leaves_the_environment_alone(before):
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    if before is not None:
        environment["NO_ALBUMENTATIONS_UPDATE"] = before
    assert probe(environment) == str(before)

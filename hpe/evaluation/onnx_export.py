"""A network as an ONNX file, compared with the original before it counts."""

import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.onnx import OnnxExporterError

from hpe.whole_file import replacing

VIEWS = "views"
CHECKED_BATCHES = (1, 3)

Parity = Mapping[str, float]
"""Output -> the largest difference between the file and the network on random views."""


@dataclass(frozen=True)
class OnnxOutput:
    """One output of a file.

    Attributes:
        name: What it is called there.
        meaning: What it says.
        unit: In which unit, for people.
        tolerance: Largest difference in that unit that counts as the same.
    """

    name: str
    meaning: str
    unit: str
    tolerance: float


@dataclass(frozen=True)
class OnnxNetwork:
    """A network on the CPU, as a file is to hold it.

    Attributes:
        module: From float32 views, batch x 3 x height x width, RGB in [0, 1], to the outputs.
        height_px: Of its views.
        width_px: Of its views.
        outputs: What it says, in order.
        original: What the file is compared with; None: the module, where the network needs no other
            words to be written down.
    """

    module: nn.Module
    height_px: int
    width_px: int
    outputs: Sequence[OnnxOutput]
    original: Callable[[Tensor], tuple[Tensor, ...]] | None = None

    def views(self, batch: int, *, seed: int) -> Float[Tensor, "batch 3 height width"]:
        """Return random views."""
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(batch, 3, self.height_px, self.width_px, generator=generator)

    def told(self, parity: Parity) -> str:
        """Say of a file what goes in, what comes out, and how far it is from the network."""
        said = ", ".join(f"`{output.name}` ({output.meaning})" for output in self.outputs)
        size = f"{self.height_px} x {self.width_px}"
        return (
            f"from `{VIEWS}` in [0, 1] (float32, batch x 3 x {size}, RGB) to {said}; differs from "
            f"the network by at most {self.apart(parity)} on random views"
        )

    def apart(self, parity: Parity) -> str:
        """Say how far a file is from the network."""
        return " and ".join(f"{parity[o.name]:.1e} {o.unit}" for o in self.outputs)


def export_onnx(network: OnnxNetwork, path: Path) -> Parity:
    """Write a network as ONNX and check it with onnxruntime.

    Views are made outside, and what it says is brought back to the picture outside.

    Raises:
        ValueError: If the network cannot be written down, or the file says something else than it
            or takes batches of one size alone; nothing is left behind.
    """
    module = network.module.eval()
    with replacing(path) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own, about its parts
            try:
                torch.onnx.export(
                    module,
                    (network.views(2, seed=0),),
                    str(temporary),
                    input_names=[VIEWS],
                    output_names=[output.name for output in network.outputs],
                    dynamic_shapes=({0: torch.export.Dim("batch")},),
                    dynamo=True,
                    external_data=False,
                    verbose=False,
                )
            except OnnxExporterError as error:
                first = str(error).strip().splitlines()[0]
                raise ValueError(f"this network cannot be written as ONNX: {first}") from error
        parity = compare_with_onnx(network, temporary)
        if any(not parity[o.name] <= o.tolerance for o in network.outputs):
            allowed = " and ".join(f"{o.tolerance:g}" for o in network.outputs)
            raise ValueError(
                f"the ONNX file differs from the network by {network.apart(parity)}, above "
                f"{allowed}; it was not kept."
            )
    return parity


def compare_with_onnx(network: OnnxNetwork, path: Path) -> Parity:
    """Return how far a file and a network are apart on random views, in batches of two sizes."""
    runtime: Any = importlib.import_module("onnxruntime")  # a second of import for this alone
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    size = session.get_inputs()[0].shape[0]
    if isinstance(size, int):
        raise ValueError(f"the ONNX file takes batches of {size} alone, not of any size.")
    original = network.original or network.module
    network.module.eval()
    apart = {output.name: 0.0 for output in network.outputs}
    for batch in CHECKED_BATCHES:
        views = network.views(batch, seed=batch)
        found = session.run(list(apart), {VIEWS: views.numpy()})
        with torch.no_grad():
            own = original(views)
        for name, theirs, ours in zip(apart, found, own, strict=True):
            apart[name] = max(apart[name], float(np.abs(theirs - ours.numpy()).max()))
    return apart

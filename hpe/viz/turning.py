"""Poses in three dimensions that turn under a finger, as HTML that needs nothing else."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np
from jaxtyping import Float

SCRIPT = Template(Path(__file__).with_suffix(".html").read_text())
PAGE = Template(
    '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width">\n<title>$title</title>\n'
    '<body style="margin: 1rem; background: #fff">\n$fragment</body>\n</html>\n'
)
DIGITS = 4  # of a radius of 1, far below a pixel


@dataclass(frozen=True)
class Turning:
    """Poses beside each other, each over its truth in grey; dragging turns all of them.

    Attributes:
        predicted: Joints of the poses, camera coordinates (x right, y down, z away), any unit.
        true: The same of the truth.
        root: The joint by which one lies on the other.
        bones: Pairs of joints.
        colors: RGB of each bone.
        captions: Of each pose.
    """

    predicted: Float[np.ndarray, "poses joints 3"]
    true: Float[np.ndarray, "poses joints 3"]
    root: int
    bones: Sequence[tuple[int, int]]
    colors: Sequence[tuple[int, int, int]]
    captions: Sequence[str]

    def as_fragment(self) -> str:
        """Return a canvas and its script, a part of any page."""
        predicted = self.predicted - self.predicted[:, [self.root]]
        true = self.true - self.true[:, [self.root]]
        middle = true.mean(axis=1, keepdims=True)
        predicted, true = predicted - middle, true - middle
        reach = max(float(np.linalg.norm(joints, axis=-1).max()) for joints in (predicted, true))
        scene = {
            "predicted": np.round(predicted / reach, DIGITS).tolist(),
            "true": np.round(true / reach, DIGITS).tolist(),
            "bones": [list(bone) for bone in self.bones],
            "colors": [f"rgb({','.join(map(str, color))})" for color in self.colors],
            "captions": list(self.captions),
        }
        return SCRIPT.substitute(scene=json.dumps(scene).replace("<", "\\u003c"))

    def as_page(self, title: str) -> str:
        """Return a page of its own.

        Args:
            title: Plain text without markup.
        """
        return PAGE.substitute(title=title, fragment=self.as_fragment())

"""Where `sweep/predict.py` looks first: a given box, one of a file, or the photograph's middle."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hpe.evaluation.boxes import Box, centered_box

CENTERED = "the box in the middle (none was given)"


@dataclass(frozen=True)
class FirstBoxes:
    """Boxes by photograph.

    Attributes:
        for_all: The one box of every photograph.
        by_name: File name -> box.
        file: Where `by_name` is from.
    """

    for_all: Box | None = None
    by_name: Mapping[str, Box] = field(default_factory=dict)
    file: Path | None = None

    def box_in(self, name: str, *, height_px: int, width_px: int) -> tuple[Box, str]:
        """Return a photograph's box, and in words where it is from; none was given: the middle's.

        Raises:
            ValueError: As `given_in` does.
        """
        given = self.given_in(name, height_px=height_px, width_px=width_px)
        if given is None:
            return centered_box(height_px=height_px, width_px=width_px), CENTERED
        return given

    def given_in(self, name: str, *, height_px: int, width_px: int) -> tuple[Box, str] | None:
        """Return the box that was given for a photograph, and in words how; None for none.

        Raises:
            ValueError: If the file has none for it, or the box lies outside of it.
        """
        if self.for_all is not None:
            box, told = self.for_all, "--box"
        elif self.file is not None:
            if name not in self.by_name:
                raise ValueError(
                    f"{self.file} has no box for {name}; add one, or leave --boxes out to start "
                    "from the middle of every photograph."
                )
            box, told = self.by_name[name], f"--boxes {self.file.name}"
        else:
            return None
        inside_x = box.x < width_px and box.x + box.width > 0
        inside_y = box.y < height_px and box.y + box.height > 0
        if not (inside_x and inside_y):
            raise ValueError(
                f"the box of {name} must meet the photograph, {width_px} x {height_px} px, got "
                f"{box.x:g},{box.y:g},{box.width:g},{box.height:g} (x, y, width, height)."
            )
        return box, told


def parse_box(text: str) -> Box:
    """Return the box that `x,y,w,h` says.

    Raises:
        ValueError: If it is something else.
    """
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"a box must be x,y,width,height in pixels, got {text!r}.") from None
    return Box(x, y, width, height)


def read_boxes(path: Path) -> FirstBoxes:
    """Read boxes: JSON `{"a.jpg": [x, y, w, h]}`, or CSV with the columns name, x, y, w, h.

    Raises:
        ValueError: If the file is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        rows = _json_rows(text) if path.suffix == ".json" else _csv_rows(text)
        boxes = {name: parse_box(",".join(map(str, values))) for name, values in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'--boxes {path}: must be JSON, {{"a.jpg": [x, y, w, h]}}, or CSV with the columns '
            f"name,x,y,w,h ({error})."
        ) from None
    return FirstBoxes(by_name=boxes, file=path)


def _json_rows(text: str) -> dict[str, list[float]]:
    rows: dict[str, list[float]] = json.loads(text)
    return dict(rows.items())


def _csv_rows(text: str) -> dict[str, list[str]]:
    reader = csv.DictReader(text.splitlines())
    return {row["name"]: [row[column] for column in ("x", "y", "w", "h")] for row in reader}

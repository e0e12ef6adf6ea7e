"""How figures look: one palette that colour-blind people can read, plain axes, large type."""

import io
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

INK = "#1f2430"
MUTED = "#8a90a0"
QUIET = "#bcc1cc"
FAINT = "#d5d8e0"
BEST = "#d55e00"  # vermillion: the best, and nothing else
ARMS = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")  # Okabe and Ito (2008)
DPI = 160
TEXT_PT = 10.5


@dataclass(frozen=True)
class Chart:
    """A figure with its data.

    Attributes:
        name: File name without suffix.
        title: The heading above it.
        caption: What to look for, in a sentence or two.
        png: The picture.
        columns: Of the data.
        rows: Of the data.
        live: HTML to stand below the picture, if there is something to touch.
        beside: Another figure to be seen next to this one.
    """

    name: str
    title: str
    caption: str
    png: bytes
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    live: str = ""
    beside: "Chart | None" = None

    def both(self) -> "tuple[Chart, ...]":
        """Return the figure, and the one next to it."""
        return (self,) if self.beside is None else (self, self.beside)


def new_figure(width_in: float = 7.0, height_in: float = 3.9) -> tuple[Figure, Axes]:
    """Return an empty figure with one plain pair of axes; no global state is touched."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    plain(axes)
    return figure, axes


def new_grid(num_rows: int, num_columns: int) -> tuple[Figure, list[Axes]]:
    """Return an empty figure with plain pairs of axes, row by row, which share what is upwards."""
    figure = Figure(figsize=(7.0, 2.7 * num_rows + 0.3), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(num_rows, num_columns, sharey=True, squeeze=False)
    for axes in panels.flat:
        plain(axes)
    return figure, list(panels.flat)


def plain(axes: Axes) -> None:
    """Leave of the frame what is read, in quiet colours."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=TEXT_PT - 1, length=3, color=FAINT)
    axes.grid(axis="y", color=FAINT, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)


def label(axes: Axes, *, x: str, y: str) -> None:
    """Name the axes."""
    axes.set_xlabel(x, color=INK, fontsize=TEXT_PT)
    axes.set_ylabel(y, color=INK, fontsize=TEXT_PT)


def legend(axes: Axes) -> None:
    """Show the legend above the axes, where it hides no data, if there is anything to name."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        axes.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=3,
            frameon=False,
            fontsize=TEXT_PT - 1.5,
            labelcolor=INK,
            columnspacing=1.4,
            handletextpad=0.5,
        )


def as_png(figure: Figure) -> bytes:
    """Return the figure as PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


@cache
def merit_colors() -> Colormap:
    """Return colours from the best (0, dark) to the worst (1, light but visible on white)."""
    cividis = matplotlib.colormaps["cividis"]
    return LinearSegmentedColormap.from_list("merit", [cividis(x / 10 * 0.82) for x in range(11)])


def arm_colors(names: list[str]) -> dict[str, str]:
    """Return a colour for each arm; past six they repeat."""
    return {name: ARMS[i % len(ARMS)] for i, name in enumerate(names)}

"""How results are worded for people: names of trials, numbers, units, what counts as better."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sweep.trials import Trial

UNITS = ("mm", "px", "deg", "s")
WRITTEN = {
    "epe": "EPE",
    "auc": "AUC",
    "pck": "PCK",
    "pckh": "PCKh",
    "miou": "mIoU",
    "mpjpe": "MPJPE",
    "2d": "2D",
}
"""Word of a metric's name -> how the field writes it."""

PUT_TOGETHER = {"pa EPE": "PA-EPE", "pa MPJPE": "PA-MPJPE", "EPE 2D": "2D EPE"}
"""The same of words that belong together."""


def trial_name(trial: Trial, *, many_seeds: bool = False) -> str:
    """Return what people call a trial."""
    if trial.replicate_of is not None:
        point = f"trial {trial.replicate_of}" if trial.arm is None else f"arm {trial.arm}"
        if trial.without is not None:
            parts = " and ".join(part_name(name) for name in trial.without)
            what = f"{point} without {parts}" if parts else f"ablation of {point}"
            return f"{what}, seed {trial.seed}"
        return f"replicate of {point}, seed {trial.seed}"
    name = f"trial {trial.number}" if trial.arm is None else f"arm {trial.arm}"
    return f"{name}, seed {trial.seed}" if many_seeds else name


def part_name(path: str) -> str:
    """Return what people call a part that is switched off: `pretrain/augment/blur` -> `blur`."""
    return path.rpartition("/")[2].removesuffix("_weight")


def short_names(paths: Collection[str], *, at_least: int = 1) -> Mapping[str, str]:
    """Return the end of each path that tells it from the others.

    Args:
        paths: Such as `paired/loss/ce_weight`.
        at_least: How many parts an end has, where the path has them.
    """
    ends = Counter(end for path in set(paths) for end in _ends(path, at_least))
    return {
        path: next((end for end in _ends(path, at_least) if ends[end] == 1), path) for path in paths
    }


def _ends(path: str, at_least: int) -> Iterator[str]:
    """Yield the ends of a path, the shortest first: `b/c` after `c`."""
    parts = path.split("/")
    first = min(at_least, len(parts))
    return ("/".join(parts[-count:]) for count in range(first, len(parts) + 1))


def unit_of(metric: str) -> str:
    """Return the unit at the end of a metric's name, with a space before it, or nothing."""
    ending = metric.rpartition("_")[2]
    return f" {ending}" if ending in UNITS else ""


def metric_words(metric: str, *, unit: bool = True) -> str:
    """Return a metric's name as text: `finetune/val/root_epe_mm` -> `val root EPE (mm)`."""
    *_, split, name = ["", *metric.split("/")]
    ending = unit_of(name).strip()
    words = name.removesuffix(f"_{ending}") if ending else name
    text = " ".join(WRITTEN.get(w, w) for w in f"{split}_{words}".split("_"))
    for name, written in PUT_TOGETHER.items():
        text = text.replace(name, written)
    text = text.strip()
    return f"{text} ({ending})" if ending and unit else text


def shown_number(value: float, digits: int = 4) -> str:
    """Return a number with as many digits as a person reads, trailing zeros included."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:#.{digits}g}".rstrip(".") if abs(value) < 10**digits else f"{value:,.0f}"


def shown_setting(value: Any) -> str:
    """Return a setting's value as a study file has it."""
    if isinstance(value, bool) or value is None:
        return str(value).lower().replace("none", "null")
    return f"{value:g}" if isinstance(value, float) else str(value)


def with_unit(value: float, metric: str, digits: int = 4) -> str:
    """Return a value of a metric as a person reads it, with its unit."""
    return f"{shown_number(value, digits)}{unit_of(metric)}"


def with_spread(mean: float, sd: float | None) -> str:
    """Return a mean over seeds and the standard deviation between them, if it is known."""
    return shown_number(mean) if sd is None else f"{shown_number(mean)} ± {shown_number(sd, 2)}"


def better(value: float, other: float, direction: str) -> bool:
    """Say whether a value is strictly better than another."""
    return value < other if direction == "minimize" else value > other


def best_of(values: Iterable[float], direction: str) -> float:
    """Return the best of some values; there must be one."""
    return min(values) if direction == "minimize" else max(values)


def percent(share: float) -> str:
    """Return a share in words: `95 %`."""
    return f"{100 * share:.0f} %"

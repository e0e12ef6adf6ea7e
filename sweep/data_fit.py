"""Whether the data and files that a study names suffice for what its phases are set to do."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from hpe.config import Config
from hpe.data.catalog import knows_depth, knows_visible, task_of
from hpe.data.mixture import Mixing, sources_of
from hpe.data.opened import SPLITS, OpenedData
from hpe.outside_files import OutsideFiles, outside_files
from sweep.messages import about
from sweep.points import Point

TRAINED_ON = ("unlabelled", "train")


def split_sizes(data: Config) -> dict[str, int]:
    """Return the samples of each split where the data set's settings say so, else nothing."""
    if isinstance(data, Mixing):
        return _mixed_sizes(data)
    settings = type(data).model_fields
    return {name: getattr(data, name) for name in SPLITS if name in settings}


def _mixed_sizes(data: Mixing) -> dict[str, int]:
    sizes = {name: split_sizes(source.data) for name, source in data.sources.items()}
    if not all(sizes.values()):
        return {}
    return {split: sum(sizes[name][split] for name in sources_of(data, split)) for split in SPLITS}


def check_data_suffices(
    point: Point, sizes: Mapping[str, int], *, replaced: Collection[str] = ()
) -> None:
    """Refuse a point of which a phase could not take one step.

    Args:
        point: What is to run.
        sizes: Split -> samples; nothing is refused where they are not known.
        replaced: Labels that are not trained.

    Raises:
        ValueError: With the phase, what a step takes and what there is.
    """
    for step in point.plan:
        if sizes and step.spec.workload is not None and step.label not in replaced:
            with about(step.label):
                step.spec.workload(point.configs[step.label], sizes)


def require_training_samples(data: OpenedData[Any], config: Config) -> None:
    """Refuse to train on a data set of which only what is scored on is there.

    Args:
        data: The data set, open.
        config: Its settings.

    Raises:
        ValueError: If there is nothing to train on.
    """
    if task_of(config) != "nothing" and not any(len(data.splits[name]) for name in TRAINED_ON):
        raise ValueError(
            f"{data.name} has nothing in {' and '.join(TRAINED_ON)}: what lies in its folder is to "
            "be scored on with sweep/evaluate.py --data, not to be trained on (docs/data.md)."
        )


@runtime_checkable
class NeedsDepth(Protocol):
    """Settings of a phase that scores, or starts from, joints in space."""

    @property
    def depth_splits(self) -> tuple[str, ...]:
        """Splits that must have samples whose joints are known in space."""


def check_depth_is_known(point: Point, data: Config, *, replaced: Collection[str] = ()) -> None:
    """Refuse a point that needs joints in space where the data set has keypoints alone.

    Args:
        point: What is to run.
        data: The settings of the data set.
        replaced: Labels that are not trained.

    Raises:
        ValueError: With the phase and its splits.
    """
    for label, config in point.configs.items():
        if label in replaced or not isinstance(config, NeedsDepth):
            continue
        flat = [split for split in config.depth_splits if not knows_depth(data, split)]
        if flat:
            hint = f", or set {label}/probe/every to 0" if hasattr(config, "probe") else ""
            name = data.model_dump()["name"]
            raise ValueError(
                f"{label}: scores in millimetres need joints in space, and {name} has keypoints "
                f"alone in {' and '.join(flat)}: use data: {{name: mixture, ...}} whose train_on "
                f"and score_on name a data set with depth{hint}."
            )


@runtime_checkable
class ScoresVisibility(Protocol):
    """Settings of a phase that may score visible and hidden pixels of masks apart."""

    @property
    def score_visibility(self) -> bool:
        """Whether it does."""


def check_visibility_is_known(
    point: Point, data: Config, *, replaced: Collection[str] = ()
) -> None:
    """Refuse a point that scores by visibility where the data set does not know what is visible.

    Args:
        point: What is to run.
        data: The settings of the data set.
        replaced: Labels that are not trained.

    Raises:
        ValueError: With every setting that is to be changed.
    """
    scoring = [
        f"{label}/score_visibility"
        for label, config in point.configs.items()
        if label not in replaced
        and isinstance(config, ScoresVisibility)
        and config.score_visibility
    ]
    if scoring and not knows_visible(data):
        raise ValueError(
            f"{', '.join(scoring)}: must be false, as {data.model_dump()['name']} does not know "
            "which pixels of its masks are visible, got true."
        )


def check_files(points: Iterable[Point], *, replaced: Collection[str] = ()) -> None:
    """Refuse points whose settings name files that are not there, or cannot be used.

    Args:
        points: What is to run; files that several of them name are looked at once.
        replaced: Labels that are not trained.

    Raises:
        ValueError: With the phase, the section of its settings, and what is wrong.
    """
    checked: set[OutsideFiles] = set()
    for point in points:
        for label, config in point.configs.items():
            named = () if label in replaced else outside_files(config)
            for path, files in named:
                if files not in checked:
                    with about(f"{label}: {path}"):
                        _check(files)
                    checked.add(files)


def _check(files: OutsideFiles) -> None:
    try:
        files.check(files.folder)
    except OSError as error:
        raise ValueError(str(error)) from error

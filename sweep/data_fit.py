"""Whether the data and files that a study names suffice for what its phases are set to do."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol, runtime_checkable

from hpe.augment.composition import CompositionConfig
from hpe.augment.occlusion import require_occluders
from hpe.config import Config
from hpe.data.catalog import knows_depth, task_of
from hpe.data.mixture import Mixing, sources_of
from hpe.data.opened import SPLITS, OpenedData
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


def check_files_exist(point: Point, *, replaced: Collection[str] = ()) -> None:
    """Refuse a point whose views take objects from files that are not there.

    Args:
        point: What is to run.
        replaced: Labels that are not trained.

    Raises:
        ValueError: With the phase and what is missing.
    """
    for label, config in point.configs.items():
        augment = getattr(config, "augment", None)
        if label in replaced or not isinstance(augment, CompositionConfig):
            continue
        try:
            require_occluders(augment.occlude)
        except FileNotFoundError as error:
            raise ValueError(f"{label}: augment/occlude: {error}") from error

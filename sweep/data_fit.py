"""Whether the data and files that a study names suffice for what its phases are set to do."""

from collections.abc import Collection, Mapping

from hpe.augment.composition import CompositionConfig
from hpe.augment.occlusion import require_occluders
from hpe.config import Config
from hpe.data.opened import SPLITS
from sweep.messages import about
from sweep.points import Point


def split_sizes(data: Config) -> dict[str, int]:
    """Return the samples of each split where the data set's settings say so, else nothing."""
    settings = type(data).model_fields
    return {name: getattr(data, name) for name in SPLITS if name in settings}


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

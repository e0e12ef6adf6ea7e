"""Whether the data that a study names is enough for what its phases are set to do."""

from collections.abc import Collection, Mapping

from hpe.config import Config
from hpe.data.hands import SPLITS
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

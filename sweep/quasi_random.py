"""Points that cover a search space evenly."""

from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial
from scipy.stats import qmc

from sweep.unit_cube import value_at


class SobolSampler(BaseSampler):
    """Suggests one point of a scrambled Sobol sequence (Owen, 1998), by its place there.

    Optuna's own sampler takes the space from the first finished trial and counts questions in the
    study's storage: with an arm first, or after a restart, it would be another sequence. Here every
    parameter has a coordinate of its own, one that only some points have too, and the place is that
    of the point among all searched ones.

    Args:
        parameters: Every parameter that a point may have.
        place: Which point of the sequence, from 0.
        sequence_seed: Scrambles the sequence; the same for all points of a study.
        seed: For parameters that are not among `parameters`.
    """

    def __init__(
        self, parameters: Sequence[str], *, place: int, sequence_seed: int, seed: int
    ) -> None:
        self._independent = RandomSampler(seed=seed)
        self._coordinates: dict[str, float] = {}
        if parameters:
            sequence = qmc.Sobol(len(parameters), scramble=True, rng=sequence_seed)
            if place > 0:
                sequence.fast_forward(place)
            point = (float(coordinate) for coordinate in sequence.random(1)[0])
            self._coordinates = dict(zip(sorted(parameters), point, strict=True))

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002  Optuna's name
        trial: FrozenTrial,  # noqa: ARG002  Optuna's name
    ) -> dict[str, BaseDistribution]:
        """Leave every parameter to `sample_independent`: their coordinates are known already."""
        return {}

    def sample_relative(
        self,
        study: Study,  # noqa: ARG002  Optuna's name
        trial: FrozenTrial,  # noqa: ARG002  Optuna's name
        search_space: dict[str, BaseDistribution],  # noqa: ARG002  Optuna's name
    ) -> dict[str, Any]:
        """Suggest nothing jointly."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value at the parameter's coordinate."""
        if param_name in self._coordinates:
            return value_at(self._coordinates[param_name], param_distribution)
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

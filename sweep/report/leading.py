"""In which order parameters are looked at: by importance, or before that can be told by ranks."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats import rankdata

from sweep.report.importance import Importance
from sweep.told_trials import distributions_of
from sweep.trials import Trial

Numeric = FloatDistribution | IntDistribution

MIN_TRIALS = 5
"""With fewer that have a parameter, its order among the others is chance alone."""


def leading_paths(found: Importance) -> tuple[str, ...]:
    """Return the parameters that matter most first; empty where nothing can be said."""
    if found.weights:
        return tuple(weight.path for weight in found.weights)
    paths = sorted({path for trial in found.trials for path in trial.distributions})
    shares = {path: rank_share(found.trials, path) for path in paths}
    known = [path for path in paths if shares[path] is not None]
    return tuple(sorted(known, key=lambda path: (-(shares[path] or 0.0), path)))


def rank_share(trials: Sequence[Trial], path: str) -> float | None:
    """Return the share of the objectives' ranks that a parameter alone goes with.

    Of a number it is the square of Spearman's correlation, of a name or a switch the correlation
    ratio of ranks, both adjusted for the number of values that had to be fitted (Ezekiel, 1930), so
    that a name of many levels does not lead for that alone. None where too few trials have the
    parameter, or all of them the same value.
    """
    having = [trial for trial in trials if path in trial.params]
    values = [trial.params[path] for trial in having]
    levels = sorted({repr(value) for value in values})
    if len(having) < MIN_TRIALS or len(levels) < 2:
        return None
    ranks = rankdata([trial.objective for trial in having])
    if np.ptp(ranks) == 0:
        return None
    if numeric_distribution(having, path) is not None:
        places = rankdata([float(value) for value in values])
        share, fitted = float(np.corrcoef(places, ranks)[0, 1]) ** 2, 2
    else:
        groups = [[repr(value) == level for value in values] for level in levels]
        share, fitted = _between(ranks, np.array(groups)), len(levels)
    if fitted >= len(having):
        return None
    return max(0.0, 1 - (1 - share) * (len(having) - 1) / (len(having) - fitted))


def numeric_distribution(trials: Sequence[Trial], path: str) -> Numeric | None:
    """Return what a number was drawn from; None for a name or a switch."""
    drawn = (distributions_of(t)[path] for t in trials if path in t.distributions)
    found = next(drawn, None)
    if isinstance(found, Numeric):
        return found
    assert found is None or isinstance(found, CategoricalDistribution)
    return None


def _between(ranks: Float[np.ndarray, " n"], groups: Bool[np.ndarray, "k n"]) -> float:
    """Return the share of the ranks' variance that lies between groups."""
    means = np.array([ranks[group].mean() for group in groups])
    sizes = groups.sum(axis=1)
    return float(sizes @ (means - ranks.mean()) ** 2 / ((ranks - ranks.mean()) ** 2).sum())

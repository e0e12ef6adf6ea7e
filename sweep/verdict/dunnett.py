"""Critical values for several candidates that are compared with one control (Dunnett, 1955).

The best of several candidates is looked at because it is the best, which flatters it. Dunnett's
critical value makes up for that: it is the quantile of the largest of the k statistics.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

_NORMAL_NODES, _NORMAL_WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
_NORMAL_WEIGHTS = _NORMAL_WEIGHTS / _NORMAL_WEIGHTS.sum()
_SCALE_QUANTILES = (np.arange(400) + 0.5) / 400
_BRACKET = (-10.0, 1e4)


@lru_cache(maxsize=1024)
def dunnett_quantile(confidence: float, *, candidates: int, df: int) -> float:
    """Return q with P(T_1 <= q, ..., T_k <= q) = confidence.

    T_i are t statistics that share a scale and have pairwise correlation 1/2, as differences from
    one control have whose variances are equal (Dunnett, "A multiple comparison procedure for
    comparing several treatments with a control", 1955, eq. 3). With one candidate it is Student's
    quantile.

    Args:
        confidence: Of all bounds together, in (0, 1).
        candidates: How many there were to pick from, at least 1.
        df: Degrees of freedom, at least 1.

    Raises:
        ValueError: If there is no candidate or no degree of freedom.
    """
    _require_something(candidates, df)
    if candidates == 1:
        return float(stats.t.ppf(confidence, df))
    return _quantile_of_largest(
        confidence, candidates, df, lambda q: stats.norm.cdf(_NORMAL_NODES + np.sqrt(2) * q)
    )


@lru_cache(maxsize=1024)
def two_sided_dunnett_quantile(confidence: float, *, candidates: int, df: int) -> float:
    """Return q with P(|T_1| <= q, ..., |T_k| <= q) = confidence; else as `dunnett_quantile`."""
    _require_something(candidates, df)
    if candidates == 1:
        return float(stats.t.ppf((1 + confidence) / 2, df))
    return _quantile_of_largest(
        confidence,
        candidates,
        df,
        lambda q: (
            stats.norm.cdf(_NORMAL_NODES + np.sqrt(2) * q)
            - stats.norm.cdf(_NORMAL_NODES - np.sqrt(2) * q)
        ).clip(min=0),
    )


def _require_something(candidates: int, df: int) -> None:
    if candidates < 1 or df < 1:
        raise ValueError(
            f"Dunnett's quantile needs a candidate and a degree of freedom, got {candidates} and "
            f"{df}."
        )


Column = npt.NDArray[np.float64]


def _quantile_of_largest(
    confidence: float, candidates: int, df: int, probability: Callable[[Column], Column]
) -> float:
    """Return the quantile of the largest statistic.

    Args:
        confidence: As above.
        candidates: As above.
        df: As above.
        probability: That of one statistic to be inside, given bounds (a column) in units of the
            true scale, and the control's deviations (the nodes, a row).
    """
    scales = np.sqrt(stats.chi2.ppf(_SCALE_QUANTILES, df) / df)

    def excess(q: float) -> float:
        inside = probability(q * scales[:, None])
        return float((inside**candidates @ _NORMAL_WEIGHTS).mean()) - confidence

    return float(optimize.brentq(excess, *_BRACKET, xtol=1e-10))

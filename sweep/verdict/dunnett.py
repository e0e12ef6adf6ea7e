"""Critical values for several candidates that are compared with one control (Dunnett, 1955).

The best of several candidates is looked at because it is the best, which flatters it. Dunnett's
critical value makes up for that: it is the quantile of the largest of the k statistics.
"""

from functools import lru_cache

import numpy as np
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
    if candidates < 1 or df < 1:
        raise ValueError(
            f"Dunnett's quantile needs a candidate and a degree of freedom, got {candidates} and "
            f"{df}."
        )
    if candidates == 1:
        return float(stats.t.ppf(confidence, df))
    scales = np.sqrt(stats.chi2.ppf(_SCALE_QUANTILES, df) / df)

    def excess(q: float) -> float:
        below = stats.norm.cdf(np.sqrt(2) * q * scales[:, None] + _NORMAL_NODES[None])
        return float((below**candidates @ _NORMAL_WEIGHTS).mean()) - confidence

    return float(optimize.brentq(excess, *_BRACKET, xtol=1e-10))

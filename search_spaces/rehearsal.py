"""What may be searched of the phases that train nothing."""

from collections.abc import Mapping
from typing import Any

import optuna


def suggest_rehearsal(trial: optuna.Trial) -> Mapping[str, Any]:
    """Vary both phases, with one parameter that only some points have."""
    trial.suggest_float("rehearse_first/x", 0.0, 1.0)
    trial.suggest_float("rehearse_first/y", 0.0, 1.0)
    trial.suggest_float("rehearse_last/rate", 1e-4, 1.0, log=True)
    if trial.suggest_categorical("rehearse_last/fancy", [True, False]):
        trial.suggest_float("rehearse_last/strength", 0.0, 1.0)
    return trial.params

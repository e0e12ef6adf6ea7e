"""Which augmentations pretraining applies, and how strongly.

The published strengths lie inside every range: S0 turns by up to 45 (earlier 90) degrees, zooms
between crop margins of 0.9 and 1.5 (earlier 0.6 and 2.0), moves the crop by up to 15 of about 128
pixels and cuts out boxes of up to 16 % of each side.
"""

import optuna

AUGMENT = "pretrain/augment"


def suggest_augmentations(trial: optuna.Trial) -> None:
    """Choose a subset of the operations, and a strength for each one chosen."""
    _suggest_geometry(trial)
    _suggest_appearance(trial)


def _suggest_geometry(trial: optuna.Trial) -> None:
    if _enabled(trial, "rotate"):
        trial.suggest_float(f"{AUGMENT}/rotate/max_deg", 10.0, 180.0)
    if _enabled(trial, "zoom"):
        trial.suggest_float(f"{AUGMENT}/zoom/max_factor", 1.1, 2.0)
    if _enabled(trial, "translate"):
        trial.suggest_float(f"{AUGMENT}/translate/max_share", 0.02, 0.3)


def _suggest_appearance(trial: optuna.Trial) -> None:
    if _enabled(trial, "replace_background"):
        trial.suggest_float(f"{AUGMENT}/replace_background/prob", 0.3, 1.0)
    if _enabled(trial, "color_jitter"):
        trial.suggest_float(f"{AUGMENT}/color_jitter/strength", 0.2, 1.0)
    if _enabled(trial, "color_drop"):
        trial.suggest_float(f"{AUGMENT}/color_drop/prob", 0.1, 0.5)
    if _enabled(trial, "blur"):
        trial.suggest_float(f"{AUGMENT}/blur/max_sigma", 0.3, 2.0)
    if _enabled(trial, "noise"):
        trial.suggest_float(f"{AUGMENT}/noise/max_std", 5.0, 30.0)
    if _enabled(trial, "cut_out"):
        trial.suggest_float(f"{AUGMENT}/cut_out/max_share", 0.1, 0.4)


def _enabled(trial: optuna.Trial, operation: str) -> bool:
    return bool(trial.suggest_categorical(f"{AUGMENT}/{operation}/enabled", [True, False]))

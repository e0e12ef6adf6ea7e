"""Learning rates and weight decay."""

import optuna


def suggest_pretraining_optimization(trial: optuna.Trial) -> None:
    """Choose pretraining's learning rate and weight decay."""
    trial.suggest_float("pretrain/optimizer/lr", 3e-4, 1e-2, log=True)
    trial.suggest_float("pretrain/optimizer/weight_decay", 1e-7, 1e-2, log=True)

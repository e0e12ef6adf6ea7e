"""Temperatures and weights of loss terms."""

import optuna


def suggest_pretraining_loss(trial: optuna.Trial) -> None:
    """Choose the temperature and how much each contrastive term weighs.

    The invariant term alone is SimCLR, the equivariant one alone PeCLR; only the ratio of their
    weights matters to an optimizer that is indifferent to scale, so one share says it all. The
    published temperature of 0.5 lies inside the range; 0.05 was too low for short runs.
    """
    trial.suggest_float("pretrain/loss/temperature", 0.1, 1.0, log=True)
    trial.suggest_float("pretrain/loss/equivariant_weight", 0.0, 1.0)


def suggest_finetuning_loss(trial: optuna.Trial) -> None:
    """Choose how much depth weighs against image position (published: 5, Iqbal et al., 2018)."""
    trial.suggest_float("finetune/loss/depth_weight", 1.0, 25.0, log=True)

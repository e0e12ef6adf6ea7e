"""A space without the phases that weights replace."""

import optuna
import pytest

from hpe.phases.catalog import PHASES
from search_spaces.space import Space
from sweep.partial_space import without_phases
from trainables.plans import configure, parse_plan


def suggest(trial):
    if trial.suggest_categorical("pretrain/augment/rotate/enabled", [True, False]):
        trial.suggest_float("finetune/loss/depth_weight", 1.0, 9.0)
    trial.suggest_int("pretrain/epochs", 1, 9)
    trial.suggest_float("pretrain/loss/temperature", 0.1, 1.0)
    trial.suggest_int("finetune/epochs", 2, 4)
    trial.suggest_categorical("finetune/precision", ["fp32", "bf16"])
    return trial.params


SPACE = Space(suggest=suggest, plan=("pretrain", "finetune"), about="a test")


@pytest.mark.parametrize("rotates", [True, False])
def test_replaced_phases_answer_with_their_settings_and_are_not_searched(rotates):
    plan = parse_plan(["pretrain", "finetune"], PHASES)
    configs = configure(plan, {"pretrain/augment/rotate/enabled": rotates})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    without_phases(SPACE, ["pretrain"], configs).suggest(trial)
    depth = {"finetune/loss/depth_weight"} if rotates else set()
    assert set(trial.params) == depth | {"finetune/epochs", "finetune/precision"}

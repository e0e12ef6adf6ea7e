"""What of a point can be switched off, and with which settings."""

import re
from dataclasses import dataclass
from typing import Any

import optuna
import pytest

from hpe.phases.catalog import PHASES
from search_spaces.space import SPACES
from sweep.ablation.factors import (
    OFF,
    SHARES,
    changes_without,
    factors_of,
    parameters_without,
)
from trainables.plans import configure, default_settings, parse_plan, setting_of


@dataclass(frozen=True)
class Done:
    label: str
    phase: str
    config: dict[str, Any]


def steps_of(plan, settings):
    steps = parse_plan(plan, PHASES)
    configs = configure(steps, settings)
    return [Done(s.label, s.phase, configs[s.label].model_dump(mode="json")) for s in steps]


def factors(plan, settings, searched=()):
    steps = steps_of(plan, settings)
    return steps, {factor.name: factor for factor in factors_of(steps, searched)}


def test_every_operation_that_is_on_and_every_term_with_weight_can_be_off():
    settings = {
        "pretrain/augment/rotate/enabled": True,
        "pretrain/augment/blur/enabled": True,
        "pretrain/loss/equivariant_weight": 0.4,
        "finetune/augment/flip/enabled": True,
    }
    _, found = factors(["pretrain", "finetune"], settings)
    assert list(found) == [
        "pretrain/augment/rotate",
        "pretrain/augment/blur",
        "pretrain/loss/invariant_weight",
        "pretrain/loss/equivariant_weight",
        "finetune/augment/flip",
        "finetune/loss/depth_weight",
    ]
    assert found["pretrain/augment/blur"].off == {"pretrain/augment/blur/enabled": False}
    assert found["finetune/loss/depth_weight"].off == {"finetune/loss/depth_weight": 0.0}


def test_weights_that_total_one_do_so_without_one_of_them():
    label = "paired"
    plan = ["generator", "pseudo_labels", label]
    loss = {"ce_weight": 0.2, "region_weight": 0.6, "adversarial_weight": 0.2}
    steps, found = factors(plan, {f"{label}/loss/{k}": v for k, v in loss.items()})
    changes = changes_without(steps, [found["paired/loss/ce_weight"]])
    assert changes == pytest.approx(
        {
            "paired/loss/ce_weight": 0.0,
            "paired/loss/region_weight": 0.75,
            "paired/loss/adversarial_weight": 0.25,
        }
    )
    both = [found["paired/loss/ce_weight"], found["paired/loss/adversarial_weight"]]
    assert changes_without(steps, both)["paired/loss/region_weight"] == pytest.approx(1.0)


def test_weights_that_are_no_shares_stay_as_they_are_without_another():
    steps, found = factors(
        ["pretrain"],
        {"pretrain/loss/invariant_weight": 1.0, "pretrain/loss/equivariant_weight": 0.3},
    )
    changes = changes_without(steps, [found["pretrain/loss/equivariant_weight"]])
    assert changes == {"pretrain/loss/equivariant_weight": 0.0}


def test_a_searched_flag_that_is_on_can_be_off_and_one_that_is_given_cannot():
    _, found = factors(["rehearse_first", "rehearse_last"], {"rehearse_last/fancy": True})
    assert not found
    _, found = factors(
        ["rehearse_first", "rehearse_last"],
        {"rehearse_last/fancy": True},
        searched=["rehearse_last/fancy"],
    )
    assert found["rehearse_last/fancy"].off == {"rehearse_last/fancy": False}


def test_a_phase_that_comes_again_has_parts_of_its_own():
    plan = ["generator", "pseudo_labels", "paired", "pseudo_labels", "paired"]
    _, found = factors(plan, {"paired_2/augment/flip_prob": 0.5})
    assert "paired_2/augment/flip_prob" in found
    assert "paired/augment/flip_prob" not in found
    assert "paired_2/loss/adversarial_weight" in found


def with_required(phase):
    return parse_plan([*PHASES[phase].requires, phase], PHASES)


@pytest.mark.parametrize("phase", OFF)
def test_every_value_that_means_off_is_one_its_phase_takes(phase):
    settings = {f"{phase}/{path}": value for path, value in OFF[phase].items()}
    configs = configure(with_required(phase), settings)
    assert {path: setting_of(configs, path) for path in settings} == settings


@pytest.mark.parametrize("phase", SHARES)
def test_shares_are_weights_of_their_phase(phase):
    known = default_settings(with_required(phase))
    assert {f"{phase}/{path}" for path in SHARES[phase]} <= set(known)


@pytest.mark.parametrize("name", SPACES)
def test_everything_of_a_spaces_point_that_is_on_can_be_off(name):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    settings = SPACES[name].suggest(trial)
    steps, found = factors(SPACES[name].plan, settings, searched=trial.params)
    on = {path.removesuffix("/enabled") for path in settings if path.endswith("/enabled")}
    on = {path for path in on if settings[f"{path}/enabled"]}
    on |= {path for path in settings if path.endswith("weight") and settings[path] > 0}
    assert on <= set(found)
    known = default_settings(parse_plan(phases_of(SPACES[name].plan), PHASES))
    assert all(set(changes_without(steps, [factor])) <= set(known) for factor in found.values())


def phases_of(labels):
    return [re.sub(r"_\d+$", "", label) for label in labels]


def test_what_a_variant_still_says_of_its_parameters_is_true():
    params = {
        "pretrain/augment/blur/enabled": True,
        "pretrain/augment/blur/max_sigma": 1.0,
        "pretrain/augment/blur/order/key": 0.5,
        "pretrain/augment/rotate/enabled": True,
        "paired/loss/ce_weight/share": 0.3,
        "finetune/loss/depth_weight": 5.0,
    }
    off = {"pretrain/augment/blur/enabled": False, "paired/loss/ce_weight": 0.0}
    assert parameters_without(params, off) == {
        "pretrain/augment/blur/enabled": False,
        "pretrain/augment/rotate/enabled": True,
        "finetune/loss/depth_weight": 5.0,
    }

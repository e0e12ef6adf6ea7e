"""What is regressed where, and the loss against a loop over pairs."""

import math

import numpy as np
import pytest
import torch

from hpe.augment.composition import CompositionConfig
from hpe.phases.relative_terms import RelativeConfig, relations, relative_terms

ON = {"enabled": True}
GEOMETRY = CompositionConfig.model_validate({"rotate": ON, "zoom": ON})
NOTHING = CompositionConfig()


def test_regresses_what_differs_between_views():
    on = RelativeConfig(weight=1.0)
    assert relations(on, GEOMETRY) == ("rotation", "scale")
    everything = {"rotate": ON, "translate": ON, "hsv_jitter": ON, "zoom": ON, "blur": ON}
    augment = CompositionConfig.model_validate(everything)
    assert relations(on, augment) == ("rotation", "translation", "color", "scale")


def test_leaves_out_what_it_is_told_to():
    assert relations(RelativeConfig(weight=1.0, scale=False), GEOMETRY) == ("rotation",)


def test_regresses_nothing_without_weight():
    assert relations(RelativeConfig(color=True), NOTHING) == ()


def test_goes_by_its_own_composition_where_it_has_one():
    own = RelativeConfig(weight=1.0, own_views=True, augment=GEOMETRY)
    assert relations(own, NOTHING) == ("rotation", "scale")


@pytest.mark.parametrize(
    ("relation", "operation"), [("color", "hsv_jitter"), ("translation", "translate")]
)
def test_refuses_by_name_what_does_not_differ(relation, operation):
    asked = RelativeConfig.model_validate({"weight": 1.0, relation: True})
    with pytest.raises(ValueError, match=f"relative/{relation} .* augment/{operation}/enabled is"):
        relations(asked, GEOMETRY)
    own = asked.model_copy(update={"own_views": True})
    with pytest.raises(ValueError, match=f"relative/augment/{operation}/enabled is false"):
        relations(own, GEOMETRY)


def test_refuses_to_regress_nothing():
    blurred = CompositionConfig.model_validate({"blur": ON})
    with pytest.raises(ValueError, match="weight is 2, but views differ in nothing that is regr"):
        relations(RelativeConfig(weight=2.0), blurred)


def test_settings_that_are_off_have_one_canonical_form():
    off = RelativeConfig(hidden=7, rotation=False, augment=GEOMETRY)
    assert off.canonical() == RelativeConfig()
    on = RelativeConfig(weight=1.0, hidden=7)
    assert on.canonical() == on


@pytest.mark.parametrize("compat", ["none", "s0"])
def test_the_loss_is_the_sum_of_errors_weighed_by_their_scales(compat):
    rng = np.random.default_rng(0)
    batch = {
        "angle_deg": rng.uniform(-180, 180, (6, 2)),
        "shift": rng.uniform(-0.4, 0.4, (6, 2, 2)),
        "zoom": rng.uniform(0.6, 2.0, (6, 2)),
        "hsv_change": rng.uniform(0, 20, (6, 2, 4)),
    }
    predicted = {"rotation": rng.uniform(-180, 180, (6, 1)), "scale": rng.normal(size=(6, 1))}
    log_scales = {"rotation": 0.7, "scale": -1.2}
    turns, ratios = [], []
    for pair in range(6):
        turn = batch["angle_deg"][pair, 0] - batch["angle_deg"][pair, 1]
        zooms = batch["zoom"][pair]
        if compat == "s0":
            turns.append(abs(predicted["rotation"][pair, 0] - turn % 360))
            target = zooms[1] / zooms[0]
        else:
            away = abs(predicted["rotation"][pair, 0] - turn) % 360
            turns.append(min(away, 360 - away))
            target = math.log(zooms[0] / zooms[1])
        ratios.append(abs(predicted["scale"][pair, 0] - target))
    expected = np.mean(turns) / math.exp(0.7) + 0.7 + np.mean(ratios) / math.exp(-1.2) - 1.2

    terms = relative_terms(
        {name: torch.from_numpy(rows) for name, rows in predicted.items()},
        {name: torch.tensor(value) for name, value in log_scales.items()},
        {name: torch.from_numpy(rows) for name, rows in batch.items()},
        image_px=64,
        compat=compat,
    )
    assert terms["train/loss_relative"].item() == pytest.approx(expected, rel=1e-6)
    assert terms["train/error_rotation_deg"].item() == pytest.approx(np.mean(turns))
    assert terms["train/error_scale"].item() == pytest.approx(np.mean(ratios))
    assert terms["train/weight_rotation"].item() == pytest.approx(math.exp(-0.7))

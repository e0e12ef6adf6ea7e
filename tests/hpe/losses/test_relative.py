"""The targets and errors of the pairwise task, against loops over pairs in numpy."""

import math

import numpy as np
import pytest
import torch

from hpe.losses.relative import (
    RELATIONS,
    balanced,
    relative_error,
    relative_targets,
    shortest_turn_deg,
)


def drawn(pairs=5):
    rng = np.random.default_rng(3)
    return {
        "angle_deg": rng.uniform(-180, 180, (pairs, 2)),
        "shift": rng.uniform(-0.4, 0.4, (pairs, 2, 2)),
        "zoom": rng.uniform(0.6, 2.0, (pairs, 2)),
        "hsv_change": rng.uniform([0, 0, 0.5, 5], [1, 1, 1, 20], (pairs, 2, 4)),
    }


def targets(compat="none", **changes):
    given = {name: torch.from_numpy(rows) for name, rows in {**drawn(), **changes}.items()}
    return relative_targets(**given, image_px=128, compat=compat)


def test_t8_a_turn_of_ten_against_eleven_degrees():
    angles = {"angle_deg": np.tile([10.0, 11.0], (5, 1))}
    assert targets(**angles)["rotation"].tolist() == [[-1.0]] * 5
    assert targets("s0", **angles)["rotation"].tolist() == [[359.0]] * 5


@pytest.mark.parametrize(
    ("angle", "shortest"), [(359.0, -1.0), (-359.0, 1.0), (180.0, -180.0), (179.0, 179.0), (720, 0)]
)
def test_turns_wrap_at_half_a_circle(angle, shortest):
    assert shortest_turn_deg(torch.tensor(float(angle))).item() == shortest


def test_targets_are_what_the_first_view_has_more():
    given, draws = targets(), drawn()
    for pair in range(5):
        views = [{name: rows[pair, view] for name, rows in draws.items()} for view in (0, 1)]
        first, second = views
        turn = math.degrees(
            math.atan2(
                math.sin(math.radians(first["angle_deg"] - second["angle_deg"])),
                math.cos(math.radians(first["angle_deg"] - second["angle_deg"])),
            )
        )
        assert given["rotation"][pair].tolist() == pytest.approx([turn])
        moved_px = [(first["shift"][axis] - second["shift"][axis]) * 64 for axis in (0, 1)]
        assert given["translation"][pair].tolist() == pytest.approx(moved_px)
        h, s, a, b = (first["hsv_change"][i] - second["hsv_change"][i] for i in range(4))
        assert given["color"][pair].tolist() == pytest.approx([h, s, a, b / 255])
        ratio = first["zoom"] / second["zoom"]
        assert given["scale"][pair].tolist() == pytest.approx([math.log(ratio)])


def test_the_originals_targets_keep_its_units():
    given, draws = targets("s0"), drawn()
    for pair in range(5):
        turn = (draws["angle_deg"][pair, 0] - draws["angle_deg"][pair, 1]) % 360
        assert given["rotation"][pair].tolist() == pytest.approx([turn])
        assert given["color"][pair, 3].item() == pytest.approx(
            draws["hsv_change"][pair, 0, 3] - draws["hsv_change"][pair, 1, 3]
        )
        margins = 1.25 / draws["zoom"][pair]  # S0's crop margin of a view with this zoom
        assert given["scale"][pair].tolist() == pytest.approx([margins[0] / margins[1]])


def test_every_relation_has_its_size():
    assert {name: rows.shape[1] for name, rows in targets().items()} == dict(RELATIONS)


def test_swapping_the_views_turns_every_target_round():
    swapped = {name: np.flip(rows, 1).copy() for name, rows in drawn().items()}
    there, back = targets(), targets(**swapped)
    for name, rows in there.items():
        torch.testing.assert_close(rows, -back[name])


def test_an_angle_on_the_other_side_of_the_seam_is_near():
    predicted, target = torch.tensor([[179.0], [-90.0]]), torch.tensor([[-179.0], [0.0]])
    assert relative_error("rotation", predicted, target).item() == pytest.approx((2 + 90) / 2)
    plain = relative_error("rotation", predicted, target, compat="s0")
    assert plain.item() == pytest.approx((358 + 90) / 2)


def test_the_gradient_leads_over_the_seam():
    predicted = torch.tensor([[179.0]], requires_grad=True)
    relative_error("rotation", predicted, torch.tensor([[-179.0]])).backward()
    assert predicted.grad.item() == -1.0  # descent turns on, through 180


def test_other_errors_are_plain_means():
    predicted, target = torch.tensor([[300.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    assert relative_error("translation", predicted, target).item() == 151.0


def test_a_balanced_loss_is_least_where_the_scale_is_the_loss():
    loss = torch.tensor(3.5, dtype=torch.float64)
    least = torch.tensor(math.log(3.5), dtype=torch.float64, requires_grad=True)
    value = balanced(loss, least)
    assert value.item() == pytest.approx(1 + math.log(3.5))
    (slope,) = torch.autograd.grad(value, [least])
    assert slope.item() == pytest.approx(0.0, abs=1e-12)
    assert balanced(loss, torch.zeros((), dtype=torch.float64)).item() == 3.5

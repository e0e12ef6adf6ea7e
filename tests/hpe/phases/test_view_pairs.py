import dataclasses

import numpy as np

from hpe.augment.composition import CompositionConfig, build_composition
from hpe.phases.randomness import view_rng
from hpe.phases.view_pairs import ViewPairs

TURNED = CompositionConfig.model_validate({"rotate": {"enabled": True}})
COLORED = CompositionConfig.model_validate({"hsv_jitter": {"enabled": True}})


def pairs_of(make_inputs, *, relative=None):
    return ViewPairs(
        make_inputs().data.splits["unlabelled"],
        build_composition(TURNED, image_px=36),
        seed=5,
        relative=relative,
    )


def test_a_row_holds_two_views_and_how_they_were_made(make_inputs):
    pairs = pairs_of(make_inputs)
    row = pairs((2, 7))
    for view in (0, 1):
        made = pairs.composition(pairs.split[7], view_rng((2, 7), seed=5, view=view))
        for field in dataclasses.fields(made):
            if field.name in row:
                expected = np.asarray(getattr(made, field.name), dtype=row[field.name].dtype)
                np.testing.assert_array_equal(row[field.name][view], expected)
    names = {"image", "affine", "angle_deg", "shift", "zoom", "hsv_change"}
    assert set(row) == names
    assert row["angle_deg"][0] != row["angle_deg"][1]


def test_a_second_pair_has_its_own_composition_and_draws_and_leaves_the_first_alone(make_inputs):
    alone = pairs_of(make_inputs)((0, 3))
    both = pairs_of(make_inputs, relative=build_composition(COLORED, image_px=36))((0, 3))
    for name, values in alone.items():
        np.testing.assert_array_equal(both[name], values)
    assert set(both) == {*alone, *(f"relative_{name}" for name in alone)}
    assert both["relative_angle_deg"].tolist() == [0.0, 0.0]
    assert (both["relative_hsv_change"][0] != both["relative_hsv_change"][1]).all()
    same = pairs_of(make_inputs, relative=build_composition(TURNED, image_px=36))((0, 3))
    assert not set(same["relative_angle_deg"]) & set(same["angle_deg"])

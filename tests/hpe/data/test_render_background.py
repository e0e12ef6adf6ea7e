"""Panoramas: shared out, seen, and as light."""

import numpy as np
import pytest

from hpe.data.opened import SPLITS
from hpe.data.render.background import (
    PANORAMA_FOLDER,
    PANORAMAS,
    Outlook,
    ambient_light,
    draw_outlook,
    main_light_direction,
    panorama_crop,
    seen_from,
)
from hpe.data.render.rotations import rotation_about


def test_every_panorama_belongs_to_one_of_training_validation_and_test():
    names = [name for split in ("train", "val", "test") for name in PANORAMAS[split]]
    files = sorted(path.stem for path in PANORAMA_FOLDER.glob("*.jpg"))
    assert sorted(names) == files
    assert PANORAMAS["unlabelled"] == PANORAMAS["train"]
    assert set(PANORAMAS) == set(SPLITS)


def test_a_crop_depends_on_its_generator_alone():
    crops = [panorama_crop("forest", np.random.default_rng(seed), 40) for seed in (3, 3, 4)]
    assert crops[0].shape == (40, 40, 3)
    assert crops[0].dtype == np.uint8
    np.testing.assert_array_equal(crops[0], crops[1])
    assert np.abs(crops[0].astype(int) - crops[2]).mean() > 5


def test_refuses_an_unknown_panorama():
    with pytest.raises(ValueError, match=r"No panorama is named 'moon'; there are apartment, "):
        panorama_crop("moon", np.random.default_rng(0), 8)


@pytest.mark.parametrize("name", ["sunset", "workshop", "apartment", "city"])
def test_the_main_light_comes_from_where_the_panorama_is_bright(name):
    outlook = draw_outlook(name, np.random.default_rng(0))
    direction = main_light_direction(outlook)
    helper = np.array([1.0, 0.0, 0.0])
    right = np.cross(direction * [1, -1, 1], helper)
    right /= np.linalg.norm(right)
    up = np.cross(direction * [1, -1, 1], right)
    turn = np.stack([right, up, direction * [1, -1, 1]], axis=1)
    brightness = [
        seen_from(Outlook(name, outlook.rotation @ view, 90.0), 32).mean()
        for view in (turn, turn @ rotation_about(np.array([0.0, 1.0, 0.0]), np.pi))
    ]
    assert brightness[0] > brightness[1]


def test_ambient_light_is_one_on_average_over_all_directions():
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(3, 20000)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=0)
    for split in SPLITS:
        for name in PANORAMAS[split]:
            light = ambient_light(draw_outlook(name, rng), normals)
            assert light.mean() == pytest.approx(1.0, abs=0.12)


def test_turning_the_camera_turns_the_light_with_it():
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(3, 50)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=0)
    outlook = draw_outlook("city", rng)
    turn = rotation_about(np.array([0.3, 1.0, 0.2]), 0.8)
    turned = Outlook("city", outlook.rotation @ turn, outlook.fov_deg)
    y_up = np.diag([1.0, -1.0, 1.0])
    same = (y_up @ turn.T @ y_up @ normals).astype(np.float32)
    np.testing.assert_allclose(
        ambient_light(turned, same), ambient_light(outlook, normals), atol=1e-4
    )


def test_looking_around_the_seam_shows_no_seam():
    views = [
        seen_from(
            Outlook("city", rotation_about(np.array([0.0, 1.0, 0.0]), heading), 40.0), 64
        ).astype(int)
        for heading in (0.0, 0.7)
    ]
    steps = [np.abs(np.diff(view, axis=1)).mean(axis=(0, 2)) for view in views]
    assert steps[0][31] < steps[0].mean() * 4

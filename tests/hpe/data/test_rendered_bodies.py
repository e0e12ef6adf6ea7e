"""Rendered bodies: labels agree with the pictures, people stay in their split, same bytes again."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from hpe.data.bodies import BodyData
from hpe.data.opened import SPLITS
from hpe.data.render.body import scene
from hpe.data.render.body.clothes import coverage, draw_outfit
from hpe.data.render.body.contact import touches_itself
from hpe.data.render.body.model import load_body_model
from hpe.data.render.body.person import person_of
from hpe.data.render.body.pose import ACTIONS, draw_body_pose
from hpe.data.render.body.scene import BodySceneSettings, draw_body, render_body
from hpe.data.render.body.surface import body_surface
from hpe.data.render.raster import rasterize
from hpe.data.render.rotations import rotation_about
from hpe.data.rendered_bodies import (
    RenderedBodiesConfig,
    open_rendered_bodies,
    prepare_rendered_bodies,
    recipe_of_bodies,
)
from hpe.geometry.body_skeleton import BODY_BONES, LEFT_RIGHT_PAIRS
from hpe.geometry.camera import project

TINY = RenderedBodiesConfig(
    image_px=48, unlabelled=2, train=6, val=3, test=3, subjects=3, eval_subjects=2
)


def made(folder) -> BodyData:
    prepare_rendered_bodies(TINY, folder, processes=1, progress=lambda done, total: None)
    return open_rendered_bodies(TINY, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("bodies")


@pytest.fixture(scope="module")
def data(folder) -> BodyData:
    return made(folder)


def test_all_splits_have_the_counts_asked_for(data):
    assert {split: len(data.splits[split]) for split in SPLITS} == data.card["counts"]
    assert data.card["counts"] == {"unlabelled": 2, "train": 6, "val": 3, "test": 3}


def test_no_person_is_in_two_splits(data):
    people = {split: {body.subject for body in data.splits[split]} for split in SPLITS}
    assert sum(len(names) for names in people.values()) == len(set().union(*people.values()))


def test_samples_give_their_joints_back_through_their_camera(data):
    for body in data.splits["train"]:
        joints_mm = body.joints_mm()
        assert project(joints_mm, body.intrinsics) == pytest.approx(body.keypoints_px)
        assert joints_mm[0] == pytest.approx(body.pelvis_mm)
        assert body.action in ACTIONS


def test_the_box_stands_for_1485_by_1980_millimetres_at_the_pelvis(data):
    body = data.splits["val"][0]
    left, top, width, height = body.box_px
    corners = body.pelvis_mm + np.array([[-742.5, -990, 0], [742.5, 990, 0]])
    expected = np.array([[left, top], [left + width, top + height]])
    assert project(corners, body.intrinsics) == pytest.approx(expected)


def test_unique_ids_run_through_all_splits(data):
    ids = [body.unique_id for split in SPLITS for body in data.splits[split]]
    assert ids == list(range(14))
    assert list(data.splits["val"].unique_ids) == [8, 9, 10]


def test_the_same_settings_give_the_same_bytes_and_samples_pickle(data, tmp_path):
    again = made(tmp_path)
    assert again.digest == data.digest
    copied = pickle.loads(pickle.dumps(again.splits["test"]))[2]  # noqa: S301 - ours
    assert np.array_equal(copied.image, data.splits["test"][2].image)


def test_a_finished_folder_of_other_settings_is_refused(data, folder):
    with pytest.raises(ValueError, match="seed: 0, not 1"):
        open_rendered_bodies(TINY.model_copy(update={"seed": 1}), folder)


def test_the_recipe_follows_subjects(data):
    other = TINY.model_copy(update={"eval_subjects": 3})
    assert recipe_of_bodies(other)["scenes"] != recipe_of_bodies(TINY)["scenes"]


def test_a_scene_is_the_same_alone_and_differs_from_the_next():
    settings = BodySceneSettings(image_px=48, subjects=3)
    first, again, other = (
        render_body(settings, seed=4, split="val", index=index) for index in (1, 1, 2)
    )
    assert np.array_equal(first.rgb, again.rgb)
    assert not np.array_equal(first.rgb, other.rgb)


def test_joints_lie_on_the_body_that_the_camera_sees(monkeypatch):
    seen, real = [], scene.take_body_picture

    def watched(mesh, **others):
        seen.append(mesh)
        return real(mesh, **others)

    monkeypatch.setattr(scene, "take_body_picture", watched)
    settings = BodySceneSettings(image_px=96, subjects=3)
    body = render_body(settings, seed=0, split="train", index=5)
    points_px = project(seen[0].vertices_m, body.intrinsics.astype(np.float32))
    fragments = rasterize(points_px, 1 / seen[0].vertices_m[:, 2], seen[0].faces, 96)
    covered = np.zeros(96 * 96, bool)
    covered[fragments.pixel] = True
    columns, rows = np.floor(project(body.joints_mm, body.intrinsics)).astype(int).T
    assert covered.reshape(96, 96)[rows, columns].all()
    assert 0.02 < covered.mean() < 0.4
    nearest_mm = 1000 * fragments.depth[fragments.pixel == rows[0] * 96 + columns[0]]
    assert 0 < body.joints_mm[0, 2] - nearest_mm < 250


def test_the_body_at_rest_is_symmetric_with_left_on_its_left():
    model = load_body_model()
    joints = model.posed(model.mean_m, {}).joints_m
    for left, right in LEFT_RIGHT_PAIRS:
        assert joints[left, 0] > 0.05
        assert joints[left] == pytest.approx(joints[right] * [-1, 1, 1], abs=2e-3)


def test_bones_keep_their_lengths_in_every_pose():
    model, rng = load_body_model(), np.random.default_rng(0)
    limbs = [bone for bone in BODY_BONES if bone[0] in (1, 2, 4, 5, 11, 12, 14, 15)]
    parents, children = np.array(limbs).T

    def lengths(joints):
        return np.linalg.norm(joints[children] - joints[parents], axis=1)

    rest = lengths(model.posed(model.mean_m, {}).joints_m)
    for _ in range(4):
        posed = model.posed(model.mean_m, draw_body_pose(rng, model).rotations)
        assert lengths(posed.joints_m) == pytest.approx(rest, abs=1e-6)


def test_knees_bend_backwards_only():
    model, rng = load_body_model(), np.random.default_rng(1)
    for _ in range(12):
        joints = model.posed(model.mean_m, draw_body_pose(rng, model).rotations).joints_m
        for hip, knee, ankle in ((1, 2, 3), (4, 5, 6)):
            thigh, shin = joints[knee] - joints[hip], joints[ankle] - joints[knee]
            across = joints[4] - joints[1]
            assert np.cross(thigh, shin) @ across > -0.02


def test_drawn_bodies_do_not_touch_themselves_and_a_folded_one_does():
    person, rng = person_of(0, "train", 0), np.random.default_rng(2)
    for _ in range(5):
        assert not touches_itself(draw_body(rng, person)[1])
    model = load_body_model()
    folded = {"upperleg01.L": rotation_about(np.array([1.0, 0.0, 0.0]), -3.0)}
    assert not touches_itself(model.posed(model.mean_m, {}))
    assert touches_itself(model.posed(model.mean_m, folded))


def test_action_probabilities_sum_to_one():
    assert sum(action.prob for action in ACTIONS.values()) == pytest.approx(1)


def test_hands_and_face_stay_bare_whatever_is_worn():
    surface, rng = body_surface(), np.random.default_rng(3)
    hands = np.abs(surface.rest_m[:, 0]) > 0.5
    for _ in range(5):
        assert coverage(draw_outfit(rng), surface)[hands].max() < 0.5

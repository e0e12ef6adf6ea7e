"""The hand model, its poses and its surface."""

import numpy as np
import pytest

from hpe.data.render.hand_model import FINGER_BONES, joints_of, load_hand_model
from hpe.data.render.hand_pose import ARCHETYPES, draw_pose
from hpe.data.render.hand_surface import ARM, finger_axes, hand_surface, palm_axes
from hpe.data.render.identity import POOL_SIZES, identity_of
from hpe.data.render.placement import ball_radii_m, bring_together, draw_aim, place_hand
from hpe.data.render.rotations import rotation_about, tilt_from_frontal

MODEL = load_hand_model()
MEAN = MODEL.shaped(np.zeros(16))


def test_an_unbent_mean_hand_is_the_mesh_of_the_file():
    posed = MODEL.posed(MEAN, {})
    np.testing.assert_allclose(posed.vertices_m, MODEL.mean_m[: MODEL.num_vertices], atol=1e-6)
    np.testing.assert_allclose(posed.joints_m[0], 0.0, atol=1e-9)


def test_bending_a_finger_moves_what_follows_it_and_keeps_bone_lengths():
    bent = {"finger2-2.R": rotation_about(finger_axes()[1].flexion, 1.0)}
    before, after = MODEL.posed(MEAN, {}).joints_m, MODEL.posed(MEAN, bent).joints_m
    moved = np.linalg.norm(after - before, axis=1) > 1e-6
    assert np.flatnonzero(moved).tolist() == [7, 8]
    lengths = [np.linalg.norm(np.diff(joints[5:9], axis=0), axis=1) for joints in (before, after)]
    np.testing.assert_allclose(*lengths, atol=1e-7)


@pytest.mark.parametrize("finger", range(5))
def test_flexion_brings_a_fingertip_towards_the_palm(finger):
    bend = {
        bone: rotation_about(finger_axes()[finger].flexion, 0.5) for bone in FINGER_BONES[finger]
    }
    tip = 4 + 4 * finger
    palm = MODEL.posed(MEAN, {}).joints_m[[0, 5, 9, 13, 17]].mean(axis=0) + palm_axes()[2] * 0.03
    distances = [
        np.linalg.norm(MODEL.posed(MEAN, pose).joints_m[tip] - palm) for pose in ({}, bend)
    ]
    assert distances[1] < distances[0]


def test_palm_axes_show_the_back_of_a_right_hand_fingers_up_thumb_left():
    joints = MODEL.posed(MEAN, {}).joints_m @ palm_axes().T
    assert joints[12, 1] < joints[9, 1] < joints[0, 1]
    assert joints[4, 0] < joints[5, 0] < joints[17, 0]
    np.testing.assert_allclose(palm_axes() @ palm_axes().T, np.eye(3), atol=1e-12)
    back = hand_surface().canonical_m[(hand_surface().label == 1) & (hand_surface().dorsal > 0.8)]
    assert back[:, 2].mean() < joints[[0, 9], 2].mean()


def test_every_phalanx_the_palm_and_the_arm_have_vertices():
    assert sorted(set(hand_surface().label.tolist())) == [*range(1, 17), ARM]


def test_palm_skin_fades_out_over_two_to_three_centimetres_at_the_wrist():
    surface = hand_surface()
    on_palm_side = surface.dorsal < -0.6
    near = on_palm_side & (surface.arm_m > -0.1) & (surface.arm_m < 0.1)
    order = np.argsort(surface.arm_m[near])
    along, share = surface.arm_m[near][order], surface.palm_skin[near][order]
    assert share[along < -0.02].min() > 0.95
    assert share[along > 0.02].max() < 0.05
    between = share[(along > -0.008) & (along < 0.008)]
    assert len(between) > 3
    assert between.min() > 0.1
    assert between.max() < 0.9


def test_poses_are_of_all_archetypes_and_only_rotate():
    rng = np.random.default_rng(0)
    names = set()
    for _ in range(100):
        rotations, name = draw_pose(rng)
        names.add(name)
        for R in rotations.values():
            np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-9)
    assert names == set(ARCHETYPES)
    assert sum(archetype.prob for archetype in ARCHETYPES.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("max_tilt_deg", [0.0, 35.0, 180.0])
def test_tilt_stays_below_its_bound_and_reaches_it(max_tilt_deg):
    rng = np.random.default_rng(0)
    cosines = [tilt_from_frontal(rng, max_tilt_deg)[2, 2] for _ in range(300)]
    tilt_deg = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    assert tilt_deg.max() <= max_tilt_deg + 1e-6
    assert tilt_deg.max() >= 0.9 * max_tilt_deg


@pytest.mark.parametrize("sides", ["back", "palm", "both"])
def test_the_side_asked_for_is_seen(sides):
    rng = np.random.default_rng(0)
    backs = [draw_aim(rng, max_tilt_deg=30.0, sides=sides)[2, 2] > 0 for _ in range(40)]
    assert {"back": all(backs), "palm": not any(backs), "both": 5 < sum(backs) < 35}[sides]


def test_a_left_hand_is_a_mirrored_right_hand():
    posed = MODEL.posed(MEAN, draw_pose(np.random.default_rng(1))[0])
    right = place_hand(posed, np.eye(3), turn_rad=0.0, is_right=True)
    left = place_hand(posed, np.eye(3), turn_rad=0.0, is_right=False)
    np.testing.assert_allclose(left.joints_m, right.joints_m * [-1, 1, 1], atol=1e-12)
    np.testing.assert_allclose(left.vertices_m, right.vertices_m * [-1, 1, 1], atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_two_hands_come_near_each_other_without_passing_through(seed):
    rng = np.random.default_rng(seed)
    hands = []
    for is_right in (True, False):
        aim = draw_aim(rng, max_tilt_deg=60.0, sides="both")
        posed = MODEL.posed(MEAN, draw_pose(rng)[0])
        hands.append(place_hand(posed, aim, turn_rad=rng.uniform(0, 6), is_right=is_right))
    first, second = bring_together(rng, *hands)
    skin = (first.vertices_m[::3], second.vertices_m[::3])
    distance = np.linalg.norm(skin[0][:, None] - skin[1][None], axis=2)
    assert distance.min() < 0.06
    # No point of one hand lies deeper in the other than the balls leave uncovered.
    for inner, outer in ((skin[0], second), (skin[1], first)):
        to_ball = np.linalg.norm(inner[:, None] - outer.balls_m[None], axis=2)
        depth = (ball_radii_m()[None] - to_ball).max()
        assert depth < 0.012


def test_people_differ_within_and_between_splits():
    people = [
        identity_of(0, split, person) for split in POOL_SIZES for person in range(POOL_SIZES[split])
    ]
    shapes = np.stack([person.betas for person in people])
    apart = np.linalg.norm(shapes[:, None] - shapes[None], axis=2) + 10 * np.eye(len(shapes))
    assert apart.min() > 0.5
    assert len({person.skin.tobytes() for person in people}) == len(people)


def test_joints_lie_inside_the_mean_hand():
    vertices, heads, tails = MODEL.split(MODEL.mean_m)
    joints = joints_of(MODEL, heads, tails)
    distance = np.linalg.norm(vertices[None] - joints[:, None], axis=2).min(axis=1)
    assert distance[[4, 8, 12, 16, 20]].max() < 0.006
    assert distance.max() < 0.025

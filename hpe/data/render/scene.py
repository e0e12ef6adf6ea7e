"""One rendered picture of hands with everything known about it, drawn from a seed and an index."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16

from hpe.data.opened import SPLITS
from hpe.data.render.background import PANORAMAS, draw_outlook
from hpe.data.render.hand_model import load_hand_model
from hpe.data.render.hand_pose import draw_pose
from hpe.data.render.hand_surface import ARM, NUM_HAND_PARTS, joint_depth_m, parts_at_joints
from hpe.data.render.identity import POOL_SIZES, Identity, identity_of
from hpe.data.render.light import draw_lighting
from hpe.data.render.mesh import scene_mesh
from hpe.data.render.picture import Camera, Looks, Picture, take_picture
from hpe.data.render.placement import PlacedHand, Sides, bring_together, draw_aim, place_hand
from hpe.data.render.skin import draw_sleeve

DEPTH_STEP_M = 0.0001
"""Unit of the depth map; zero means background."""

_SLEEVE_PROB = 0.55
_POLISH_PROB = 0.15
_MIN_DEPTH_M = 0.18
_SCENE_STREAM = 1
_ARM_TOWARDS_CAMERA = -0.45
"""Arms that point nearer to the camera than this (cosine) would cover the hand; drawn anew."""
_VISIBLE_SLACK_M = 0.004
_MAX_FLESH_M = 0.035
"""No joint lies deeper than this in its own flesh."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Variety:
    """How much pictures differ.

    Attributes:
        max_tilt_deg: Largest tilt away from seeing a side of the hand frontally.
        sides: Which sides of the hand are seen.
        fill: Largest distance of a joint from the image's centre, as a share of half its width.
        off_centre: Largest shift of the hands from the image's centre, as a share of its width.
        focal: Focal length, in image widths.
        ambient: Factor on the panorama's light.
        lamp: Strength of the lamps.
        exposure: Factor on all light.
        cast: Largest colour cast of background against hand, as a factor.
        blur: Lens blur, in pixels per 128 pixels of width.
        noise: Sensor noise, as a share of white.
        pose_noise: Factor on the deviation from the pose archetypes.
    """

    max_tilt_deg: float
    sides: Sides
    fill: Range = (0.5, 0.75)
    off_centre: float = 0.05
    focal: Range = (1.4, 3.2)
    ambient: Range = (0.25, 0.55)
    lamp: Range = (0.5, 1.5)
    exposure: Range = (0.8, 1.25)
    cast: float = 0.15
    blur: Range = (0.0, 0.4)
    noise: Range = (0.0, 0.012)
    pose_noise: float = 1.0


@dataclass(frozen=True)
class SceneSettings:
    """What kind of scene to draw.

    Attributes:
        image_px: Width and height of the picture.
        num_hands: 1: a right or a left hand; 2: a right and a left hand of one person.
        variety: How much pictures differ.
        supersampling: Rays per pixel and axis.
    """

    image_px: int
    num_hands: int
    variety: Variety
    supersampling: int = 2


@dataclass(frozen=True)
class RenderedScene:
    """A picture of one or two hands; a right hand comes before a left one.

    Attributes:
        rgb: The picture.
        part: 0 background, 1 palm, 2..16 phalanges, 17..32 the same of left hands, 33 arm.
        depth: In steps of `DEPTH_STEP_M`; zero on the background.
        joints_m: Joints in camera axes.
        keypoints_px: Their projections.
        joint_visible: Whether a joint is in the picture and nothing else stands before it.
        is_right: Which hands they are.
        intrinsics: K.
        person: Index in the split's pool of identities.
    """

    rgb: UInt8[np.ndarray, "px px 3"]
    part: UInt8[np.ndarray, "px px"]
    depth: UInt16[np.ndarray, "px px"]
    joints_m: Float[np.ndarray, "hands 21 3"]
    keypoints_px: Float[np.ndarray, "hands 21 2"]
    joint_visible: Bool[np.ndarray, "hands 21"]
    is_right: Bool[np.ndarray, " hands"]
    intrinsics: Float[np.ndarray, "3 3"]
    person: int


def render_scene(settings: SceneSettings, *, seed: int, split: str, index: int) -> RenderedScene:
    """Render one scene; the same arguments give the same scene, alone or among others.

    Args:
        settings: What kind of scene.
        seed: The data set's seed.
        split: Decides identities and panoramas; one of `SPLITS`.
        index: Number of the scene in its split.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), _SCENE_STREAM, index])
    variety = settings.variety
    person = int(rng.integers(POOL_SIZES[split]))
    identity = identity_of(seed, split, person)
    hands = _draw_hands(rng, identity, settings)
    camera = _draw_camera(rng, hands, settings)
    hands = tuple(hand.moved(camera.shift_m) for hand in hands)
    looks = Looks(
        identity=identity,
        sleeve=draw_sleeve(rng) if rng.random() < _SLEEVE_PROB else None,
        polish=(rng.random(3) ** 2).astype(np.float32) if rng.random() < _POLISH_PROB else None,
    )
    panoramas = PANORAMAS[split]
    outlook = draw_outlook(panoramas[rng.integers(len(panoramas))], rng)
    lighting = draw_lighting(rng, outlook, ambient=variety.ambient, lamp=variety.lamp)
    picture = take_picture(
        scene_mesh(hands, looks.sleeve),
        looks=looks,
        lighting=lighting,
        camera=camera.camera,
        rng=rng,
    )
    joints_m = np.stack([hand.joints_m for hand in hands])
    keypoints_px = _projected(joints_m, camera.camera.intrinsics)
    return RenderedScene(
        rgb=picture.rgb,
        part=picture.part,
        depth=np.round(picture.depth_m / np.float32(DEPTH_STEP_M)).astype(np.uint16),
        joints_m=joints_m,
        keypoints_px=keypoints_px,
        joint_visible=_visible(hands, keypoints_px, picture),
        is_right=np.array([hand.is_right for hand in hands]),
        intrinsics=camera.camera.intrinsics,
        person=person,
    )


def _draw_hands(
    rng: np.random.Generator, identity: Identity, settings: SceneSettings
) -> tuple[PlacedHand, ...]:
    """Draw the hands of a scene around a common origin."""
    turn_rad = rng.uniform(0.0, 2.0 * np.pi)
    if settings.num_hands == 1:
        return (_draw_hand(rng, identity, settings, turn_rad, is_right=bool(rng.random() < 0.5)),)
    inwards_rad = np.radians(rng.uniform(-10.0, 75.0, 2))
    right = _draw_hand(rng, identity, settings, turn_rad - inwards_rad[0], is_right=True)
    left = _draw_hand(rng, identity, settings, turn_rad + inwards_rad[1], is_right=False)
    return bring_together(rng, right, left)


def _draw_hand(
    rng: np.random.Generator,
    identity: Identity,
    settings: SceneSettings,
    turn_rad: float,
    *,
    is_right: bool,
) -> PlacedHand:
    """Draw pose and orientation of one hand whose arm does not block the view."""
    model, variety = load_hand_model(), settings.variety
    rest_m = model.shaped(identity.betas)
    while True:
        rotations, _ = draw_pose(rng, noise=variety.pose_noise)
        posed = model.posed(rest_m, rotations)
        aim = draw_aim(rng, max_tilt_deg=variety.max_tilt_deg, sides=variety.sides)
        hand = place_hand(posed, aim, turn_rad=turn_rad, is_right=is_right)
        if hand.elbow_m[2] > _ARM_TOWARDS_CAMERA * np.linalg.norm(hand.elbow_m):
            return hand


@dataclass(frozen=True)
class _Framing:
    """A camera, and the shift of the hands that puts them before it."""

    camera: Camera
    shift_m: Float[np.ndarray, "3"]


def _draw_camera(
    rng: np.random.Generator, hands: tuple[PlacedHand, ...], settings: SceneSettings
) -> _Framing:
    """Draw a camera and stand so far from it that the joints fill the picture as wished."""
    px, variety = settings.image_px, settings.variety
    joints = np.concatenate([hand.joints_m for hand in hands])
    centre = (joints.min(axis=0) + joints.max(axis=0)) / 2.0
    focal = rng.uniform(*variety.focal)
    reach = rng.uniform(*variety.fill) / 2.0
    offset = joints - centre
    distance = np.max(focal * np.abs(offset[:, :2]).max(axis=1) / reach - offset[:, 2])
    distance = max(float(distance), _MIN_DEPTH_M - float(offset[:, 2].min()))
    axis, aim = 0.5 + rng.uniform(-1.0, 1.0, (2, 2)) * variety.off_centre * [[1.0], [0.5]]
    intrinsics = np.array(
        [[focal * px, 0.0, axis[0] * px], [0.0, focal * px, axis[1] * px], [0.0, 0.0, 1.0]]
    )
    shift = np.array([*((aim - axis) * distance / focal), distance]) - centre
    cast = rng.uniform(1.0 - variety.cast, 1.0 + variety.cast, 3)
    camera = Camera(
        intrinsics=intrinsics,
        image_px=px,
        supersampling=settings.supersampling,
        exposure=float(rng.uniform(*variety.exposure)),
        backdrop=(cast * rng.uniform(0.6, 1.3)).astype(np.float32),
        backdrop_blur_px=float(rng.uniform(0.004, 0.012) * px),
        blur_px=float(rng.uniform(*variety.blur) * px / 128.0),
        noise=float(rng.uniform(*variety.noise)),
    )
    return _Framing(camera=camera, shift_m=shift)


def _projected(
    joints_m: Float[np.ndarray, "hands 21 3"], intrinsics: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "hands 21 2"]:
    """Return pinhole projections in pixels."""
    image = joints_m @ intrinsics.T
    return np.asarray(image[..., :2] / image[..., 2:])


def _visible(
    hands: tuple[PlacedHand, ...],
    keypoints_px: Float[np.ndarray, "hands 21 2"],
    picture: Picture,
) -> Bool[np.ndarray, "hands 21"]:
    """Return which joints are in the picture and not hidden.

    Joints lie inside flesh, so a surface may stand before a visible joint by as much as its parts
    are thick, by the joint's distance from the skin if it is another part of the same hand, and by
    a few millimetres if it is the other hand.
    """
    fine = len(picture.fine_part)
    cell = np.floor(keypoints_px * (fine / len(picture.part))).astype(int)
    inside = np.all((cell >= 0) & (cell < fine), axis=-1)
    column, row = np.moveaxis(np.clip(cell, 0, fine - 1), -1, 0)
    label = picture.fine_part[row, column]
    depth_m = np.stack([hand.joints_m[:, 2] for hand in hands])
    before_m = np.where(label > 0, depth_m - picture.fine_depth_m[row, column], 0.0)
    visible = np.zeros(inside.shape, bool)
    for index, hand in enumerate(hands):
        part = _as_right(label[index], hand.is_right)
        allowed_m = _VISIBLE_SLACK_M + joint_depth_m() * (part > 0)
        allowed_m[parts_at_joints()[np.arange(21), part]] = _MAX_FLESH_M
        visible[index] = inside[index] & (before_m[index] < allowed_m)
    return visible


def _as_right(label: UInt8[np.ndarray, "21"], is_right: bool) -> UInt8[np.ndarray, "21"]:
    """Return labels as if the hand were a right one; the other hand's become background."""
    first = 1 if is_right else 1 + NUM_HAND_PARTS
    own = (label >= first) & (label < first + NUM_HAND_PARTS)
    return np.where(label == ARM, label, np.where(own, label - (first - 1), 0)).astype(np.uint8)

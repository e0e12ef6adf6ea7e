"""One picture of two hands with the masks of each, drawn from a seed and an index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from hpe.data.hand_masks import UNPAIRED_MASKS
from hpe.data.opened import SPLITS
from hpe.data.render.background import PANORAMAS, draw_outlook
from hpe.data.render.hand_surface import NUM_HAND_PARTS
from hpe.data.render.identity import POOL_SIZES, Identity, identity_of
from hpe.data.render.light import Lighting, draw_lighting
from hpe.data.render.mesh import scene_mesh
from hpe.data.render.picture import Camera, Looks, take_picture
from hpe.data.render.placement import PlacedHand
from hpe.data.render.scene import Variety
from hpe.data.render.skin import draw_sleeve
from hpe.data.render.two_hands.overlap import draw_two_hands

_SCENE_STREAM = 2
_SUPERSAMPLING = 2
_MASK_PEOPLE = 128
_SLEEVE_PROB = 0.55
_POLISH_PROB = 0.15
_MIN_DEPTH_M = 0.18


@dataclass(frozen=True)
class People:
    """The people of a split: consecutive ones of a pool of `hpe.data.render.identity`."""

    pool: str
    first: int
    count: int


PEOPLE: Mapping[str, People] = {
    **{split: People(split, 0, POOL_SIZES[split]) for split in SPLITS},
    UNPAIRED_MASKS: People("unlabelled", POOL_SIZES["unlabelled"], _MASK_PEOPLE),
}
"""No one appears in two splits."""


@dataclass(frozen=True)
class TwoHandScene:
    """Two hands of one person before a camera, ready to be rendered, together or alone.

    Attributes:
        hands: The left one, then the right one, in camera axes.
        looks: Skin, sleeves and nails.
        lighting: Light, and the panorama behind.
        camera: The camera.
        noise_seed: Decides the sensor noise.
        person: Index in the pool of identities.
    """

    hands: tuple[PlacedHand, PlacedHand]
    looks: Looks
    lighting: Lighting
    camera: Camera
    noise_seed: int
    person: int


@dataclass(frozen=True)
class HandMasks:
    """The parts of both hands, left hand first.

    Attributes:
        masks: Part ids 1..16 of each hand as if it were alone, 0 elsewhere. Its own arm and sleeve
            count as background, and hide what is behind them as its own fingers do.
        visible: The pixels of each hand's mask before which nothing else stands.
    """

    masks: UInt8[np.ndarray, "2 px px"]
    visible: Bool[np.ndarray, "2 px px"]


def draw_scene(
    variety: Variety, *, image_px: int, seed: int, split: str, index: int
) -> TwoHandScene:
    """Draw a scene; the same arguments give the same scene, alone or among others.

    Args:
        variety: How much scenes differ.
        image_px: Width and height of the picture.
        seed: The data set's seed.
        split: Decides people and panoramas; one of `PEOPLE`.
        index: Number of the scene in its split.
    """
    rng = np.random.default_rng([seed, list(PEOPLE).index(split), _SCENE_STREAM, index])
    people = PEOPLE[split]
    person = people.first + int(rng.integers(people.count))
    identity = identity_of(seed, people.pool, person)
    hands = draw_two_hands(rng, identity, variety)
    camera, shift_m = _draw_camera(rng, hands, variety, image_px)
    looks = _draw_looks(rng, identity)
    panoramas = PANORAMAS[people.pool]
    outlook = draw_outlook(panoramas[rng.integers(len(panoramas))], rng)
    return TwoHandScene(
        hands=(hands[0].moved(shift_m), hands[1].moved(shift_m)),
        looks=looks,
        lighting=draw_lighting(rng, outlook, ambient=variety.ambient, lamp=variety.lamp),
        camera=camera,
        noise_seed=int(rng.integers(2**32)),
        person=person,
    )


def picture_of(scene: TwoHandScene) -> UInt8[np.ndarray, "px px 3"]:
    """Render the picture of a scene, RGB."""
    rgb, _ = _rendered(scene, scene.hands)
    return rgb


def picture_and_masks_of(
    scene: TwoHandScene,
) -> tuple[UInt8[np.ndarray, "px px 3"], HandMasks]:
    """Render a scene, and each of its hands alone."""
    rgb, part = _rendered(scene, scene.hands)
    masks = masks_of(scene)
    seen = np.stack([_of_left(part), _of_right(part)]) > 0
    return rgb, HandMasks(masks=masks, visible=seen & (masks > 0))


def masks_of(scene: TwoHandScene) -> UInt8[np.ndarray, "2 px px"]:
    """Render each hand of a scene alone and return its parts."""
    left, right = (_rendered(scene, (hand,))[1] for hand in scene.hands)
    return np.stack([_of_left(left), _of_right(right)])


def _rendered(
    scene: TwoHandScene, hands: Sequence[PlacedHand]
) -> tuple[UInt8[np.ndarray, "px px 3"], UInt8[np.ndarray, "px px"]]:
    """Return picture and part map of some of the hands."""
    picture = take_picture(
        scene_mesh(hands, scene.looks.sleeve),
        looks=scene.looks,
        lighting=scene.lighting,
        camera=scene.camera,
        rng=np.random.default_rng(scene.noise_seed),
    )
    return picture.rgb, picture.part


def _of_right(part: UInt8[np.ndarray, "px px"]) -> UInt8[np.ndarray, "px px"]:
    return np.where(part <= NUM_HAND_PARTS, part, 0).astype(np.uint8)


def _of_left(part: UInt8[np.ndarray, "px px"]) -> UInt8[np.ndarray, "px px"]:
    is_left = (part > NUM_HAND_PARTS) & (part <= 2 * NUM_HAND_PARTS)
    return np.where(is_left, part - NUM_HAND_PARTS, 0).astype(np.uint8)


def _draw_looks(rng: np.random.Generator, identity: Identity) -> Looks:
    sleeve = draw_sleeve(rng) if rng.random() < _SLEEVE_PROB else None
    polish = (rng.random(3) ** 2).astype(np.float32) if rng.random() < _POLISH_PROB else None
    return Looks(identity=identity, sleeve=sleeve, polish=polish)


def _draw_camera(
    rng: np.random.Generator,
    hands: tuple[PlacedHand, PlacedHand],
    variety: Variety,
    image_px: int,
) -> tuple[Camera, Float[np.ndarray, "3"]]:
    """Draw a camera, and the shift of the hands that puts them before it.

    The camera looks at the middle of both hands, `variety.off_centre` aside, from where the
    farthest joint is as far from the picture's centre as `variety.fill` says.
    """
    joints_m = np.concatenate([hand.joints_m for hand in hands])
    centre = (joints_m.min(axis=0) + joints_m.max(axis=0)) / 2.0
    focal, reach = rng.uniform(*variety.focal), rng.uniform(*variety.fill) / 2.0
    across, depth = np.abs(joints_m - centre)[:, :2].max(axis=1), (joints_m - centre)[:, 2]
    distance = max(float(np.max(focal * across / reach - depth)), _MIN_DEPTH_M - float(depth.min()))
    aside = rng.uniform(-1.0, 1.0, 2) * variety.off_centre / 2.0 * distance / focal
    cast = rng.uniform(1.0 - variety.cast, 1.0 + variety.cast, 3)
    camera = Camera(
        intrinsics=np.array([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0 / image_px]])
        * image_px,
        image_px=image_px,
        supersampling=_SUPERSAMPLING,
        exposure=float(rng.uniform(*variety.exposure)),
        backdrop=(cast * rng.uniform(0.6, 1.3)).astype(np.float32),
        backdrop_blur_px=float(rng.uniform(0.004, 0.012) * image_px),
        blur_px=float(rng.uniform(*variety.blur) * image_px / 128.0),
        noise=float(rng.uniform(*variety.noise)),
    )
    return camera, np.append(aside, distance) - centre

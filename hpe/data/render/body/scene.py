"""One rendered picture of a body with everything known about it, drawn from a seed and an index."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from hpe.data.bodies import RECTANGLE_MM
from hpe.data.opened import SPLITS
from hpe.data.render.background import PANORAMAS, draw_outlook
from hpe.data.render.body.clothes import coverage, draw_outfit, standing_off_m
from hpe.data.render.body.contact import touches_itself
from hpe.data.render.body.model import PosedBody, load_body_model
from hpe.data.render.body.person import Person, person_of
from hpe.data.render.body.picture import BodyLooks, BodyMesh, take_body_picture
from hpe.data.render.body.pose import ACTIONS, draw_body_pose
from hpe.data.render.body.surface import BodySurface, body_surface
from hpe.data.render.light import draw_lighting
from hpe.data.render.picture import Camera
from hpe.data.render.rotations import rotation_about

ACTION_NAMES = tuple(ACTIONS)

_SCENE_STREAM = 2
_MAX_TRIES = 200
_CAMERA_FROM_REST = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""From rest axes (z up, the face towards -y) to a camera before the body that sees it upright."""

Range = tuple[float, float]


@dataclass(frozen=True)
class BodySceneSettings:
    """What kind of scene to draw.

    Attributes:
        image_px: Width and height of the picture.
        subjects: People in the split's pool.
        fill: Height of S4's 1980 mm rectangle at the pelvis, as a share of the picture's.
        off_centre: Largest shift of the pelvis from the picture's centre, as a share of its width.
        elevation_deg: Standard deviation of the camera's height above level; cut at twice that.
        roll_deg: The same for its roll.
        focal: Focal length, in picture widths.
        supersampling: Rays per pixel and axis.
    """

    image_px: int
    subjects: int
    fill: Range = (0.75, 1.0)
    off_centre: float = 0.06
    elevation_deg: float = 10.0
    roll_deg: float = 3.0
    focal: Range = (1.1, 2.4)
    supersampling: int = 2


@dataclass(frozen=True)
class RenderedBody:
    """A picture of a body.

    Attributes:
        rgb: The picture.
        joints_mm: The 17 joints in camera axes.
        intrinsics: K.
        person: Index in the split's pool of people.
        action: Index in `ACTION_NAMES`.
    """

    rgb: UInt8[np.ndarray, "px px 3"]
    joints_mm: Float[np.ndarray, "17 3"]
    intrinsics: Float[np.ndarray, "3 3"]
    person: int
    action: int


def render_body(settings: BodySceneSettings, *, seed: int, split: str, index: int) -> RenderedBody:
    """Render one scene; the same arguments give the same scene, alone or among others.

    Args:
        settings: What kind of scene.
        seed: The data set's seed.
        split: Decides people and panoramas; one of `SPLITS`.
        index: Number of the scene in its split.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), _SCENE_STREAM, index])
    number = int(rng.integers(settings.subjects))
    person = person_of(seed, split, number)
    action, body = draw_body(rng, person)
    rotation = _draw_view(rng, settings)
    intrinsics, pelvis_m = _draw_place(rng, settings)
    outfit, surface = draw_outfit(rng), body_surface()
    covered = coverage(outfit, surface)
    vertices = body.vertices_m + (
        surface.normals(body.vertices_m) * standing_off_m(outfit, covered)[:, None]
    )
    vertices = (vertices @ rotation.T + pelvis_m).astype(np.float32)
    names = PANORAMAS[split]
    outlook = draw_outlook(names[rng.integers(len(names))], rng)
    lighting = draw_lighting(rng, outlook, ambient=(0.3, 0.65), lamp=(0.4, 1.3))
    rgb = take_body_picture(
        _mesh(vertices, surface, covered),
        looks=BodyLooks(skin=person.skin, offset_m=person.offset_m, outfit=outfit),
        lighting=lighting,
        camera=_draw_camera(rng, settings, intrinsics),
        rng=rng,
    )
    return RenderedBody(
        rgb=rgb,
        joints_mm=1000 * (body.joints_m @ rotation.T + pelvis_m),
        intrinsics=intrinsics,
        person=number,
        action=ACTION_NAMES.index(action),
    )


def draw_body(rng: np.random.Generator, person: Person) -> tuple[str, PosedBody]:
    """Draw poses until one does not touch itself; return its action and the posed body."""
    model = load_body_model()
    for _ in range(_MAX_TRIES):
        pose = draw_body_pose(rng, model)
        body = model.posed(person.rest_m, pose.rotations)
        if not touches_itself(body):
            return pose.action, body
    raise AssertionError(f"{_MAX_TRIES} poses of {person.name} in a row touch themselves")


def _draw_view(rng: np.random.Generator, settings: BodySceneSettings) -> Float[np.ndarray, "3 3"]:
    """Draw the rotation from rest axes to camera axes: any side, about level, about upright."""
    heading_rad = rng.uniform(0, 2 * np.pi)
    tilt, roll = np.radians(np.clip(rng.normal(size=2), -2, 2)) * [
        settings.elevation_deg,
        settings.roll_deg,
    ]
    across, _, forward = np.eye(3)
    return np.asarray(
        rotation_about(forward, float(roll))
        @ rotation_about(across, float(tilt))
        @ _CAMERA_FROM_REST
        @ rotation_about(np.array([0.0, 0.0, 1.0]), heading_rad)
    )


def _draw_place(
    rng: np.random.Generator, settings: BodySceneSettings
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    """Draw K, and where before the camera the pelvis is, in metres."""
    px = settings.image_px
    focal_px = rng.uniform(*settings.focal) * px
    principal_px = px * rng.uniform(0.47, 0.53, 2)
    depth_m = focal_px * RECTANGLE_MM[1] / 1000 / (rng.uniform(*settings.fill) * px)
    shown_px = px * (0.5 + rng.uniform(-1, 1, 2) * settings.off_centre)
    intrinsics = np.array(
        [[focal_px, 0.0, principal_px[0]], [0.0, focal_px, principal_px[1]], [0.0, 0.0, 1.0]]
    )
    pelvis_m = np.array([*((shown_px - principal_px) / focal_px * depth_m), depth_m])
    return intrinsics, pelvis_m


def _draw_camera(
    rng: np.random.Generator, settings: BodySceneSettings, intrinsics: Float[np.ndarray, "3 3"]
) -> Camera:
    px = settings.image_px
    return Camera(
        intrinsics=intrinsics,
        image_px=px,
        supersampling=settings.supersampling,
        exposure=float(rng.uniform(0.8, 1.25)),
        backdrop=(rng.uniform(0.85, 1.15, 3) * rng.uniform(0.6, 1.3)).astype(np.float32),
        backdrop_blur_px=float(rng.uniform(0.003, 0.01) * px),
        blur_px=float(rng.uniform(0.0, 0.4) * px / 128),
        noise=float(rng.uniform(0.0, 0.012)),
    )


def _mesh(vertices_m: np.ndarray, surface: BodySurface, covered: np.ndarray) -> BodyMesh:
    """Return the mesh with what is interpolated over it (`hpe.data.render.body.picture`)."""
    columns = [
        surface.normals(vertices_m),
        surface.rest_m,
        covered,
        surface.eye[:, None],
        surface.mouth[:, None],
    ]
    return BodyMesh(vertices_m, surface.faces, np.concatenate(columns, axis=1, dtype=np.float32))

"""From a mesh and its light to a picture, its part map and its depth."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from hpe.data.render.background import seen_from
from hpe.data.render.hand_surface import ARM, NUM_HAND_PARTS, PALM
from hpe.data.render.identity import Identity
from hpe.data.render.light import Lighting, LitPoints, shade
from hpe.data.render.mesh import COLUMNS, SceneMesh
from hpe.data.render.raster import Fragments, rasterize
from hpe.data.render.skin import SkinPoints, Sleeve, cloth_albedo, skin_albedo

_NEAR_M = 0.05
_SKIN_GLOSS, _NAIL_GLOSS, _CLOTH_GLOSS = 0.09, 0.35, 0.009
_BUMP = 0.05
_KNEE = np.float32(0.55)
"""Brightness from which light on the hands is compressed towards white rather than cut."""


@dataclass(frozen=True)
class Looks:
    """What covers the hands.

    Attributes:
        identity: Whose hands.
        sleeve: Cloth around the arms, or None.
        polish: Linear RGB of painted nails, or None.
    """

    identity: Identity
    sleeve: Sleeve | None
    polish: Float32[np.ndarray, "3"] | None


@dataclass(frozen=True)
class Camera:
    """The camera and what its picture goes through.

    Attributes:
        intrinsics: K.
        image_px: Width and height.
        supersampling: Rays per pixel and axis.
        exposure: Factor on all light.
        backdrop: Factor per colour on the background's light.
        backdrop_blur_px: Defocus of the background.
        blur_px: Lens blur of the whole picture.
        noise: Sensor noise, as a share of white.
    """

    intrinsics: Float[np.ndarray, "3 3"]
    image_px: int
    supersampling: int
    exposure: float
    backdrop: Float32[np.ndarray, "3"]
    backdrop_blur_px: float
    blur_px: float
    noise: float


@dataclass(frozen=True)
class Picture:
    """A picture and what is in it.

    Attributes:
        rgb: Display RGB.
        part: Part labels.
        depth_m: Depth, zero on the background.
        fine_part: Part labels at the supersampled resolution.
        fine_depth_m: Depth at the supersampled resolution, zero on the background.
    """

    rgb: UInt8[np.ndarray, "px px 3"]
    part: UInt8[np.ndarray, "px px"]
    depth_m: Float32[np.ndarray, "px px"]
    fine_part: UInt8[np.ndarray, "fine fine"]
    fine_depth_m: Float32[np.ndarray, "fine fine"]


def take_picture(
    mesh: SceneMesh,
    *,
    looks: Looks,
    lighting: Lighting,
    camera: Camera,
    rng: np.random.Generator,
) -> Picture:
    """Render a mesh before its panorama.

    Args:
        mesh: Vertices in camera axes.
        looks: Skin, sleeve and nails.
        lighting: Light, and the panorama behind.
        camera: The camera.
        rng: Source of sensor noise.
    """
    fine = camera.image_px * camera.supersampling
    points_px, inverse_depth = _project(mesh.vertices_m, camera, fine)
    fragments = rasterize(points_px, inverse_depth, mesh.faces, fine)
    corners = mesh.faces[fragments.face].T
    values = _interpolate(mesh.attributes, corners, fragments)
    label = _labels(mesh.label, corners, fragments)
    lit = _lit_points(fragments, values, label, looks, camera)
    light = shade(lit, lighting, vertices_m=mesh.vertices_m, faces=mesh.faces, size=fine)
    fine_part, fine_depth = np.zeros(fine * fine, np.uint8), np.zeros(fine * fine, np.float32)
    fine_part[fragments.pixel] = label
    fine_depth[fragments.pixel] = fragments.depth
    part, depth = _shrink_labels(fine_part, fine_depth, camera.supersampling)
    return Picture(
        rgb=_develop(fragments, light, lighting, camera, rng),
        part=part,
        depth_m=depth,
        fine_part=fine_part.reshape(fine, fine),
        fine_depth_m=fine_depth.reshape(fine, fine),
    )


def _project(
    vertices_m: np.ndarray, camera: Camera, fine: int
) -> tuple[Float32[np.ndarray, "vertices 2"], Float32[np.ndarray, " vertices"]]:
    """Return fine pixels and inverse depth; vertices behind the camera get a negative one."""
    K = (camera.intrinsics * (fine / camera.image_px)).astype(np.float32)
    x, y, z = np.ascontiguousarray(vertices_m.T)
    inverse = 1 / np.maximum(z, np.float32(_NEAR_M))
    points = np.stack([x * inverse * K[0, 0] + K[0, 2], y * inverse * K[1, 1] + K[1, 2]], axis=1)
    return points, np.where(z > _NEAR_M, inverse, np.float32(-1))


def _interpolate(
    attributes: np.ndarray, corners: np.ndarray, fragments: Fragments
) -> Float32[np.ndarray, "columns fragments"]:
    """Return the attributes at the fragments, one row per column."""
    total = np.take(attributes, corners[0], axis=0)
    total *= fragments.corner_weights[0][:, None]
    for corner, weight in zip(corners[1:], fragments.corner_weights[1:], strict=True):
        more = np.take(attributes, corner, axis=0)
        more *= weight[:, None]
        total += more
    return np.ascontiguousarray(total.T)


def _labels(
    label: np.ndarray, corners: np.ndarray, fragments: Fragments
) -> UInt8[np.ndarray, " fragments"]:
    """Return the label with the largest share of each fragment's corner weights."""
    a, b, c = (label[corner] for corner in corners)
    wa, wb, wc = fragments.corner_weights
    share_a = wa + wb * (b == a) + wc * (c == a)
    share_b = wb + wc * (c == b)
    best = np.where((share_a >= share_b) & (share_a >= wc), a, np.where(share_b >= wc, b, c))
    return np.asarray(best, np.uint8)


def _lit_points(
    fragments: Fragments, values: np.ndarray, label: np.ndarray, looks: Looks, camera: Camera
) -> LitPoints:
    """Return what light needs to know of each fragment."""
    value = dict(zip(COLUMNS[6:], values[6:], strict=True))
    canonical = values[3:6]
    skin = skin_albedo(
        SkinPoints(
            canonical_m=canonical,
            dorsal=value["dorsal"],
            palm_skin=value["palm_skin"],
            knuckle=value["knuckle"],
            tip=value["tip"],
            nail=value["nail"],
            axial_m=value["axial_m"],
            arm_m=value["arm_m"],
            finger=_finger_of(label),
        ),
        looks.identity,
        looks.polish,
    )
    gloss = np.where(skin.is_nail, np.float32(_NAIL_GLOSS), np.float32(_SKIN_GLOSS))
    color = skin.color
    if looks.sleeve is not None:
        cloth = np.flatnonzero(value["cloth"] > 0.5)
        color[:, cloth] = cloth_albedo(looks.sleeve, canonical[:, cloth])
        gloss[cloth] = _CLOTH_GLOSS
    normal = values[0:3] + np.float32(_BUMP) * skin.bump * ~skin.is_nail
    x, y, z = normal
    normal /= np.sqrt(x * x + y * y + z * z)
    return LitPoints(
        pixel=fragments.pixel,
        position_m=_positions(fragments, camera),
        normal=normal,
        color=color,
        gloss=gloss,
        is_nail=skin.is_nail,
    )


def _finger_of(label: np.ndarray) -> np.ndarray:
    """Return 0 thumb to 4 little finger, -1 for palm and arm."""
    table = np.full(256, -1, np.int64)
    for first in (PALM + 1, PALM + 1 + NUM_HAND_PARTS):
        table[first : first + 15] = np.arange(15) // 3
    table[ARM] = -1
    return np.asarray(table[label])


def _positions(fragments: Fragments, camera: Camera) -> Float32[np.ndarray, "3 fragments"]:
    """Return the fragments' positions in camera axes."""
    fine = camera.image_px * camera.supersampling
    K = (camera.intrinsics * camera.supersampling).astype(np.float32)
    row = fragments.pixel // fine
    x = (fragments.pixel - row * fine).astype(np.float32) + np.float32(0.5)
    y = row.astype(np.float32) + np.float32(0.5)
    z = fragments.depth
    return np.stack([(x - K[0, 2]) / K[0, 0] * z, (y - K[1, 2]) / K[1, 1] * z, z])


def _shrink_labels(
    fine_label: np.ndarray, fine_depth: np.ndarray, factor: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return part map and depth at the picture's size.

    A pixel belongs to the foreground if half of it is covered; then to its most frequent part, at
    that part's mean depth.
    """
    labels, depths = _blocks(fine_label, factor), _blocks(fine_depth, factor)
    best, votes = np.zeros_like(labels[0]), np.zeros(labels[0].shape, np.int16)
    covered = np.sum(labels > 0, axis=0)
    for candidate in labels:
        count = np.sum(labels == candidate, axis=0)
        better = (candidate > 0) & (count > votes)
        best = np.where(better, candidate, best)
        votes = np.where(better, count, votes).astype(np.int16)
    best = np.where(2 * covered >= factor * factor, best, 0).astype(np.uint8)
    mine = (labels == best) & (best > 0)
    depth = np.sum(depths * mine, axis=0) / np.maximum(np.sum(mine, axis=0), 1)
    return best, depth.astype(np.float32)


def _blocks(flat: np.ndarray, factor: int) -> np.ndarray:
    """Return the fine pixels of each pixel along the first axis."""
    px = round(flat.size**0.5) // factor
    blocks = flat.reshape(px, factor, px, factor).transpose(1, 3, 0, 2)
    return np.ascontiguousarray(blocks.reshape(factor * factor, px, px))


def _develop(
    fragments: Fragments,
    light: np.ndarray,
    lighting: Lighting,
    camera: Camera,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "px px 3"]:
    """Put the hands before the background and turn light into a picture (gamma 2)."""
    px, factor = camera.image_px, camera.supersampling
    canvas = np.zeros(((px * factor) ** 2, 4), np.float32)
    canvas[fragments.pixel, :3] = _compressed(light * np.float32(camera.exposure)).T
    canvas[fragments.pixel, 3] = 1
    fine_image = canvas.reshape(px * factor, px * factor, 4)
    small = cv2.resize(fine_image, (px, px), interpolation=cv2.INTER_AREA)
    behind = seen_from(lighting.outlook, px)
    behind = cv2.GaussianBlur(behind, (0, 0), camera.backdrop_blur_px).astype(np.float32) / 255
    behind = behind * behind * (camera.backdrop * np.float32(camera.exposure))
    picture = np.sqrt(small[..., :3] + np.minimum(behind, 1) * (1 - small[..., 3:]))
    if camera.blur_px > 0.1:
        picture = cv2.GaussianBlur(picture, (0, 0), camera.blur_px)
    grain = rng.standard_normal((px, px, 3), np.float32)
    picture += grain * np.float32(camera.noise)
    return np.asarray(np.clip(picture, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)


def _compressed(light: np.ndarray) -> np.ndarray:
    """Bend light whose brightest colour is above the knee to near one smoothly; keep its hue."""
    brightest = np.maximum(np.maximum(light[0], light[1]), light[2])
    above = np.maximum(brightest - _KNEE, 0)
    bent = brightest - above + above * (1 - _KNEE) / (above + (1 - _KNEE))
    return np.asarray(light * (bent / np.maximum(brightest, np.float32(1e-6))))

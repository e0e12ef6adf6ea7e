"""From a clothed body and its light to a picture."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from hpe.data.render.background import seen_from
from hpe.data.render.body.clothes import Outfit, garment_colors
from hpe.data.render.light import Lighting, LitPoints, shade
from hpe.data.render.picture import Camera
from hpe.data.render.raster import Fragments, rasterize
from hpe.data.render.texture import skin_noise
from hpe.geometry.camera import project

_NEAR_M = 0.2
_LIGHT_SCALE = np.float32(0.12)
"""Light's constants are of a hand's size; bodies are shrunk to it for shading alone."""
_GLOSS = np.float32(0.02)
_FOLDS = np.float32(0.16)
_KNEE = np.float32(0.6)
_EYE, _MOUTH = np.float32(0.5), np.float32(0.3)


@dataclass(frozen=True)
class BodyMesh:
    """A body before the camera.

    Attributes:
        vertices_m: In camera axes.
        faces: Triangles; their outside runs clockwise on screen where it faces the camera.
        attributes: Per vertex: normal, place at rest, cover by each of `GARMENTS`, eye, mouth.
    """

    vertices_m: Float32[np.ndarray, "vertices 3"]
    faces: Int32[np.ndarray, "faces 3"]
    attributes: Float32[np.ndarray, "vertices columns"]


@dataclass(frozen=True)
class BodyLooks:
    """What covers the body.

    Attributes:
        skin: Linear RGB reflectance.
        offset_m: Where in the fixed texture the skin lies.
        outfit: Clothes and hair.
    """

    skin: Float32[np.ndarray, "3"]
    offset_m: Float32[np.ndarray, "3"]
    outfit: Outfit


def take_body_picture(
    mesh: BodyMesh,
    *,
    looks: BodyLooks,
    lighting: Lighting,
    camera: Camera,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "px px 3"]:
    """Render a body before its panorama.

    Args:
        mesh: The body in camera axes.
        looks: Skin and clothes.
        lighting: Light, and the panorama behind.
        camera: The camera.
        rng: Source of sensor noise.
    """
    fine = camera.image_px * camera.supersampling
    K = camera.intrinsics.copy()
    K[:2] *= camera.supersampling
    depth_m = mesh.vertices_m[:, 2]
    points_px = project(mesh.vertices_m, K.astype(np.float32))
    inverse_depth = np.where(depth_m > _NEAR_M, 1 / depth_m, -1).astype(np.float32)
    fragments = rasterize(points_px, inverse_depth, mesh.faces, fine)
    lit = _lit_points(mesh, fragments, looks, K, fine)
    light = shade(
        lit, lighting, vertices_m=mesh.vertices_m * _LIGHT_SCALE, faces=mesh.faces, size=fine
    )
    return _developed(fragments, light, lighting, camera, rng)


def _lit_points(
    mesh: BodyMesh, fragments: Fragments, looks: BodyLooks, K: np.ndarray, fine: int
) -> LitPoints:
    """Return what light needs to know of each fragment."""
    corners = mesh.attributes[mesh.faces[fragments.face]]
    values = np.ascontiguousarray(np.einsum("cp,pck->kp", fragments.corner_weights, corners))
    rest_m, garments, eye, mouth = values[3:6], values[6:-2], values[-2], values[-1]
    noise = skin_noise(rest_m, looks.offset_m)
    color = looks.skin[:, None] * np.clip(1 + 0.06 * noise[1] + 0.05 * noise[2], 0.6, 1.4)
    color = np.where(eye > 0.5, _EYE, color)
    color = np.where(mouth > 0.5, color * _MOUTH, color)
    for covered, cloth in zip(garments, garment_colors(looks.outfit, rest_m), strict=True):
        color = np.where(covered > 0.5, cloth, color)
    folds = skin_noise(rest_m * _LIGHT_SCALE, looks.outfit.offset_m)[1:4]
    normal = values[0:3] + _FOLDS * folds * (garments.max(axis=0) > 0.5)
    normal /= np.linalg.norm(normal, axis=0)
    row, column = np.divmod(fragments.pixel, fine)
    x = (column + 0.5 - K[0, 2]) / K[0, 0] * fragments.depth
    y = (row + 0.5 - K[1, 2]) / K[1, 1] * fragments.depth
    return LitPoints(
        pixel=fragments.pixel,
        position_m=np.stack([x, y, fragments.depth]).astype(np.float32) * _LIGHT_SCALE,
        normal=normal.astype(np.float32),
        color=color.astype(np.float32),
        gloss=np.full(len(row), _GLOSS),
        is_nail=np.zeros(len(row), bool),
    )


def _developed(
    fragments: Fragments,
    light: np.ndarray,
    lighting: Lighting,
    camera: Camera,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "px px 3"]:
    """Put the body before the background and turn light into a picture (gamma 2)."""
    px, fine = camera.image_px, camera.image_px * camera.supersampling
    canvas = np.zeros((fine * fine, 4), np.float32)
    lit = light * np.float32(camera.exposure)
    canvas[fragments.pixel, :3] = _bent(lit).T
    canvas[fragments.pixel, 3] = 1
    small = cv2.resize(canvas.reshape(fine, fine, 4), (px, px), interpolation=cv2.INTER_AREA)
    behind = cv2.GaussianBlur(seen_from(lighting.outlook, px), (0, 0), camera.backdrop_blur_px)
    linear = (behind.astype(np.float32) / 255) ** 2 * camera.backdrop * np.float32(camera.exposure)
    picture = np.sqrt(small[..., :3] + np.minimum(linear, 1) * (1 - small[..., 3:]))
    if camera.blur_px > 0.1:
        picture = cv2.GaussianBlur(picture, (0, 0), camera.blur_px)
    picture = picture + rng.standard_normal((px, px, 3), np.float32) * np.float32(camera.noise)
    return np.asarray(np.clip(picture, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)


def _bent(light: np.ndarray) -> np.ndarray:
    """Return light of which what is above the knee is compressed towards one."""
    over = np.maximum(light - _KNEE, 0)
    return np.asarray(light - over + over * (1 - _KNEE) / (over + (1 - _KNEE)))

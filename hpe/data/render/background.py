"""Panoramas as backgrounds and as light, shared out between the splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from hpe.data.render.hand_model import ASSETS
from hpe.data.render.rotations import rotation_about

PANORAMA_FOLDER = ASSETS / "panoramas"
LIGHT_FILE = PANORAMA_FOLDER / "sh9.npz"

_TRAINING = (
    "apartment", "city", "esplanade", "forest", "hall",
    "lobby", "park", "sky", "sunset", "warehouse",
)  # fmt: skip

PANORAMAS: Mapping[str, tuple[str, ...]] = {
    "unlabelled": _TRAINING,
    "train": _TRAINING,
    "val": ("bridge", "dawn", "venice", "workshop"),
    "test": ("lab", "night", "studio", "sunrise"),
}
"""Panoramas per split. Validation and test share none with training or with each other; each has
indoor and outdoor ones."""

# Ramamoorthi and Hanrahan (2001), eq. 13: attenuation of the cosine lobe per band, over pi.
_LAMBERT = np.repeat([1.0, 2.0 / 3.0, 0.25], [1, 3, 5]).astype(np.float32)


@dataclass(frozen=True)
class Outlook:
    """A direction in which a camera stands inside a panorama.

    Attributes:
        panorama: Its name.
        rotation: From camera axes with y up (x right, y up, z forward) to the panorama's axes.
        fov_deg: Field of view across the image.
    """

    panorama: str
    rotation: Float[np.ndarray, "3 3"]
    fov_deg: float


def draw_outlook(
    name: str, rng: np.random.Generator, *, fov_deg: tuple[float, float] = (35.0, 75.0)
) -> Outlook:
    """Draw where the camera looks: any heading, mostly level."""
    heading, pitch = rng.uniform(0.0, 2.0 * np.pi), rng.normal() * 0.25
    across, up = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    return Outlook(
        panorama=name,
        rotation=rotation_about(up, heading) @ rotation_about(across, -pitch),
        fov_deg=float(rng.uniform(*fov_deg)),
    )


def seen_from(outlook: Outlook, px: int) -> UInt8[np.ndarray, "px px 3"]:
    """Return the square RGB picture a pinhole camera takes of the panorama."""
    panorama = _panorama(outlook.panorama)
    height, width = panorama.shape[0], panorama.shape[1] - 2 * _WRAP_PX
    half = np.tan(np.radians(outlook.fov_deg) / 2.0)
    steps = ((np.arange(px) + 0.5) / px * 2.0 - 1.0).astype(np.float32) * np.float32(half)
    x, y = steps[None, :], -steps[:, None]
    R = outlook.rotation.astype(np.float32)
    right, up, forward = (R[i, 0] * x + R[i, 1] * y + R[i, 2] for i in range(3))
    heading = np.arctan2(right, forward)
    elevation = np.arctan2(up, np.sqrt(right * right + forward * forward))
    u = (heading / np.float32(2.0 * np.pi) % 1.0) * np.float32(width) + np.float32(_WRAP_PX - 0.5)
    v = (0.5 - elevation / np.float32(np.pi)) * np.float32(height) - np.float32(0.5)
    return np.asarray(cv2.remap(panorama, u, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))


def panorama_crop(name: str, rng: np.random.Generator, px: int) -> UInt8[np.ndarray, "{px} {px} 3"]:
    """Return an RGB background: a random view into a panorama, sometimes mirrored, a bit blurred.

    Raises:
        ValueError: If no panorama has this name.
    """
    crop = seen_from(draw_outlook(name, rng), px)
    if rng.random() < 0.5:
        crop = np.ascontiguousarray(crop[:, ::-1])
    sigma_px = rng.uniform(0.004, 0.015) * px
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma_px))


def ambient_light(
    outlook: Outlook, normals: Float32[np.ndarray, "3 points"]
) -> Float32[np.ndarray, "3 points"]:
    """Return the light that each surface receives from the whole panorama, per colour.

    Args:
        outlook: How the camera stands in the panorama.
        normals: Unit normals in camera axes (x right, y down, z forward).
    """
    R = outlook.rotation.astype(np.float32)
    x, y, z = (R[i, 0] * normals[0] - R[i, 1] * normals[1] + R[i, 2] * normals[2] for i in range(3))
    light = (harmonics(outlook.panorama) * _LAMBERT[:, None]).astype(np.float32)
    basis = _basis(x, y, z)
    total = np.empty((3, len(x)), np.float32)
    for channel in range(3):
        total[channel] = light[0, channel] * np.float32(0.282095)
        for term, values in zip(light[1:, channel], basis, strict=True):
            total[channel] += term * values
    return np.clip(total, 0.02, 4.0)


def main_light_direction(outlook: Outlook) -> Float[np.ndarray, "3"]:
    """Return the unit direction most light comes from, in camera axes (y down)."""
    grey = harmonics(outlook.panorama)[1:4].mean(axis=1)
    in_panorama = np.array([grey[2], grey[0], grey[1]])  # harmonics of band 1 run y, z, x
    direction = outlook.rotation.T @ in_panorama * np.array([1.0, -1.0, 1.0])
    return np.asarray(direction / max(float(np.linalg.norm(direction)), 1e-9))


def harmonics(name: str) -> Float32[np.ndarray, "9 3"]:
    """Return a panorama's light as nine spherical harmonics per colour."""
    _check_name(name)
    return _all_harmonics()[name]


def _basis(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
    """Return the real spherical harmonics of bands 1 and 2 at unit vectors."""
    one, two, zero, last = (np.float32(k) for k in (0.488603, 1.092548, 0.315392, 0.546274))
    return [
        one * y, one * z, one * x,
        two * x * y, two * y * z, zero * (3 * z * z - 1), two * x * z, last * (x * x - y * y),
    ]  # fmt: skip


_WRAP_PX = 2


@cache
def _panorama(name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Return a panorama, RGB, with a few columns repeated at both sides."""
    _check_name(name)
    path = PANORAMA_FOLDER / f"{name}.jpg"
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError(f"{path} is not a readable picture; restore it from the repository.")
    return np.asarray(cv2.copyMakeBorder(image, 0, 0, _WRAP_PX, _WRAP_PX, cv2.BORDER_WRAP))


@cache
def _all_harmonics() -> dict[str, Float32[np.ndarray, "9 3"]]:
    """Read the light of all panoramas."""
    with np.load(LIGHT_FILE) as arrays:
        return {name: arrays[name].astype(np.float32) for name in arrays.files}


def _check_name(name: str) -> None:
    """Refuse names of no panorama."""
    known = sorted({name for names in PANORAMAS.values() for name in names})
    if name not in known:
        raise ValueError(f"No panorama is named {name!r}; there are {', '.join(known)}.")

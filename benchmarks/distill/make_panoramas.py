"""Distil the panoramas of `hpe/data/assets/panoramas` from the npm package @pmndrs/assets.

Needs OpenEXR (`pip install OpenEXR`), which nothing else here does:

    npm pack @pmndrs/assets@1.7.0 && tar xzf pmndrs-assets-1.7.0.tgz
    python benchmarks/distill/make_panoramas.py package/hdri hpe/data/assets/panoramas

Each panorama becomes a JPEG of 512 x 256 and nine spherical harmonics per colour of its light,
scaled to a mean radiance of one.
"""

import argparse
import base64
import re
import tempfile
from pathlib import Path

import cv2
import numpy as np
import OpenEXR

SHADES = (512, 256)
KEY = 0.18
"""Where the geometric mean of the radiance lands before tone mapping (Reinhard et al., 2002)."""
BRIGHTEST = 40.0
"""Radiance, in units of the geometric mean, at which light is cut: the packed sun is not usable."""
RINGING = -0.7
"""Radiance below which a pixel shows ringing of the source's lossy compression."""
RINGING_PX = 7
JPEG_QUALITY = 92


def main() -> None:
    """Convert every panorama of the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hdri", type=Path, help="the package's folder with *.exr.js files")
    parser.add_argument("out", type=Path, help="where the JPEG files and sh9.npz go")
    arguments = parser.parse_args()
    light = {}
    for source in sorted(arguments.hdri.glob("*.exr.js")):
        name = source.name.split(".")[0]
        radiance = repaired(read_radiance(source))
        light[name] = harmonics(radiance)
        write_jpeg(arguments.out / f"{name}.jpg", tone_mapped(radiance))
        print(name, "mean light", np.round(light[name][0] * 0.2821, 2))
    np.savez(arguments.out / "sh9.npz", **light)


def read_radiance(source: Path) -> np.ndarray:
    """Return the linear RGB of an EXR file embedded in JavaScript, geometric mean about one."""
    encoded = re.search(r"base64,([A-Za-z0-9+/=]+)", source.read_text())
    if encoded is None:
        raise ValueError(f"{source} embeds no base64 data.")
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        file.write(base64.b64decode(encoded[1]))
        file.flush()
        with OpenEXR.File(file.name) as image:
            radiance = image.channels()["RGB"].pixels.astype(np.float64)
    grey = np.maximum(radiance.mean(axis=-1), 0.0)
    return radiance / np.exp(np.log(grey + 1e-4).mean())


def repaired(radiance: np.ndarray) -> np.ndarray:
    """Replace ringing around lamps and suns by the brightest grey nearby."""
    wrapped = np.concatenate(
        [radiance[:, -RINGING_PX:], radiance, radiance[:, :RINGING_PX]], axis=1
    )
    window = np.ones((RINGING_PX, RINGING_PX), np.uint8)
    rings = (wrapped.min(axis=-1) < RINGING).astype(np.uint8)
    rings = cv2.dilate(rings, np.ones((3, 3), np.uint8)) > 0
    clipped = np.clip(wrapped, 0.0, BRIGHTEST)
    filled = cv2.morphologyEx(clipped.max(axis=-1), cv2.MORPH_CLOSE, window)
    clipped[rings] = np.maximum(clipped, filled[..., None])[rings]
    return clipped[:, RINGING_PX:-RINGING_PX]


def tone_mapped(radiance: np.ndarray) -> np.ndarray:
    """Return display RGB, 0 to 1."""
    exposed = radiance * KEY
    return np.clip(exposed / (1.0 + 0.5 * exposed), 0.0, 1.0) ** (1.0 / 2.2)


def write_jpeg(path: Path, image: np.ndarray) -> None:
    """Write display RGB as JPEG."""
    small = cv2.resize(image, SHADES, interpolation=cv2.INTER_AREA)
    bgr = np.round(small[..., ::-1] * 255.0).astype(np.uint8)
    if not cv2.imwrite(str(path), bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
        raise OSError(f"cannot write {path}")


def harmonics(radiance: np.ndarray) -> np.ndarray:
    """Project light onto real spherical harmonics of bands 0 to 2 (9 x 3), mean radiance one.

    Axes as `hpe.data.render.background` uses them: y up, z at the panorama's left edge.
    """
    height, width = radiance.shape[:2]
    heading = (np.arange(width) + 0.5) / width * 2.0 * np.pi
    polar = (np.arange(height) + 0.5) / height * np.pi
    y = np.cos(polar)[:, None] * np.ones(width)
    x, z = np.sin(polar)[:, None] * np.sin(heading), np.sin(polar)[:, None] * np.cos(heading)
    basis = np.stack(
        [
            0.282095 * np.ones_like(x), 0.488603 * y, 0.488603 * z, 0.488603 * x,
            1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z * z - 1),
            1.092548 * x * z, 0.546274 * (x * x - y * y),
        ]
    )  # fmt: skip
    area = np.sin(polar)[:, None] * (np.pi / height) * (2.0 * np.pi / width)
    light = np.einsum("khw,hwc->kc", basis * area, radiance)
    return (light / light[0].mean() * np.sqrt(4.0 * np.pi)).astype(np.float32)


if __name__ == "__main__":
    main()

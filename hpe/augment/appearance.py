"""Operations on a view's colours: each one is its own settings, and callable.

An operation gets the view's pixels, its keypoints (some centre on a joint) and a generator, and
returns new pixels. Whether it applies (`enabled`, `prob`) and when (`order`, ascending) is the
composition's business. The default orders, probabilities and strengths are S0's (the reference
system of Spurr et al.'s self-supervised hand pose) unless an operation says otherwise; lengths are
in pixels or shares of the view, whereas S0 applies cut-out and blur before it crops, to sources of
224 px of which the hand's crop takes a part.
"""

from typing import Literal, Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from pydantic import Field, model_validator

from hpe.augment.kernels import kernels
from hpe.augment.view import HsvChange
from hpe.config import Config

Image = UInt8[np.ndarray, "side side 3"]
Keypoints = Float[np.ndarray, "21 2"]


@runtime_checkable
class OrderedSettings(Protocol):
    """What the composition needs to know of an operation to say whether and when it applies."""

    @property
    def enabled(self) -> bool:
        """Whether the composition contains it."""

    @property
    def prob(self) -> float:
        """Share of the views it applies to."""

    @property
    def order(self) -> float:
        """Sort key; lower comes first."""


@runtime_checkable
class AppearanceOperation(OrderedSettings, Protocol):
    """An operation that is ready to apply."""

    def __call__(self, image: Image, keypoints_px: Keypoints, rng: np.random.Generator, /) -> Image:
        """Return the changed pixels; the given ones stay as they are."""


class Sobel(Config):
    """Show edges alone: |d/dx| + |d/dy| of the grey image, in all three channels."""

    enabled: bool = False
    order: float = 1.0
    prob: float = Field(0.5, ge=0, le=1)

    def __call__(
        self, image: Image, _keypoints_px: Keypoints, _rng: np.random.Generator, /
    ) -> Image:
        """Return the edges."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        across = cv2.convertScaleAbs(cv2.Sobel(grey, cv2.CV_16S, 1, 0, ksize=3))
        down = cv2.convertScaleAbs(cv2.Sobel(grey, cv2.CV_16S, 0, 1, ksize=3))
        edges: Image = cv2.cvtColor(cv2.add(across, down), cv2.COLOR_GRAY2RGB)
        return edges


class CutOut(Config):
    """Hide a square around a random joint behind one random grey.

    Attributes:
        max_share: The square's side is uniform between 0 and this share of the view's side.
        centers: `as_published` reads a joint's x as the row and its y as the column and never picks
            the last joint, as the reference does; there the square rarely lies on a joint.
    """

    enabled: bool = False
    order: float = 2.0
    prob: float = Field(0.5, ge=0, le=1)
    max_share: float = Field(0.16, ge=0, le=1)
    centers: Literal["joints", "as_published"] = "joints"

    def __call__(self, image: Image, keypoints_px: Keypoints, rng: np.random.Generator, /) -> Image:
        """Return the image with the square filled; the part of it outside the view is lost."""
        left, top, right, bottom, grey = self.draw(keypoints_px, len(image), rng)
        cut = image.copy()
        cut[top:bottom, left:right] = grey
        return cut

    def draw(
        self, keypoints_px: Keypoints, side_px: int, rng: np.random.Generator
    ) -> tuple[int, int, int, int, int]:
        """Draw the square's left, top, right and bottom edge in the view, and its grey."""
        if self.centers == "as_published":
            keypoints_px = keypoints_px[:-1, ::-1]
        center = keypoints_px[rng.integers(len(keypoints_px))]
        half = rng.uniform(0.0, self.max_share) * side_px / 2
        left, top = np.clip(np.rint(center - half), 0, side_px).astype(int).tolist()
        right, bottom = np.clip(np.rint(center + half), 0, side_px).astype(int).tolist()
        return left, top, right, bottom, int(rng.integers(255))


class Blur(Config):
    """Blur with a Gaussian whose sigma is uniform between 0.1 px and `max_sigma` px of the view."""

    enabled: bool = False
    order: float = 3.0
    prob: float = Field(0.5, ge=0, le=1)
    max_sigma: float = Field(2.0, ge=0.1, le=32)

    def __call__(
        self, image: Image, _keypoints_px: Keypoints, rng: np.random.Generator, /
    ) -> Image:
        """Return the blurred image."""
        sigma_px = self.draw(rng)
        reach_px = max(1, round(3 * sigma_px))
        kernel = cv2.getGaussianKernel(2 * reach_px + 1, sigma_px)
        blurred: Image = kernels().gaussian_blur.apply(image, kernel=kernel)
        return blurred

    def draw(self, rng: np.random.Generator) -> float:
        """Draw the deviation in pixels."""
        return rng.uniform(0.1, self.max_sigma)


class ColorJitter(Config):
    """Change brightness, contrast, saturation and hue, in random order, as SimCLR does.

    SimCLR (Chen et al., 2020, appendix A) writes its colour distortion as
    `ColorJitter(0.8 s, 0.8 s, 0.8 s, 0.2 s)` with probability 0.8 and one strength s: factors are
    uniform in [1 - a, 1 + a], not below 0; the hue moves by up to that share of the colour circle.

    Attributes:
        strength: s.
        brightness: a at s = 1; likewise `contrast` and `saturation`.
        hue: Largest move at s = 1.
    """

    enabled: bool = False
    order: float = 7.0
    prob: float = Field(0.8, ge=0, le=1)
    strength: float = Field(0.5, ge=0, le=1)
    brightness: float = Field(0.8, ge=0, le=1)
    contrast: float = Field(0.8, ge=0, le=1)
    saturation: float = Field(0.8, ge=0, le=1)
    hue: float = Field(0.2, ge=0, le=0.5)

    def __call__(
        self, image: Image, _keypoints_px: Keypoints, rng: np.random.Generator, /
    ) -> Image:
        """Return the image in other colours."""
        (brightness, contrast, saturation, hue), order = self.draw(rng)
        jittered: Image = kernels().color_jitter.apply(
            image,
            brightness=1 + brightness,
            contrast=1 + contrast,
            saturation=1 + saturation,
            hue=hue,
            order=order,
        )
        return jittered

    def draw(self, rng: np.random.Generator) -> tuple[list[float], list[int]]:
        """Draw the changes of brightness, contrast, saturation and hue, and their order."""
        amounts = np.array([self.brightness, self.contrast, self.saturation, self.hue])
        draws = (2 * rng.random(4) - 1) * amounts * self.strength
        return draws.tolist(), rng.permutation(4).tolist()


class HsvJitter(Config):
    """Scale hue, saturation and value down, as S0 and PeCLR do.

    Hue and saturation are multiplied by U(min, 1); the value by U(min_value, 1), and U(5, 20) of
    255 is added to it.

    Attributes:
        min_hue: Smallest factor of the hue; likewise `min_saturation` and `min_value`.
        channels: `as_published` reads red as blue and blue as red on the way to HSV and back, as
            the reference does, which turns a hue of h degrees into 240 - h. The orange of skin then
            becomes a blue that the factor sweeps over most of the colour circle, whereas read as
            `rgb` its hue, next to 0 already, hardly moves.
    """

    enabled: bool = False
    order: float = 7.0
    prob: float = Field(1.0, ge=0, le=1)
    min_hue: float = Field(0.01, ge=0, le=1)
    min_saturation: float = Field(0.01, ge=0, le=1)
    min_value: float = Field(0.5, ge=0, le=1)
    channels: Literal["as_published", "rgb"] = "as_published"

    def __call__(
        self, image: Image, _keypoints_px: Keypoints, rng: np.random.Generator, /
    ) -> Image:
        """Return the image in other colours."""
        return self.recolored(image, self.draw(rng))

    def draw(self, rng: np.random.Generator) -> HsvChange:
        """Draw a change of colours."""
        smallest = np.array([self.min_hue, self.min_saturation, self.min_value])
        factors = smallest + rng.random(3) * (1 - smallest)
        return np.append(factors, rng.uniform(5.0, 20.0))

    def recolored(self, image: Image, change: HsvChange) -> Image:
        """Return the image with a change applied."""
        offsets = np.array([0.0, 0.0, change[3]])
        table = np.clip(np.arange(256.0)[:, None] * change[:3] + offsets, 0, 255).astype(np.uint8)
        forward, back = _HSV_CONVERSIONS[self.channels]
        hsv = cv2.LUT(cv2.cvtColor(image, forward), table[None])
        jittered: Image = cv2.cvtColor(hsv, back)
        return jittered


_HSV_CONVERSIONS = {
    "as_published": (cv2.COLOR_BGR2HSV, cv2.COLOR_HSV2BGR),
    "rgb": (cv2.COLOR_RGB2HSV, cv2.COLOR_HSV2RGB),
}


class ChannelGain(Config):
    """Multiply each channel by its own factor, uniform between `min_gain` and `max_gain`.

    S3 and S4 do that (integral human pose's colour scale); the defaults are S4's, S3's are 0.99 and
    1.01.
    """

    enabled: bool = False
    order: float = 7.0
    prob: float = Field(1.0, ge=0, le=1)
    min_gain: float = Field(0.8, ge=0, le=1)
    max_gain: float = Field(1.2, ge=1, le=4)

    def __call__(
        self, image: Image, _keypoints_px: Keypoints, rng: np.random.Generator, /
    ) -> Image:
        """Return the image with its channels scaled and clipped."""
        gains = self.draw(rng)
        table = np.rint(np.clip(np.arange(256.0)[:, None] * gains, 0, 255)).astype(np.uint8)
        scaled: Image = cv2.LUT(image, table[None])
        return scaled

    def draw(self, rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
        """Draw the channels' factors."""
        return rng.uniform(self.min_gain, self.max_gain, 3)


class Noise(Config):
    """Add white Gaussian noise with a deviation uniform between `min_std` and `max_std` of 255."""

    enabled: bool = False
    order: float = 8.0
    prob: float = Field(0.5, ge=0, le=1)
    min_std: float = Field(0.0, ge=0, le=255)
    max_std: float = Field(25.0, ge=0, le=255)

    @model_validator(mode="after")
    def _ascending(self) -> "Noise":
        if self.min_std > self.max_std:
            raise ValueError(f"min_std must be <= max_std, got {self.min_std} > {self.max_std}.")
        return self

    def __call__(
        self, image: Image, _keypoints_px: Keypoints, rng: np.random.Generator, /
    ) -> Image:
        """Return the image with noise in every channel of every pixel."""
        std = np.float32(self.draw(rng))
        noise = np.rint(std * rng.standard_normal(image.shape, dtype=np.float32))  # else truncated
        noisy: Image = kernels().gauss_noise.apply(image, noise_map=noise)
        return noisy

    def draw(self, rng: np.random.Generator) -> float:
        """Draw the deviation."""
        return rng.uniform(self.min_std, self.max_std)


class ColorDrop(Config):
    """Drop the colours."""

    enabled: bool = False
    order: float = 9.0
    prob: float = Field(0.5, ge=0, le=1)

    def __call__(
        self, image: Image, _keypoints_px: Keypoints, _rng: np.random.Generator, /
    ) -> Image:
        """Return the image in grey, in three channels."""
        grey: Image = kernels().to_gray.apply(image)
        return grey

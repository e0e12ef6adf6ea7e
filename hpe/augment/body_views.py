"""The network's view of a body: cropped, augmented and resampled once by one affine map."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from pydantic import Field

from hpe.augment.occlusion import Occlude, OccludeConfig, load_occluders
from hpe.augment.warp import warp_to
from hpe.config import Config
from hpe.data.bodies import RECTANGLE_MM, BodySample
from hpe.geometry.affine import Affine, compose, inverse, scaling, similarity, transform
from hpe.geometry.body_skeleton import MIRRORED_FROM_BODY


class BodyScaleConfig(Config):
    """Scale the box by 1 + spread * clip(N(0, 1), -1, 1); a larger box shows a smaller body."""

    enabled: bool = False
    spread: float = Field(0.25, ge=0, lt=1)


class BodyRotateConfig(Config):
    """Turn a share of the views by std_deg * clip(N(0, 1), -2, 2) about the box's centre."""

    enabled: bool = False
    std_deg: float = Field(30.0, ge=0, le=90)
    prob: float = Field(0.6, ge=0, le=1)


class BodyFlipConfig(Config):
    """Mirror a share of the views left to right; left joints become right ones."""

    enabled: bool = False
    prob: float = Field(0.5, ge=0, le=1)


class ChannelGainConfig(Config):
    """Multiply each colour channel by a factor of its own, U(1 - spread, 1 + spread).

    Attributes:
        order: Sort key beside that of `occlude`; lower comes first.
    """

    enabled: bool = False
    order: float = 5.0
    spread: float = Field(0.2, ge=0, lt=1)


class BodyViewConfig(Config):
    """What is done to a body's view; by default nothing. Strengths are S4's once enabled."""

    scale: BodyScaleConfig = BodyScaleConfig()
    rotate: BodyRotateConfig = BodyRotateConfig()
    flip: BodyFlipConfig = BodyFlipConfig()
    gain: ChannelGainConfig = ChannelGainConfig()
    occlude: OccludeConfig = OccludeConfig()

    @property
    def gain_first(self) -> bool:
        """Whether colours change before objects are pasted, which keep theirs then."""
        return self.gain.order <= self.occlude.order

    def canonical(self) -> "BodyViewConfig":
        """Return the settings with what is off, and orders that are as usual, at their defaults."""
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        read = {name: op if op.enabled else type(op)() for name, op in sections.items()}
        orders = [ChannelGainConfig().order, OccludeConfig().order]
        if self.gain.enabled and self.occlude.enabled and not self.gain_first:
            orders.reverse()
        for name, order in zip(("gain", "occlude"), orders, strict=True):
            read[name] = read[name].model_copy(update={"order": order})
        return self.model_copy(update=read)


@dataclass(frozen=True)
class BodyView:
    """A body as the network sees it.

    Attributes:
        image: RGB patch.
        keypoints_px: (u, v) in the patch (left edge at 0); may lie outside of it.
        depth: z relative to the pelvis as a share of `depth_range_mm`: within [-0.5, 0.5] inside
            the volume, S4's target. Zeros where unknown.
        visible: Whether a joint is annotated.
        has_depth: Whether `depth` says something.
        source_to_view: Source pixels -> patch pixels; its mirroring is included.
        flipped: Whether left and right are swapped; the joints are named anew.
        scale: The factor on the box.
        depth_range_mm: Depth of the volume: 1485 mm times `scale` for patches of S4's aspect (3:4);
            always what the patch's width stands for at the pelvis.
    """

    image: UInt8[np.ndarray, "height width 3"]
    keypoints_px: Float[np.ndarray, "17 2"]
    depth: Float[np.ndarray, " 17"]
    visible: Bool[np.ndarray, " 17"]
    has_depth: bool
    source_to_view: Affine
    flipped: bool
    scale: float
    depth_range_mm: float

    def source_keypoints_px(
        self, keypoints_px: Float[np.ndarray, "17 2"]
    ) -> Float[np.ndarray, "17 2"]:
        """Return keypoints of the patch in source pixels, under the source's names."""
        back = transform(inverse(self.source_to_view), keypoints_px)
        return self._source_order(back)

    def source_depth_mm(self, depth: Float[np.ndarray, " 17"]) -> Float[np.ndarray, " 17"]:
        """Return depths of the volume in mm relative to the pelvis, under the source's names."""
        return self._source_order(depth * self.depth_range_mm)

    def _source_order(self, values: np.ndarray) -> np.ndarray:
        return values[list(MIRRORED_FROM_BODY)] if self.flipped else values


MakeBodyView = Callable[[BodySample, np.random.Generator], BodyView]


def build_body_view(
    config: BodyViewConfig, *, width_px: int, height_px: int, seed: int
) -> MakeBodyView:
    """Return what makes views of this size.

    Args:
        config: What is done; `BodyViewConfig()` crops and nothing else, as for evaluation.
        width_px: Width of the patch.
        height_px: Height of the patch.
        seed: Of occluders that are drawn here.

    Raises:
        FileNotFoundError: If occluders are to be read from files that are missing.
    """
    occlude = None
    if config.occlude.enabled:
        occlude = Occlude(config.occlude, load_occluders(config.occlude, seed=seed))
    return _BodyViews(config, occlude, (width_px, height_px))


@dataclass(frozen=True)
class _BodyViews:
    """Makes views; pickles, so that loader workers can have it."""

    config: BodyViewConfig
    occlude: Occlude | None
    size_px: tuple[int, int]

    def __call__(self, sample: BodySample, rng: np.random.Generator) -> BodyView:
        """Return a view of the sample; draws the same numbers whatever is enabled before them."""
        drawn = _draw(self.config, rng)
        box_px = at_aspect(sample.box_px, self.size_px)
        source_to_view = self._affine(box_px, drawn)
        layer = warp_to(sample.image, source_to_view=source_to_view, size_px=self.size_px)
        keypoints_px = transform(source_to_view, sample.keypoints_px)
        depth_range_mm = RECTANGLE_MM[0] * drawn.scale * float(box_px[2] / sample.box_px[2])
        order = list(MIRRORED_FROM_BODY) if drawn.flipped else list(range(len(keypoints_px)))
        return BodyView(
            image=self._recoloured(layer.image, drawn, rng),
            keypoints_px=keypoints_px[order],
            depth=sample.depth_mm[order] / depth_range_mm,
            visible=sample.visible[order],
            has_depth=sample.has_depth,
            source_to_view=source_to_view,
            flipped=drawn.flipped,
            scale=drawn.scale,
            depth_range_mm=depth_range_mm,
        )

    def _affine(self, box_px: Float[np.ndarray, " 4"], drawn: "_Drawn") -> Affine:
        """Return the one map: box to origin, mirrored, turned, zoomed, to the middle."""
        to_origin = scaling(1.0, -(box_px[:2] + box_px[2:] / 2))
        zoom = self.size_px[0] / float(box_px[2]) / drawn.scale
        middle = np.array(self.size_px) / 2
        to_view = similarity(angle_deg=drawn.angle_deg, zoom=zoom, shift=middle)
        to_view[:, :2] = to_view[:, :2] @ np.diag([-1.0 if drawn.flipped else 1.0, 1.0])
        return compose(to_view, to_origin)

    def _recoloured(
        self, image: UInt8[np.ndarray, "height width 3"], drawn: "_Drawn", rng: np.random.Generator
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Return the patch with gains and occluders, in the order of the settings."""
        if self.config.gain_first:
            image = _gained(image, drawn.gains)
        if self.occlude is not None and rng.random() < self.occlude.prob:
            image = self.occlude.over(image, rng)
        return image if self.config.gain_first else _gained(image, drawn.gains)


def at_aspect(box_px: Float[np.ndarray, " 4"], size_px: tuple[int, int]) -> Float[np.ndarray, " 4"]:
    """Return the smallest box about the same centre that holds this one and has a patch's aspect.

    Args:
        box_px: (left, top, width, height).
        size_px: Width and height of the patch.
    """
    size = np.array(size_px, float)
    grown = size * np.max(box_px[2:] / size)
    return np.concatenate([box_px[:2] + (box_px[2:] - grown) / 2, grown])


@dataclass(frozen=True)
class _Drawn:
    """The numbers of one view."""

    scale: float
    angle_deg: float
    flipped: bool
    gains: Float[np.ndarray, " 3"]


def _draw(config: BodyViewConfig, rng: np.random.Generator) -> _Drawn:
    """Draw a view's numbers; takes as many whatever is enabled, so that switching one operation
    leaves the others' draws as they were."""
    size, turn = rng.standard_normal(2).tolist()
    turns, flips = rng.random(2).tolist()
    gains = rng.uniform(-1.0, 1.0, 3)
    turned = config.rotate.enabled and turns < config.rotate.prob
    return _Drawn(
        scale=1 + config.scale.spread * min(max(size, -1), 1) if config.scale.enabled else 1.0,
        angle_deg=config.rotate.std_deg * min(max(turn, -2), 2) if turned else 0.0,
        flipped=config.flip.enabled and flips < config.flip.prob,
        gains=1 + config.gain.spread * gains if config.gain.enabled else np.ones(3),
    )


def _gained(
    image: UInt8[np.ndarray, "height width 3"], gains: Float[np.ndarray, " 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    if (gains == 1).all():
        return image
    gained: np.ndarray = np.clip(np.rint(image * gains), 0, 255).astype(np.uint8)
    return gained

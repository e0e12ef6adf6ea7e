"""A composition of augmentations: its settings, and the function from sample to view they make."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from pydantic import Field

from hpe.augment.appearance import (
    AppearanceOperation,
    Blur,
    ChannelGain,
    ColorDrop,
    ColorJitter,
    CutOut,
    HsvJitter,
    Noise,
    OrderedSettings,
    Sobel,
)
from hpe.augment.backgrounds import Backgrounds, over
from hpe.augment.control import (
    ControlArm,
    RandAugmentConfig,
    geometry_of,
    rand_augment,
    toned,
    trivial_augment,
)
from hpe.augment.crop import Frame, normalized_from_source, reference_square
from hpe.augment.geometric import (
    FixedPose,
    FlipConfig,
    Pose,
    PoseSampler,
    RotateConfig,
    TranslateConfig,
    ZoomConfig,
)
from hpe.augment.occluders import Occluders
from hpe.augment.occlusion import Occlude, OccludeConfig
from hpe.augment.view import UNCHANGED_COLORS, View
from hpe.augment.warp import warp
from hpe.config import Config
from hpe.data.hands import HandSample
from hpe.geometry.affine import (
    Affine,
    compose,
    homogeneous,
    pixels_from_normalized,
    transform,
)


class ReplaceBackgroundConfig(Config):
    """Put another picture behind the hand; a sample without a mask keeps its background."""

    enabled: bool = False
    prob: float = Field(1.0, ge=0, le=1)


class CompositionConfig(Config):
    """Which operations make a view, and how strongly; none of them is the reference crop.

    Flips, rotation, zoom and translation are drawn first and applied as one warp, together with the
    background; the others follow by their `order`, ties as listed here.

    Attributes:
        control: A published policy that takes no search, in place of or after the operations that
            are on: `rand_augment` (with its settings of that name) or `trivial_augment`.
    """

    flip: FlipConfig = FlipConfig()
    rotate: RotateConfig = RotateConfig()
    zoom: ZoomConfig = ZoomConfig()
    translate: TranslateConfig = TranslateConfig()
    replace_background: ReplaceBackgroundConfig = ReplaceBackgroundConfig()
    sobel: Sobel = Sobel()
    cut_out: CutOut = CutOut()
    blur: Blur = Blur()
    occlude: OccludeConfig = OccludeConfig()
    color_jitter: ColorJitter = ColorJitter()
    hsv_jitter: HsvJitter = HsvJitter()
    channel_gain: ChannelGain = ChannelGain()
    noise: Noise = Noise()
    color_drop: ColorDrop = ColorDrop()
    control: Literal["none", "rand_augment", "trivial_augment"] = "none"
    rand_augment: RandAugmentConfig = RandAugmentConfig()

    def canonical(self) -> "CompositionConfig":
        """Return the settings with what is off at its defaults, and orders counted from 0."""
        operations = operations_of(self)
        off: dict[str, Config] = {
            name: type(op)() for name, op in operations.items() if not op.enabled
        }
        if self.control != "rand_augment":
            off["rand_augment"] = RandAugmentConfig()
        ranked = {
            name: operations[name].model_copy(update={"order": float(rank)})
            for rank, name in enumerate(appearance_of(self))
        }
        return self.model_copy(update=off | ranked)


def operations_of(config: CompositionConfig) -> dict[str, Any]:
    """Return the settings of every operation, on or off, by name."""
    sections = {name: getattr(config, name) for name in type(config).model_fields}
    return {name: section for name, section in sections.items() if hasattr(section, "enabled")}


def changes_nothing(config: CompositionConfig) -> bool:
    """Return whether every view is the reference crop."""
    return config.control == "none" and not any(
        operation.enabled for operation in operations_of(config).values()
    )


def appearance_of(config: CompositionConfig) -> dict[str, OrderedSettings]:
    """Return the operations on pixels that are on by name, in the order they apply."""
    operations: dict[str, OrderedSettings] = {
        "sobel": config.sobel,
        "cut_out": config.cut_out,
        "blur": config.blur,
        "occlude": config.occlude,
        "color_jitter": config.color_jitter,
        "hsv_jitter": config.hsv_jitter,
        "channel_gain": config.channel_gain,
        "noise": config.noise,
        "color_drop": config.color_drop,
    }
    enabled = {name: operation for name, operation in operations.items() if operation.enabled}
    return dict(sorted(enabled.items(), key=lambda item: item[1].order))


@dataclass(frozen=True)
class Composition:
    """Makes views; the same sample and generator state always give the same view.

    Attributes:
        image_px: Side of the views.
        poses: Draws how a view lies over the reference crop.
        background_prob: Share of the views whose background is replaced.
        backgrounds: What to replace it with; None where it never is.
        appearance: The operations on pixels, in the order they apply.
        control: A policy that adds operations of its own; None where there is none.
        frame: What the reference crop shows.
    """

    image_px: int
    poses: Callable[[np.random.Generator], Pose]
    background_prob: float
    backgrounds: Backgrounds | None
    appearance: tuple[AppearanceOperation, ...]
    control: ControlArm | None = None
    frame: Frame = "hand"

    def __call__(self, sample: HandSample, rng: np.random.Generator) -> View:
        """Return a random view of the sample.

        Raises:
            ValueError: If the sample has no two visible keypoints apart from each other.
        """
        pose = self.poses(rng)
        drawn = () if self.control is None else self.control(rng)
        if (moved := geometry_of(drawn)) is not None:
            pose = pose.then(moved)
        affine = pose.affine()
        crop = normalized_from_source(*reference_square(sample, self.frame))
        source_to_view = compose(pixels_from_normalized(self.image_px), compose(affine, crop))
        keypoints_px = transform(source_to_view, sample.keypoints_px)
        image = self._paint(sample, source_to_view, rng)
        hsv_change = np.array(UNCHANGED_COLORS)
        for operation in self.appearance:
            if rng.random() >= operation.prob:
                continue
            if isinstance(operation, HsvJitter):
                hsv_change = operation.draw(rng)
                image = operation.recolored(image, hsv_change)
            else:
                image = operation(image, keypoints_px, rng)
        return View(
            image=toned(image, drawn),
            keypoints_px=keypoints_px,
            intrinsics=homogeneous(source_to_view) @ sample.intrinsics,
            visible=sample.visible,
            affine=affine,
            angle_deg=pose.angle_deg,
            zoom=pose.zoom,
            shift=pose.shift,
            hsv_change=hsv_change,
        )

    def always(self, pose: Pose) -> "Composition":
        """Return the composition whose views all lie alike over their reference crops."""
        return replace(self, poses=FixedPose(pose))

    def _paint(
        self, sample: HandSample, source_to_view: Affine, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "side side 3"]:
        foreground, background = None, None
        if self.backgrounds is not None and rng.random() < self.background_prob:
            foreground = sample.foreground
            background = self.backgrounds.pick(self.image_px, rng)
        layer = warp(
            sample.image,
            source_to_view=source_to_view,
            side_px=self.image_px,
            foreground=foreground,
        )
        if foreground is None or background is None:
            return layer.image
        return over(layer, background)


def build_composition(
    config: CompositionConfig,
    *,
    image_px: int,
    backgrounds: Backgrounds | None = None,
    occluders: Occluders | None = None,
    frame: Frame = "hand",
) -> Composition:
    """Return the composition that the settings describe.

    Args:
        config: The operations.
        image_px: Side of the views.
        backgrounds: Needed where `replace_background` is enabled, unused elsewhere.
        occluders: Needed where `occlude` is enabled, unused elsewhere.
        frame: What the reference crop shows.

    Raises:
        ValueError: If backgrounds or occluders are needed and not given.
    """
    replaces = config.replace_background.enabled
    if replaces and backgrounds is None:
        raise ValueError("replace_background is enabled, so the composition needs backgrounds.")
    return Composition(
        image_px=image_px,
        poses=PoseSampler(
            rotate=config.rotate, zoom=config.zoom, translate=config.translate, flip=config.flip
        ),
        background_prob=config.replace_background.prob,
        backgrounds=backgrounds if replaces else None,
        appearance=tuple(_ready(op, occluders) for op in appearance_of(config).values()),
        control=_control_arm(config),
        frame=frame,
    )


def _ready(settings: OrderedSettings, occluders: Occluders | None) -> AppearanceOperation:
    if isinstance(settings, OccludeConfig):
        if occluders is None:
            raise ValueError("occlude is enabled, so the composition needs occluders.")
        return Occlude(settings, occluders)
    assert isinstance(settings, AppearanceOperation)
    return settings


def _control_arm(config: CompositionConfig) -> ControlArm | None:
    if config.control == "none":
        return None
    if config.control == "rand_augment":
        return rand_augment(config.rand_augment)
    return trivial_augment()

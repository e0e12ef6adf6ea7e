"""Time two-view augmentation: one composed warp here, against what others do to the same hand.

The opponents, with the same operations as ours in each row:

* `reference order`: S0's and PeCLR's. The whole source frame is turned by warpAffine about the mean
  joint, then sliced (clamped to the frame), then resized by area, then its colours change; joints
  and intrinsics move along.
* `Compose`: albumentations' own pipeline on the sliced reference crop, with a mask and keypoints,
  and a replaced background.

Rounds of either alternate in one process on one thread; the ratio is the median over rounds.

    python benchmarks/augment.py [--views 300] [--rounds 7] [--image-px 128]
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

from hpe.augment.backgrounds import Backgrounds, panorama_backgrounds
from hpe.augment.composition import CompositionConfig, build_composition
from hpe.augment.crop import hand_crop
from hpe.augment.kernels import kernels
from hpe.data.hands import HandSample

SOURCES = {
    "96 x 96": (96, 96),
    "224 x 224": (224, 224),
    "1280 x 720": (720, 1280),
}
HAND_SHARE = 0.3
"""Standard deviation of the keypoints, as a share of half the image's shorter side."""

PUBLISHED: Mapping[str, Any] = {
    "rotate": {"enabled": True, "max_deg": 45.0},
    "zoom": {"enabled": True, "min_factor": 1.25 / 1.5, "max_factor": 1.25 / 0.9},
    "translate": {"enabled": True, "max_share": 15 / 128, "one_sided": True},
    "hsv_jitter": {"enabled": True},
}
"""PeCLR's composition."""

COMPOSED: Mapping[str, Any] = {
    "rotate": {"enabled": True, "max_deg": 45.0},
    "zoom": {"enabled": True, "max_factor": 1.4},
    "translate": {"enabled": True, "max_share": 0.12},
    "replace_background": {"enabled": True, "prob": 1.0},
    "color_jitter": {"enabled": True, "prob": 1.0, "strength": 0.5},
}

View = Callable[[int], object]


def main() -> None:
    """Print a line per source size and opponent."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--views", type=int, default=300, help="views per round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--image-px", type=int, default=128)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    side_px = arguments.image_px
    backgrounds = panorama_backgrounds(side_px=side_px, seed=0)
    print(f"{side_px} px views per second, one thread, median of {arguments.rounds} rounds")
    print(f"{'source':>12} {'against':>16} {'ours':>7} {'theirs':>7} {'ratio':>6}   all ratios")
    for name, (height, width) in SOURCES.items():
        sample = make_sample(height, width)
        pairs = {
            "reference order": (
                composition_view(sample, PUBLISHED, side_px),
                reference_view(sample, side_px),
            ),
            "Compose": (
                composition_view(sample, COMPOSED, side_px, backgrounds),
                compose_view(sample, side_px, backgrounds),
            ),
        }
        for opponent, (ours, theirs) in pairs.items():
            rounds = [
                (seconds_per_view(ours, arguments.views), seconds_per_view(theirs, arguments.views))
                for _ in range(arguments.rounds + 1)
            ][1:]
            ratios = sorted(b / a for a, b in rounds)
            print(
                f"{name:>12} {opponent:>16} {1 / statistics.median(a for a, _ in rounds):7.0f} "
                f"{1 / statistics.median(b for _, b in rounds):7.0f} "
                f"{statistics.median(ratios):6.2f}   {ratios[0]:.2f}-{ratios[-1]:.2f}"
            )


def make_sample(height: int, width: int) -> HandSample:
    """Return a blob of joints with a mask around them, on noise."""
    rng = np.random.default_rng(0)
    spread_px = HAND_SHARE * min(height, width) / 2
    keypoints_px = rng.normal(size=(21, 2)).clip(-1.5, 1.5) * spread_px + (width / 2, height / 2)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(keypoints_px.astype(np.int32)), 1)
    return HandSample(
        image=rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        joints_m=np.ones((21, 3)),
        intrinsics=np.eye(3),
        keypoints_px=keypoints_px,
        visible=np.ones(21, bool),
        foreground=mask.astype(bool),
        unique_id=0,
    )


def composition_view(
    sample: HandSample,
    operations: Mapping[str, Any],
    side_px: int,
    backgrounds: Backgrounds | None = None,
) -> View:
    """Return a maker of our views by seed."""
    config = CompositionConfig.model_validate(operations)
    composition = build_composition(config, image_px=side_px, backgrounds=backgrounds)
    return lambda seed: composition(sample, np.random.default_rng([0, seed]))


def reference_view(sample: HandSample, side_px: int) -> View:
    """Return a maker of views in the reference's order of operations."""
    height, width = sample.image.shape[:2]

    def view(seed: int) -> object:
        rng = np.random.default_rng([0, seed])
        middle = np.rint(sample.keypoints_px.mean(axis=0))
        turn = np.eye(3)
        turn[:2] = cv2.getRotationMatrix2D(middle.tolist(), math.floor(rng.uniform(-45, 45)), 1.0)
        image = cv2.warpAffine(sample.image, turn[:2], (width, height))
        points = sample.keypoints_px @ turn[:2, :2].T + turn[:2, 2]

        mean = points.mean(axis=0)
        reach = rng.uniform(0.9, 1.5) * np.sqrt(np.square(points - mean).sum(axis=1).max())
        left, top = np.maximum(mean - reach + rng.uniform(0, 15, 2), 0).astype(int)
        box = image[top : top + int(2 * reach), left : left + int(2 * reach)]
        shift = np.array([[1.0, 0, -left], [0, 1, -top], [0, 0, 1]])

        image = cv2.resize(box, (side_px, side_px), interpolation=cv2.INTER_AREA)
        scale = np.diag([side_px / box.shape[1], side_px / box.shape[0], 1.0])
        points = (points - (left, top)) * np.diag(scale)[:2]
        intrinsics = scale @ shift @ turn @ sample.intrinsics

        factors = np.array([*rng.uniform(0.01, 1, 2), rng.uniform(0.5, 1)], np.float32)
        offsets = np.array([0, 0, rng.uniform(5, 20)], np.float32)
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV) * factors + offsets
        hsv = np.clip(hsv, 0, 255).astype(np.uint8)
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), points, intrinsics

    return view


def compose_view(sample: HandSample, side_px: int, backgrounds: Backgrounds) -> View:
    """Return a maker of the same views from the library's transforms in its Compose."""
    kernels()  # the library's import, without its update check
    import albumentations as A  # noqa: N812, PLC0415 - only after the line above

    amount = COMPOSED["color_jitter"]["strength"]
    colour = (1 - 0.8 * amount, 1 + 0.8 * amount)
    compose = A.Compose(
        [
            A.Affine(
                rotate=(-45, 45), scale=(1 / 1.4, 1.4), translate_percent=(-0.12, 0.12), p=1.0
            ),
            A.Resize(side_px, side_px, interpolation=cv2.INTER_AREA),
            A.ColorJitter(
                brightness=colour, contrast=colour, saturation=colour, hue=(-0.1, 0.1), p=1.0
            ),
        ],
        keypoint_params=A.KeypointParams(format="xy", remove_invisible=False),
    )
    foreground = sample.foreground.astype(np.uint8) * 255

    def view(seed: int) -> object:
        compose.set_random_seed(seed)
        rows, columns, corner = reference_box(sample)
        made = compose(
            image=sample.image[rows, columns],
            mask=foreground[rows, columns],
            keypoints=sample.keypoints_px - corner,
        )
        alpha = made["mask"][:, :, None].astype(np.float32) / 255
        behind = backgrounds.pick(side_px, np.random.default_rng([0, seed]))
        return (made["image"] * alpha + behind * (1 - alpha)).astype(np.uint8), made["keypoints"]

    return view


def reference_box(sample: HandSample) -> tuple[slice, slice, np.ndarray]:
    """Return the rows and columns of the reference crop that lie in the image."""
    center, half_side_px = hand_crop(sample.keypoints_px, sample.visible)
    left, top = np.maximum(center - half_side_px, 0).astype(int)
    right, bottom = np.ceil(center + half_side_px).astype(int)
    return slice(top, bottom), slice(left, right), np.array([left, top])


def seconds_per_view(view: View, count: int) -> float:
    """Time views with fresh seeds."""
    start = time.perf_counter()
    for seed in range(count):
        view(seed)
    return (time.perf_counter() - start) / count


if __name__ == "__main__":
    main()

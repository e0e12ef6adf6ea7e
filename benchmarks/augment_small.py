"""Time small two-view augmentation: one composed warp here, against albumentations' own Compose.

Both turn, zoom, move, replace the background and jitter the colours of the same hand, move its 21
keypoints and its mask along, and are reproducible by seed. Rounds of either alternate in one
process on one thread; the ratio is the median over rounds.

    python benchmarks/augment_small.py [--views 400] [--rounds 9] [--image-px 64]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from hpe.augment.backgrounds import Backgrounds, panorama_backgrounds
from hpe.augment.composition import CompositionConfig, build_composition
from hpe.augment.crop import hand_crop
from hpe.augment.kernels import kernels
from hpe.data.hands import HandSample

SOURCES = {
    "96 x 96": (96, 96),
    "128 x 128": (128, 128),
    "224 x 224": (224, 224),
    "1280 x 720": (720, 1280),
}
HAND_SHARE = 0.3
"""Standard deviation of the keypoints, as a share of half the image's shorter side."""

OPERATIONS = {
    "rotate": {"enabled": True, "max_deg": 45.0},
    "zoom": {"enabled": True, "max_factor": 1.4},
    "translate": {"enabled": True, "max_share": 0.12},
    "replace_background": {"enabled": True, "prob": 1.0},
    "color_jitter": {"enabled": True, "prob": 1.0, "strength": 0.5},
}

View = Callable[[int], object]


def main() -> None:
    """Print a line per source size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--views", type=int, default=400, help="views per round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--image-px", type=int, default=64)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    backgrounds = panorama_backgrounds(side_px=arguments.image_px, seed=0)
    print(f"{arguments.image_px} px views, ms per view (median of {arguments.rounds} rounds)")
    print(f"{'source':>12} {'composition':>12} {'Compose':>9} {'ratio':>6}")
    for name, (height, width) in SOURCES.items():
        sample = make_sample(height, width)
        ours = composition_view(sample, arguments.image_px, backgrounds)
        theirs = compose_view(sample, arguments.image_px, backgrounds)
        rounds = [
            (seconds_per_view(ours, arguments.views), seconds_per_view(theirs, arguments.views))
            for _ in range(arguments.rounds + 1)
        ][1:]
        print(
            f"{name:>12} {1e3 * statistics.median(a for a, _ in rounds):12.3f} "
            f"{1e3 * statistics.median(b for _, b in rounds):9.3f} "
            f"{statistics.median(b / a for a, b in rounds):6.2f}"
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


def composition_view(sample: HandSample, image_px: int, backgrounds: Backgrounds) -> View:
    """Return a maker of our views by seed."""
    config = CompositionConfig.model_validate(OPERATIONS)
    composition = build_composition(config, image_px=image_px, backgrounds=backgrounds)
    return lambda seed: composition(sample, np.random.default_rng([0, seed]))


def compose_view(sample: HandSample, image_px: int, backgrounds: Backgrounds) -> View:
    """Return a maker of the same views from the library's transforms in its Compose."""
    kernels()  # the library's import, without its update check
    import albumentations as A  # noqa: N812, PLC0415 - only after the line above

    amount = OPERATIONS["color_jitter"]["strength"]
    colour = (1 - 0.8 * amount, 1 + 0.8 * amount)
    compose = A.Compose(
        [
            A.Affine(
                rotate=(-45, 45), scale=(1 / 1.4, 1.4), translate_percent=(-0.12, 0.12), p=1.0
            ),
            A.Resize(image_px, image_px, interpolation=cv2.INTER_AREA),
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
        behind = backgrounds.pick(image_px, np.random.default_rng([0, seed]))
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

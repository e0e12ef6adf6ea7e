"""Measure how many finished pictures one core renders per second.

    python benchmarks/render.py [--pictures N]

Prints one table: pictures/s by size and number of hands, with supersampling 2 (the default of the
data set), the least of three rounds of processor time, after a warm-up.
"""

import argparse
import platform
import time
from pathlib import Path

import cv2
import numpy as np

from hpe.data.render.scene import render_scene
from hpe.data.rendered_hands import RenderedHandsConfig, scene_settings

SIZES_PX = (64, 96, 128)
ROUNDS = 3


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200, help="pictures per round")
    pictures = parser.parse_args().pictures
    cv2.setNumThreads(1)
    print(f"{cpu_model()}, one core, numpy {np.__version__}, OpenCV {cv2.__version__}")
    print(f"{pictures} pictures, best of {ROUNDS} rounds, pictures/s (ms each)")
    print("| size | one hand | two hands |")
    print("|---|---|---|")
    for image_px in SIZES_PX:
        cells = [seconds_per_picture(image_px, hands, pictures) for hands in ("one", "two")]
        text = " | ".join(f"{1.0 / seconds:.0f} ({seconds * 1e3:.1f})" for seconds in cells)
        print(f"| {image_px} px | {text} |")


def seconds_per_picture(image_px: int, hands: str, pictures: int) -> float:
    """Return the processor time per picture of the fastest round over the same pictures."""
    config = RenderedHandsConfig.model_validate({"image_px": image_px, "hands": hands})
    settings = scene_settings(config, "train")
    rounds = []
    for count in (10, *[pictures] * ROUNDS):
        begin = time.process_time()
        for index in range(count):
            render_scene(settings, seed=config.seed, split="train", index=index)
        rounds.append((time.process_time() - begin) / count)
    return min(rounds[1:])


def cpu_model() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()

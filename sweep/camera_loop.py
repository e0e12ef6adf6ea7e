"""Hands in front of a camera, frame by frame, until somebody presses q."""

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np

from hpe.viz.hands import Image

WINDOW = "hand (q quits)"
QUIT = ord("q")
ESCAPE = 27


class Capture(Protocol):
    """What this needs of `cv2.VideoCapture`."""

    def read(self) -> tuple[bool, np.ndarray]: ...

    def release(self) -> None: ...


Screen = Callable[[np.ndarray], int]
"""Shows a frame (BGR) and returns the key that was pressed, -1 for none."""


def open_camera(number: int) -> Capture:
    """Return the camera of this number.

    Raises:
        ValueError: If there is none.
    """
    capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        capture.release()
        raise ValueError(f"there is no camera {number} on this machine; give images instead.")
    opened: Capture = capture
    return opened


def show_in_window(frame: np.ndarray) -> int:
    """Show a frame in a window of the screen.

    Raises:
        ValueError: If OpenCV was built without windows, as `opencv-python-headless` is.
    """
    try:
        cv2.imshow(WINDOW, frame)
        return int(cv2.waitKey(1)) & 0xFF
    except cv2.error as error:
        raise ValueError(
            "this OpenCV shows no windows (opencv-python-headless): give --out DIR and --frames N "
            "to write the camera's frames instead, or use an environment of its own with "
            f"opencv-python. OpenCV says: {str(error).strip()}"
        ) from None


def camera_loop(
    capture: Capture,
    draw: Callable[[Image, int], Image],
    screen: Screen,
    *,
    max_frames: int | None = None,
) -> int:
    """Draw on every frame and show it until q or escape is pressed, or the camera ends.

    Args:
        capture: Where frames (BGR) come from; released in any case.
        draw: Given an RGB frame and its number from 0, what to show.
        screen: Shows it.
        max_frames: End after this many; None for no end.

    Returns:
        How many frames were shown.
    """
    shown = 0
    try:
        while max_frames is None or shown < max_frames:
            is_there, frame = capture.read()
            if not is_there:
                return shown
            drawn = draw(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), shown)
            shown += 1
            if screen(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)) in (QUIT, ESCAPE):
                return shown
        return shown
    finally:
        capture.release()

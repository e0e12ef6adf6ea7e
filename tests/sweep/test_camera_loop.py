"""The loop in front of a camera, with a camera and a screen made up."""

import numpy as np
import pytest

from sweep.camera_loop import camera_loop


class FakeCapture:
    """A camera whose frames are blue, so many of them."""

    def __init__(self, count):
        self.left, self.released = count, False

    def read(self):
        self.left -= 1
        frame = np.zeros((4, 6, 3), np.uint8)
        frame[..., 0] = 200  # OpenCV's first channel is blue
        return self.left >= 0, frame

    def release(self):
        self.released = True


def keys(*pressed):
    """A screen before which these keys are pressed, one a frame; it keeps what it showed."""
    shown, left = [], list(pressed)

    def screen(frame):
        shown.append(frame)
        return left.pop(0) if left else -1

    screen.shown = shown
    return screen


def as_it_is(image, _number):
    return image


@pytest.mark.parametrize("key", [ord("q"), 27])
def test_ends_at_q_and_escape(key):
    capture = FakeCapture(9)
    assert camera_loop(capture, as_it_is, keys(ord("x"), -1, key)) == 3
    assert capture.released


def test_ends_with_the_camera():
    capture = FakeCapture(2)
    assert camera_loop(capture, as_it_is, keys()) == 2
    assert capture.released


def test_ends_after_as_many_frames_as_asked_for():
    assert camera_loop(FakeCapture(9), as_it_is, keys(), max_frames=4) == 4


def test_frames_are_drawn_on_as_rgb_and_shown_as_bgr():
    seen = []

    def draw(image, number):
        seen.append((number, image[0, 0].tolist()))
        return image

    screen = keys()
    camera_loop(FakeCapture(2), draw, screen)
    assert seen == [(0, [0, 0, 200]), (1, [0, 0, 200])]
    assert screen.shown[0][0, 0].tolist() == [200, 0, 0]


def test_lets_go_of_the_camera_when_drawing_fails():
    capture = FakeCapture(2)
    with pytest.raises(RuntimeError, match="broken"):
        camera_loop(capture, broken, keys())
    assert capture.released


def broken(_image, _number):
    raise RuntimeError("broken")

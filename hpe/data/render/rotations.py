"""Rotation matrices: about an axis, and the turns that aim a hand at the camera."""

import numpy as np
from jaxtyping import Float


def rotation_about(axis: Float[np.ndarray, "3"], angle_rad: float) -> Float[np.ndarray, "3 3"]:
    """Return the right-handed rotation about an axis of any length (Rodrigues' formula)."""
    x, y, z = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    sine, cosine = np.sin(angle_rad), np.cos(angle_rad)
    return np.asarray(np.eye(3) + sine * cross + (1.0 - cosine) * (cross @ cross))


def tilt_from_frontal(rng: np.random.Generator, max_tilt_deg: float) -> Float[np.ndarray, "3 3"]:
    """Draw a tilt out of the image plane, uniform over the cap of directions up to `max_tilt_deg`.

    At 180 degrees, together with a uniform turn in the image plane, every rotation is equally
    likely.
    """
    cos_tilt = rng.uniform(np.cos(np.radians(max_tilt_deg)), 1.0)
    towards_rad = rng.uniform(0.0, 2.0 * np.pi)
    axis = np.array([np.cos(towards_rad), np.sin(towards_rad), 0.0])
    return rotation_about(axis, float(np.arccos(cos_tilt)))


def turn_in_plane(angle_rad: float) -> Float[np.ndarray, "3 3"]:
    """Return the turn about the optical axis; positive is clockwise on screen, y being down."""
    return rotation_about(np.array([0.0, 0.0, 1.0]), angle_rad)

"""One hand as data sets give it to the phases."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8

from hpe.data.opened import OpenedData, Split
from hpe.geometry.camera import mirrored_intrinsics, mirrored_joints, mirrored_keypoints


@dataclass(frozen=True)
class HandSample:
    """One right hand (left hands arrive mirrored, with their intrinsics) in its source image.

    Attributes:
        image: RGB.
        joints_m: Camera coordinates, x right, y down, z forward, metres, in `SKELETON` order
            (`hpe.geometry.skeleton`: FreiHAND's).
        intrinsics: Pixel intrinsics K; pixel centres lie at integer + 0.5, so that a point at the
            image's left edge has u = 0.
        keypoints_px: Projections of the joints, (u, v).
        visible: Whether a joint is annotated; everything scored or trained on is weighted by it.
        foreground: Hand (and arm) pixels, for replacing the background; None where unknown.
        unique_id: Samples with one id are versions of one photograph and stay in one split.
        has_depth: Whether `joints_m` says where joints are in space, and first those that hands are
            measured by: the wrist, and the first bones of the middle and the index finger. Where it
            does not, only keypoints count; what is in `joints_m` still projects onto them under
            `intrinsics`, such as (u, v, 1) under the identity (`flat_sample`).
        sequence: The recording it comes from, for scores by sequence; None where unknown.
    """

    image: UInt8[np.ndarray, "height width 3"]
    joints_m: Float[np.ndarray, "21 3"]
    intrinsics: Float[np.ndarray, "3 3"]
    keypoints_px: Float[np.ndarray, "21 2"]
    visible: Bool[np.ndarray, " 21"]
    foreground: Bool[np.ndarray, "height width"] | None
    unique_id: int
    has_depth: bool = True
    sequence: str | None = None


HandSplit = Split[HandSample]
HandData = OpenedData[HandSample]


def mirrored(sample: HandSample) -> HandSample:
    """Return the sample as a mirror shows it: a left hand becomes a right one, its K included."""
    width_px = sample.image.shape[1]
    return replace(
        sample,
        image=np.ascontiguousarray(sample.image[:, ::-1]),
        joints_m=mirrored_joints(sample.joints_m),
        intrinsics=mirrored_intrinsics(sample.intrinsics, width_px=width_px),
        keypoints_px=mirrored_keypoints(sample.keypoints_px, width_px=width_px),
        foreground=None if sample.foreground is None else sample.foreground[:, ::-1].copy(),
    )


def flat_sample(
    image: UInt8[np.ndarray, "height width 3"],
    keypoints_px: Float[np.ndarray, "21 2"],
    *,
    visible: Bool[np.ndarray, " 21"],
    unique_id: int,
) -> HandSample:
    """Return a sample of which only keypoints are known.

    Its joints are (u, v, 1) under the identity. Keypoints that are not annotated lie at the mean of
    the others.
    """
    known_px = np.where(visible[:, None], keypoints_px, keypoints_px[visible].mean(axis=0))
    return HandSample(
        image=image,
        joints_m=np.concatenate([known_px, np.ones((len(known_px), 1))], axis=1),
        intrinsics=np.eye(3),
        keypoints_px=known_px,
        visible=visible,
        foreground=None,
        unique_id=unique_id,
        has_depth=False,
    )

"""Errors of 3D and 2D body poses, each with its protocol in words.

Joints come in millimetres in camera coordinates, in the order of `hpe.geometry.body_skeleton`. The
papers' names "Protocol #1" and "Protocol 2" mean different things in different families of work
(Martinez et al., 2017, against Sun et al., 2018), so none is used: `PROTOCOLS` says in words what
each score is, and `hpe.data.h36m_protocol` what Human3.6M scores are made on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hpe.geometry.body_skeleton import BODY_JOINTS, FOURTEEN_JOINTS, PELVIS, SPINE, THORAX
from hpe.metrics.alignment import align_similarity

PCK_THRESHOLD_MM = 150.0
PCKH_SHARE = 0.5
PCKH_JOINTS = [n for n in range(len(BODY_JOINTS)) if n not in (PELVIS, SPINE, THORAX)]
"""Those that PCKh counts: MPII leaves out pelvis and thorax, and has no spine."""
HEAD_BOX_SHARE = 0.6
"""MPII's head size is this share of the diagonal of the annotated head box."""

PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {
        "mpjpe_mm": "mean joint error after moving both pelves to the origin: no scale, no "
        "rotation; all 17 joints, the pelvis and its 0 included; mean over samples and joints",
        "mpjpe_14_mm": "as mpjpe_mm, aligned at the pelvis, over 14 joints: without pelvis, spine "
        "and neck",
        "pa_mpjpe_mm": "mean joint error after the similarity (scale, proper rotation, "
        "translation) that fits each prediction best to its truth; all 17 joints",
        "mpjpe_x_mm": "mean absolute error along x (right) after moving both pelves to the origin",
        "mpjpe_y_mm": "mean absolute error along y (down) after moving both pelves to the origin",
        "mpjpe_z_mm": "mean absolute error along z (depth) after moving both pelves to the origin",
        "mpjpe_actions_mm": "mpjpe_mm of each action's samples, then the mean over actions",
        "pck_150": "share of joints within 150 mm after moving both pelves to the origin, the "
        "pelvis left out",
        "pckh_50": "share of annotated 2D joints within half a head's length (MPII: 0.6 of the "
        "head box's diagonal); all joints pooled, without pelvis, spine and thorax",
        "pckh_50_head_bone": "as pckh_50, with the distance of the annotated upper neck from the "
        "top of the head for a head's length, for want of head boxes: not MPII's PCKh, and not "
        "to be compared with it",
    }
)
"""What each score is. Predictions are lifted to camera coordinates with the true depth of the
pelvis and the true intrinsics."""


def root_aligned(joints_mm: Float[Tensor, "batch 17 3"]) -> Float[Tensor, "batch 17 3"]:
    """Return the joints with the pelvis at the origin."""
    return joints_mm - joints_mm[:, PELVIS, None]


def body_errors_mm(
    predicted_mm: Float[Tensor, "batch 17 3"], true_mm: Float[Tensor, "batch 17 3"]
) -> Float[Tensor, "batch 17"]:
    """Return each joint's error after moving both pelves to the origin."""
    apart = root_aligned(predicted_mm) - root_aligned(true_mm)
    return apart.square().sum(-1).sqrt()


def mpjpe(
    predicted_mm: Float[Tensor, "batch 17 3"],
    true_mm: Float[Tensor, "batch 17 3"],
    *,
    joints: Sequence[int] = range(len(BODY_JOINTS)),
) -> Float[Tensor, ""]:
    """Mean per joint position error, in mm: `PROTOCOLS["mpjpe_mm"]`.

    Args:
        predicted_mm: Joints.
        true_mm: Joints.
        joints: Those to average over; the pelvis aligns whether it is one of them or not.
    """
    return body_errors_mm(predicted_mm, true_mm)[:, list(joints)].mean()


def mpjpe_14(
    predicted_mm: Float[Tensor, "batch 17 3"], true_mm: Float[Tensor, "batch 17 3"]
) -> Float[Tensor, ""]:
    """Mean error of 14 joints, in mm: `PROTOCOLS["mpjpe_14_mm"]`."""
    return mpjpe(predicted_mm, true_mm, joints=FOURTEEN_JOINTS)


def pa_mpjpe(
    predicted_mm: Float[Tensor, "batch 17 3"], true_mm: Float[Tensor, "batch 17 3"]
) -> Float[Tensor, ""]:
    """Mean error after similarity alignment, in mm: `PROTOCOLS["pa_mpjpe_mm"]`."""
    return pa_errors_mm(predicted_mm, true_mm).mean()


def pa_errors_mm(
    predicted_mm: Float[Tensor, "batch 17 3"], true_mm: Float[Tensor, "batch 17 3"]
) -> Float[Tensor, "batch 17"]:
    """Return each joint's error after similarity alignment."""
    aligned = align_similarity(predicted_mm, true_mm)
    return (aligned - true_mm).square().sum(-1).sqrt()


def axis_errors_mm(
    predicted_mm: Float[Tensor, "batch 17 3"], true_mm: Float[Tensor, "batch 17 3"]
) -> Float[Tensor, "3"]:
    """Return the mean absolute errors along x, y and z after moving both pelves to the origin."""
    errors_mm: Tensor = root_aligned(predicted_mm) - root_aligned(true_mm)
    return errors_mm.abs().mean(dim=(0, 1))


def pck(
    predicted_mm: Float[Tensor, "batch 17 3"],
    true_mm: Float[Tensor, "batch 17 3"],
    *,
    threshold_mm: float = PCK_THRESHOLD_MM,
) -> Float[Tensor, ""]:
    """Share of joints within a threshold, itself included: `PROTOCOLS["pck_150"]`."""
    return _hits(body_errors_mm(predicted_mm, true_mm), threshold_mm).nanmean()


def _hits(errors_mm: Float[Tensor, "batch 17"], threshold_mm: float) -> Float[Tensor, "batch 17"]:
    """Return 1 within the threshold, 0 beyond, and NaN for the pelvis, which does not count."""
    hits = (errors_mm <= threshold_mm).to(errors_mm.dtype)
    hits[:, PELVIS] = torch.nan
    return hits


def head_size_px(
    head_box_px: Float[Tensor, "batch 2 2"],
) -> Float[Tensor, " batch"]:
    """Return MPII's head sizes: 0.6 times the diagonal of the head's box, given two corners."""
    diagonal_px = (head_box_px[:, 1] - head_box_px[:, 0]).square().sum(-1).sqrt()
    return HEAD_BOX_SHARE * diagonal_px


def pckh(
    predicted_px: Float[Tensor, "batch 17 2"],
    true_px: Float[Tensor, "batch 17 2"],
    *,
    visible: Bool[Tensor, "batch 17"],
    head_px: Float[Tensor, " batch"],
    share: float = PCKH_SHARE,
) -> Float[Tensor, ""]:
    """Share of 2D joints within a share of the head's size: `PROTOCOLS["pckh_50"]`.

    As MPII's evaluation counts: joints that are annotated, all pooled, without pelvis and thorax
    (and without the spine, which MPII does not have); a distance equal to the threshold counts.

    Args:
        predicted_px: Keypoints, in pixels of any one scale per sample.
        true_px: As above.
        visible: Which are annotated.
        head_px: Size of each head in the same pixels, as `head_size_px` gives it.
        share: Of the head's size.

    Raises:
        ValueError: If no joint counts.
    """
    counted = _counted_by_pckh(visible)
    if not counted.any():
        raise ValueError("PCKh needs annotated joints, got none in the whole set.")
    hits = keypoint_errors_px(predicted_px, true_px) <= share * head_px[:, None]
    return hits[counted].to(true_px.dtype).mean()


def pckh_by_joint(
    predicted_px: Float[Tensor, "batch 17 2"],
    true_px: Float[Tensor, "batch 17 2"],
    *,
    visible: Bool[Tensor, "batch 17"],
    head_px: Float[Tensor, " batch"],
    share: float = PCKH_SHARE,
) -> dict[str, float]:
    """Return each joint's `pckh`; NaN for joints that do not count or are never annotated."""
    counted = _counted_by_pckh(visible)
    hits = keypoint_errors_px(predicted_px, true_px) <= share * head_px[:, None]
    shares = (hits & counted).sum(dim=0) / counted.sum(dim=0)
    return dict(zip(BODY_JOINTS, shares.tolist(), strict=True))


def keypoint_errors_px(
    predicted_px: Float[Tensor, "batch 17 2"], true_px: Float[Tensor, "batch 17 2"]
) -> Float[Tensor, "batch 17"]:
    """Return each keypoint's distance from its place."""
    return (predicted_px - true_px).square().sum(-1).sqrt()


def _counted_by_pckh(visible: Bool[Tensor, "batch 17"]) -> Bool[Tensor, "batch 17"]:
    counted = torch.zeros_like(visible)
    counted[:, PCKH_JOINTS] = visible[:, PCKH_JOINTS]
    return counted


PartScores = Mapping[str, Mapping[str, float]]
"""Joint or action -> `mpjpe_mm`, `pa_mpjpe_mm` and `pck_150` of it alone."""


@dataclass(frozen=True)
class BodyScores:
    """What a set of predictions scores.

    Attributes:
        values: Score by its name in `PROTOCOLS`; `mpjpe_actions_mm` only where actions are known.
        by_joint: Of every joint; the pelvis has no `pck_150`: NaN.
        by_action: Of every action's samples, in alphabetical order; empty where actions are not
            known.
    """

    values: Mapping[str, float]
    by_joint: PartScores
    by_action: PartScores


def body_scores(
    predicted_mm: Float[Tensor, "batch 17 3"],
    true_mm: Float[Tensor, "batch 17 3"],
    *,
    actions: Sequence[str] | None = None,
) -> BodyScores:
    """Return all 3D scores of a set.

    Args:
        predicted_mm: Joints in camera coordinates, lifted with the true depth of the pelvis.
        true_mm: Joints in camera coordinates.
        actions: Each sample's action; None where unknown.

    Raises:
        ValueError: If there is no sample, or there are more or fewer actions than samples.
    """
    if len(true_mm) == 0:
        raise ValueError("scores need at least one sample, got none.")
    if actions is not None and len(actions) != len(true_mm):
        raise ValueError(
            f"each sample needs its action, got {len(actions)} for {len(true_mm)} samples."
        )
    by_axis = axis_errors_mm(predicted_mm, true_mm).tolist()
    errors_mm = body_errors_mm(predicted_mm, true_mm)
    scored = {
        "mpjpe_mm": errors_mm,
        "pa_mpjpe_mm": pa_errors_mm(predicted_mm, true_mm),
        "pck_150": _hits(errors_mm, PCK_THRESHOLD_MM),
    }
    values = {
        **_means(scored),
        "mpjpe_14_mm": mpjpe_14(predicted_mm, true_mm).item(),
        **{f"mpjpe_{axis}_mm": error for axis, error in zip("xyz", by_axis, strict=True)},
    }
    by_action = {} if actions is None else _by_action(scored, np.array(actions))
    if by_action:
        of_actions = [means["mpjpe_mm"] for means in by_action.values()]
        values["mpjpe_actions_mm"] = sum(of_actions) / len(of_actions)
    by_joint = {
        joint: _means({name: each[:, n] for name, each in scored.items()})
        for n, joint in enumerate(BODY_JOINTS)
    }
    return BodyScores(values, by_joint, by_action)


def _by_action(scored: Mapping[str, Tensor], of: np.ndarray) -> PartScores:
    return {
        str(action): _means(
            {name: each[torch.from_numpy(of == action)] for name, each in scored.items()}
        )
        for action in np.unique(of)
    }


def _means(scored: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: each.nanmean().item() for name, each in scored.items()}

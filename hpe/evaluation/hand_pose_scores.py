"""What predicted hands are worth: every score with its protocol in words, whole and in parts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hpe.evaluation.scored_hands import ScoredHands, Sides
from hpe.geometry.skeleton import FINGERS, JOINTS, WRIST
from hpe.metrics.alignment import align_official_freihand, align_similarity
from hpe.metrics.interhand import mpjpe_by_wrist, mrrpe
from hpe.metrics.pose import (
    auc,
    auc_s0_to_half_a_metre,
    joint_errors_mm,
    mean_over_joints,
    pck_curve,
    root_relative,
)

Errors = Float[Tensor, "hands 21"]
Valid = Bool[Tensor, "hands 21"]

BOX_SHARE = "epe_2d_box_share"
PCK_BOX_SHARE = 0.2
"""Of the box's longer side, as usual for hands in photographs (PCK@0.2)."""


@dataclass(frozen=True)
class Score:
    """One number with what it is.

    Attributes:
        name: Its name, with the unit last; `hpe.metrics.direction` knows which way is better.
        value: The number.
        count: Hands behind it (for `mrrpe_mm` pictures).
        protocol: How it is computed.
    """

    name: str
    value: float
    count: int
    protocol: str


@dataclass(frozen=True)
class JointErrors:
    """Errors of one kind, joint by joint.

    Attributes:
        name: Of the score that is their mean.
        protocol: How they are computed.
        errors: In the unit that the name ends with.
        valid: Those that count.
    """

    name: str
    protocol: str
    errors: Errors
    valid: Valid


def joint_errors_of(hands: ScoredHands) -> tuple[JointErrors, ...]:
    """Return the errors of all kinds that these hands allow.

    Hands whose truth is not known in space count for keypoints alone; those whose wrist is not
    annotated do not count for the error relative to it; the official alignment needs all joints.
    """
    valid, deep = hands.valid, hands.valid & hands.has_depth[:, None]
    source_px = (hands.predicted_px - hands.true_px).square().sum(-1).sqrt()
    kinds = [
        JointErrors(
            "epe_2d_px",
            "keypoint error in pixels of the network's input, scaled as in the crop around the "
            "true keypoints",
            source_px * hands.px_per_source_px[:, None],
            valid,
        ),
        JointErrors(
            "epe_2d_source_px", "keypoint error in pixels of the photograph", source_px, valid
        ),
        JointErrors(
            BOX_SHARE,
            "keypoint error per hand box: in longer sides of the tight box around the annotated "
            "keypoints",
            source_px / box_sides_px(hands.true_px, valid)[:, None],
            valid,
        ),
    ]
    if not deep.any():
        return tuple(kinds)
    return (*kinds, *_errors_in_space(hands, deep))


def box_sides_px(
    keypoints_px: Float[Tensor, "hands 21 2"], valid: Valid
) -> Float[Tensor, " hands"]:
    """Return the longer side of the tight box around the valid keypoints of each hand."""
    unseen = ~valid[:, :, None]
    low = keypoints_px.masked_fill(unseen, torch.inf).amin(dim=1)
    high = keypoints_px.masked_fill(unseen, -torch.inf).amax(dim=1)
    return (high - low).amax(dim=1)


def _errors_in_space(hands: ScoredHands, deep: Valid) -> list[JointErrors]:
    true_m, relative_m = hands.true_m, hands.relative_m
    aligned_m = align_similarity(relative_m, true_m, valid=deep)
    official_m = align_official_freihand(hands.absolute_m, true_m)
    kinds = [
        JointErrors(
            "root_epe_mm",
            "wrists at the origin, the wrist's 0 counted; true root depth and scale given",
            joint_errors_mm(root_relative(relative_m), root_relative(true_m)),
            deep & deep[:, WRIST, None],
        ),
        JointErrors(
            "pa_epe_mm",
            "after scale, proper rotation and translation (mirrored hands stay wrong) of the hand "
            "lifted at the true root",
            joint_errors_mm(aligned_m, true_m),
            deep,
        ),
        JointErrors(
            "pa_epe_official_freihand_mm",
            "FreiHAND's aligned error: as its eval code, reflections allowed, of the hand at the "
            "analytic root depth; hands with all 21 joints only",
            joint_errors_mm(official_m, true_m),
            deep & deep.all(dim=1, keepdim=True),
        ),
        JointErrors(
            "epe_mm",
            "FreiHAND's unaligned error: camera coordinates, analytic root depth, true scale given",
            joint_errors_mm(hands.absolute_m, true_m),
            deep,
        ),
    ]
    if not hands.denoised_m.isnan().any():
        kinds.append(
            JointErrors(
                "denoised_epe_mm",
                "camera coordinates, denoised root depth, true scale given",
                joint_errors_mm(hands.denoised_m, true_m),
                deep,
            )
        )
    return [kind for kind in kinds if kind.valid.any()]


def scores_of(kinds: Sequence[JointErrors]) -> list[Score]:
    """Return means, medians and areas under PCK curves of all kinds of errors.

    Means are FreiHAND's: over hands for each joint, then over joints.
    """
    scores = []
    for kind in kinds:
        count = int(kind.valid.any(dim=1).sum())
        scores.append(_score(kind.name, mean_over_joints, kind, count, kind.protocol))
        if kind.name.endswith("_mm"):
            stem = kind.name.removesuffix("epe_mm").replace("epe_official_freihand_mm", "official_")
            protocol = f"area under {kind.name}'s PCK curve, FreiHAND's: <=, 100 steps, 0 to 50 mm"
            scores.append(_score(f"{stem}auc", _auc, kind, count, protocol))
    for kind in kinds:
        if kind.name == "epe_mm":
            count = int(kind.valid.any(dim=1).sum())
            protocol = "area under epe_mm's PCK curve, S0's: <, 0 to 495 mm by 5; never FreiHAND's"
            scores.append(_score("auc_s0_to_half_a_metre", _auc_s0, kind, count, protocol))
        if kind.name == BOX_SHARE:
            count = int(kind.valid.any(dim=1).sum())
            protocol = (
                f"share of keypoints with {BOX_SHARE} of at most {PCK_BOX_SHARE:g}; mmpose's PCK "
                "divides by the data set's own, looser boxes"
            )
            scores.append(_score("pck_2d_fifth_of_box", _pck_of_box, kind, count, protocol))
        if kind.name in ("epe_2d_px", BOX_SHARE, "root_epe_mm", "pa_epe_mm", "epe_mm"):
            count = int(kind.valid.any(dim=1).sum())
            name = kind.name.replace("epe", "median_epe", 1)
            protocol = f"median of all joints' errors behind {kind.name}"
            scores.append(_score(name, _median, kind, count, protocol))
    return scores


def two_hand_scores(hands: ScoredHands, sides: Sides) -> list[Score]:
    """Return InterHand2.6M's scores: MPJPE by kind of picture, and MRRPE where both hands are."""
    deep = hands.valid & hands.has_depth[:, None]
    is_right, interacting = torch.from_numpy(sides.is_right), torch.from_numpy(sides.interacting)
    buckets = {"all": torch.ones_like(is_right), "single": ~interacting, "interacting": interacting}
    scores = []
    for bucket, mask in buckets.items():
        counted = deep & mask[:, None] & deep[:, WRIST, None]
        if counted.any():
            value = mpjpe_by_wrist(hands.relative_m, hands.true_m, valid=counted, is_right=is_right)
            protocol = (
                f"InterHand2.6M's MPJPE, {bucket} hands: by wrist, 42 joints, wrists' 0 counted; "
                "true root depth and scale given"
            )
            count = int(counted.any(dim=1).sum())
            scores.append(Score(f"mpjpe_epe_{bucket}_mm", float(value), count, protocol))
    pairs = _pairs(sides, deep[:, WRIST])
    if pairs:
        scores.append(_mrrpe(hands, pairs))
    return scores


def _pairs(sides: Sides, wrist_valid: Bool[Tensor, " hands"]) -> list[tuple[int, int]]:
    """Return (right, left) hands of one picture whose wrists are both annotated."""
    usable = [i for i in range(len(sides.picture)) if bool(wrist_valid[i])]
    lefts = {int(sides.picture[i]): i for i in usable if not sides.is_right[i]}
    rights = {int(sides.picture[i]): i for i in usable if sides.is_right[i]}
    return [(rights[p], lefts[p]) for p in rights if p in lefts]


def _mrrpe(hands: ScoredHands, pairs: Sequence[tuple[int, int]]) -> Score:
    right = [pair[0] for pair in pairs]
    left = [pair[1] for pair in pairs]
    unmirrored = torch.tensor([-1.0, 1.0, 1.0], dtype=hands.true_m.dtype)
    value = mrrpe(
        predicted_right_m=hands.absolute_m[right, WRIST],
        predicted_left_m=hands.absolute_m[left, WRIST] * unmirrored,
        true_right_m=hands.true_m[right, WRIST],
        true_left_m=hands.true_m[left, WRIST] * unmirrored,
    )
    protocol = (
        "InterHand2.6M's MRRPE, of the left wrist seen from the right one; each at its own "
        "analytic root depth, true scales given (InterNet is given the right root instead)"
    )
    return Score("mrrpe_epe_mm", float(value), len(pairs), protocol)


def by_joint(kinds: Sequence[JointErrors]) -> dict[str, dict[str, float]]:
    """Return joint -> kind -> mean error; NaN where a joint is nowhere annotated."""
    return {
        joint: {kind.name: _mean_of(kind, [number]) for kind in kinds}
        for number, joint in enumerate(JOINTS)
    }


def by_finger(kinds: Sequence[JointErrors]) -> dict[str, dict[str, float]]:
    """Return finger -> kind -> mean error over its joints."""
    return {
        finger: {kind.name: _mean_of(kind, joints) for kind in kinds}
        for finger, joints in FINGERS.items()
    }


def by_sequence(
    kinds: Sequence[JointErrors], sequences: Sequence[str | None]
) -> dict[str, dict[str, float]]:
    """Return recording -> kind -> mean error; nothing where no recordings are known."""
    means = {}
    for sequence in sorted({name for name in sequences if name is not None}):
        rows = torch.tensor([name == sequence for name in sequences])
        means[sequence] = {
            kind.name: float(mean_over_joints(kind.errors[rows], kind.valid[rows]))
            if kind.valid[rows].any()
            else float("nan")
            for kind in kinds
        }
    return means


@dataclass(frozen=True)
class PckCurve:
    """Shares of errors at or below thresholds, the mean over joints, per kind of error."""

    thresholds_mm: tuple[float, ...]
    shares: dict[str, tuple[float, ...]]


def pck_curves(kinds: Sequence[JointErrors]) -> PckCurve:
    """Return the curves behind the official areas, of all errors in millimetres."""
    thresholds: tuple[float, ...] = ()
    shares = {}
    for kind in kinds:
        if kind.name.endswith("_mm"):
            grid, curve = pck_curve(kind.errors, valid=kind.valid)
            thresholds = tuple(grid.tolist())
            shares[kind.name] = tuple(curve.nanmean(dim=1).tolist())
    return PckCurve(thresholds, shares)


def _score(
    name: str,
    measure: Callable[[Errors, Valid], Tensor],
    kind: JointErrors,
    count: int,
    protocol: str,
) -> Score:
    return Score(name, float(measure(kind.errors, kind.valid)), count, protocol)


def _auc(errors_mm: Errors, valid: Valid) -> Tensor:
    return auc(errors_mm, valid=valid)


def _auc_s0(errors_mm: Errors, valid: Valid) -> Tensor:
    return auc_s0_to_half_a_metre(errors_mm, valid=valid)


def _pck_of_box(errors: Errors, valid: Valid) -> Tensor:
    return mean_over_joints((errors <= PCK_BOX_SHARE).to(errors.dtype), valid)


def _median(errors: Errors, valid: Valid) -> Tensor:
    return errors[valid].median()


def _mean_of(kind: JointErrors, joints: Sequence[int]) -> float:
    errors, valid = kind.errors[:, joints], kind.valid[:, joints]
    return float(mean_over_joints(errors, valid)) if valid.any() else float("nan")

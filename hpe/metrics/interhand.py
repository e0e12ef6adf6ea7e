"""InterHand2.6M's errors by wrist root: MPJPE over 42 joints, and MRRPE between two hands.

As in the data set's own evaluation (Moon et al., ECCV 2020): joints of the right and the left hand
are different joints, and each hand's wrist, whose error is 0 by definition, counts in the mean.
Without it the mean would be 21/20 as large.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hpe.metrics.pose import joint_errors_mm, mean_over_joints, root_relative


def mpjpe_by_wrist(
    predicted_m: Float[Tensor, "hands 21 3"],
    true_m: Float[Tensor, "hands 21 3"],
    *,
    valid: Bool[Tensor, "hands 21"],
    is_right: Bool[Tensor, " hands"],
) -> Float[Tensor, ""]:
    """Mean error after moving each hand's wrist to the origin, in mm.

    Over hands for each of the 42 joints (21 of right hands, 21 of left ones), then over joints.
    Hands whose wrist is not valid are left out.

    Raises:
        ValueError: If no joint of any hand is valid.
    """
    errors_mm = joint_errors_mm(root_relative(predicted_m), root_relative(true_m))
    counted = valid & valid[:, :1]
    both_sides = torch.cat([errors_mm, errors_mm], dim=1)
    of_side = torch.cat([counted & is_right[:, None], counted & ~is_right[:, None]], dim=1)
    return mean_over_joints(both_sides, of_side)


def mrrpe(
    *,
    predicted_right_m: Float[Tensor, "pairs 3"],
    predicted_left_m: Float[Tensor, "pairs 3"],
    true_right_m: Float[Tensor, "pairs 3"],
    true_left_m: Float[Tensor, "pairs 3"],
) -> Float[Tensor, ""]:
    """Mean error of the left wrist's place seen from the right wrist, in mm.

    Args:
        predicted_right_m: Wrists in one camera's coordinates, left hands not mirrored.
        predicted_left_m: As above, in the same picture.
        true_right_m: As above.
        true_left_m: As above.

    Raises:
        ValueError: If there is no pair.
    """
    if len(true_left_m) == 0:
        raise ValueError("MRRPE needs pictures with both wrists annotated, got none.")
    predicted = predicted_left_m - predicted_right_m
    true = true_left_m - true_right_m
    return 1000 * (predicted - true).square().sum(-1).sqrt().mean()

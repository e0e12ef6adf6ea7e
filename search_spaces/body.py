"""What S4's volumetric network leaves open: augmentation, occlusion, losses, head, freezing, rate.

S4's settings lie inside every range: it scales by 25 %, turns by normal angles of 30 degrees, gains
20 % per channel, pastes objects of up to full size over every view, weighs depth like the image and
bones not at all, and learns at 1e-4.
"""

from search_spaces.composition import Composition, Operation
from search_spaces.parameters import Choice, Parts, Real

BODY_AUGMENTATIONS = Composition(
    path="body_pose/augment",
    operations=(
        Operation("occlude", (Real("prob", 0.2, 1.0), Real("max_scale", 0.3, 1.5))),
        Operation("scale", (Real("spread", 0.05, 0.4),)),
        Operation("rotate", (Real("std_deg", 5.0, 45.0),)),
        Operation("flip"),
        Operation("gain", (Real("spread", 0.05, 0.4),)),
    ),
)
"""Any subset of S4's operations, with strengths."""

BODY_LOSS = Parts(
    (
        Real("body_pose/loss/depth_weight", 0.25, 4.0, log=True),
        Real("body_pose/loss/bone_weight", 0.0, 1.0),
    )
)

BODY_VOLUMETRIC = Parts(
    (
        BODY_AUGMENTATIONS,
        BODY_LOSS,
        Choice("body_pose/head/kind", ("volumetric", "direct")),
        Choice("body_pose/frozen_stages", (0, 1, 2, 3, 4)),
        Real("body_pose/optimizer/lr", 3e-5, 1e-2, log=True),
    )
)
"""From all that learns to the last stage and the head, as S4 trains a network from ImageNet."""

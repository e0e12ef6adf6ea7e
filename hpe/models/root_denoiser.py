"""The correction of the analytic root depth by a small network (Spurr et al., ECCV 2020; S0)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hpe.geometry.camera import rays
from hpe.geometry.root_depth import root_depth_from_25d
from hpe.geometry.skeleton import NUM_JOINTS
from hpe.models.seeding import seeded_weights

IN_DIM = 1 + 3 * NUM_JOINTS  # root depth, keypoints on the plane z = 1, relative depths
HIDDEN = 128


class RootDenoiser(nn.Module):
    """Two hidden layers of 128 with batch norm; what they say is added to the analytic depth.

    One pixel of error on the scale bone moves the analytic depth by centimetres (see
    `hpe.geometry.root_depth`), but the error is not independent of the pose as a whole. The last
    layer starts at zero, so that the first depth is the analytic one. What goes in is detached: the
    network that predicts the pose does not learn from this one's loss.
    """

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        with seeded_weights(seed):
            self.layers = nn.Sequential(
                nn.Linear(IN_DIM, HIDDEN),
                nn.BatchNorm1d(HIDDEN),
                nn.ReLU(),
                nn.Linear(HIDDEN, HIDDEN),
                nn.BatchNorm1d(HIDDEN),
                nn.ReLU(),
                nn.Linear(HIDDEN, 1),
            )
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]  # Sequential's items
        nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]

    def forward(
        self,
        keypoints_px: Float[Tensor, "batch 21 2"],
        depth_rel: Float[Tensor, "batch 21"],
        intrinsics: Float[Tensor, "batch 3 3"],
    ) -> Float[Tensor, " batch"]:
        """Return the root's depth in bone lengths.

        Args:
            keypoints_px: Predicted keypoints (u, v) under `intrinsics`.
            depth_rel: Predicted depths behind the root, in bone lengths.
            intrinsics: Pixel intrinsics of the view.
        """
        keypoints_px, depth_rel = keypoints_px.detach().float(), depth_rel.detach().float()
        intrinsics = intrinsics.float()
        analytic = root_depth_from_25d(keypoints_px, depth_rel, intrinsics)
        xy = rays(keypoints_px, intrinsics)[..., :2]
        correction: Tensor = self.layers(
            torch.cat([analytic[:, None], xy.flatten(1), depth_rel], dim=1)
        )
        return analytic + correction[:, 0]

"""The gradients that a pose network's own labels add to an optimizer step."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor
from torch.autograd import backward

from hpe.geometry.decoding import decode_pose
from hpe.losses.pose import pose_25d_loss
from hpe.phases.distribution import gradients_stay_local, shares_of_step
from hpe.phases.finetune_config import PSEUDO_METRICS
from hpe.phases.loaders import Batch
from hpe.phases.pose_pseudo_labels import PseudoLabels, pseudo_labels
from hpe.phases.pose_training import PoseRun, network_output, set_training


def pseudo_label_gradients(run: PoseRun, unlabelled: Iterator[Batch]) -> dict[str, Tensor]:
    """Accumulate the weighted gradient of a step's unlabelled batches, before the labelled ones.

    Labels are made with the weights that the step begins with, in evaluation mode; the backward
    pass of the labelled batches then shares the gradients of both between workers.

    Returns:
        The loss on pseudo-labels, before its weight, and the share of joints that have one.
    """
    parts = list(islice(unlabelled, run.config.accumulate))
    run.network.eval()
    labels = [_labels(run, part) for part in parts]
    set_training(run)
    shares = shares_of_step([label.valid for label in labels])
    losses = []
    for part, label, share in zip(parts, labels, shares, strict=True):
        with gradients_stay_local(run.parallel):
            losses.append(_part_loss(run, part, label, share))
    share_labelled = torch.stack([label.valid.float().mean() for label in labels]).mean()
    return dict(zip(PSEUDO_METRICS, (torch.stack(losses).sum(), share_labelled), strict=True))


@torch.no_grad()
def _labels(run: PoseRun, part: Batch) -> PseudoLabels:
    image_px = run.config.image_px
    keypoints_px, depth_rel = decode_pose(
        run.network(part["image"].flatten(0, 1)), image_px=image_px
    )
    return pseudo_labels(
        keypoints_px,
        depth_rel,
        part["affine"].to(keypoints_px),
        image_px=image_px,
        max_disagreement_px=run.config.semi_supervised.max_disagreement_px,
    )


def _part_loss(run: PoseRun, part: Batch, label: PseudoLabels, share: Tensor) -> Tensor:
    output = network_output(run, {"image": part["image"].flatten(0, 1)})
    keypoints_px, depth_rel = decode_pose(output, image_px=run.config.image_px)
    loss = pose_25d_loss(
        keypoints_px,
        depth_rel,
        true_keypoints_px=label.keypoints_px,
        true_depth_rel=label.depth_rel,
        valid=label.valid,
        depth_valid=label.depth_valid,
        depth_weight=run.config.loss.depth_weight,
    ).total
    backward(run.config.semi_supervised.weight * share * loss)
    return (share * loss).detach()

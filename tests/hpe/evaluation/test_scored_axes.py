"""Scores of encoder-decoders, upright and from several sides."""

import pytest
import torch

from hpe.augment.geometric import robust_poses
from hpe.evaluation.axis_model import load_axis_model
from hpe.evaluation.scored_axes import score_axes
from hpe.evaluation.split_scores import Asked
from hpe.metrics.pose import epe
from hpe.phases.axis_scores import crops_in_pose, predicted_hands
from tests.hpe.evaluation.test_course_submission import artifacts


@pytest.mark.parametrize(("rotations", "mirrored"), [(1, False), (3, True)])
def test_a_score_is_that_of_the_mean_over_views_turned_back(rendered, rotations, mirrored):
    split, made = rendered.splits["val"], artifacts(frame="principal_point")
    cpu = torch.device("cpu")
    asked = Asked(num_samples=2, device=cpu, rotations=rotations, mirrored=mirrored)
    scored = score_axes(made, split, asked)
    model = load_axis_model(made, cpu)
    views = [
        predicted_hands(
            crops_in_pose(
                split,
                range(2),
                image_px=model.space.side_px,
                frame="principal_point",
                pose=pose,
            ),
            model.points,
            model.space,
        )
        for pose in robust_poses(rotations=rotations, mirrored=mirrored)
    ]
    assert len(views) == rotations * (1 + mirrored)
    mean_m = sum(rows["hands_m"] for rows in views) / len(views)
    values = {score.name: score.value for score in scored.scores}
    assert values["epe_mm"] == pytest.approx(float(epe(mean_m, views[0]["joints_m"])), rel=1e-6)
    assert not [name for name in values if name.startswith("template")]
    joints = scored.tables["joints"]
    assert len(joints) == 21
    mean_mm = sum(row["epe_mm"] for row in joints.values()) / 21
    assert mean_mm == pytest.approx(values["epe_mm"])
    mean_mm = sum(row["pa_mpjpe_mm"] for row in joints.values()) / 21
    assert mean_mm == pytest.approx(values["pa_mpjpe_mm"])
    assert ("as many mirrored" in scored.looked) == mirrored

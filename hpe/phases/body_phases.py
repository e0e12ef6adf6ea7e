"""The phases on pictures of bodies."""

from collections.abc import Mapping
from types import MappingProxyType

from hpe.phases.body_config import BodyPoseConfig, body_pose_metrics
from hpe.phases.body_evaluation import RANKING_METRIC
from hpe.phases.body_pose import body_pose
from hpe.phases.label_budget import label_workload
from hpe.phases.micro_batch import halved_micro_batch
from hpe.phases.phase import PhaseSpec
from hpe.viz.body_sheets import body_views, draw_predicted_bodies

BODY_PHASES: Mapping[str, PhaseSpec] = MappingProxyType(
    {
        "body_pose": PhaseSpec(
            config=BodyPoseConfig,
            run=body_pose,
            metrics=body_pose_metrics,
            epochs=lambda config: config.epochs,
            ranked_by=RANKING_METRIC,
            workload=label_workload,
            lighter=halved_micro_batch,
            task="body_pose",
            draw=draw_predicted_bodies,
            show_views=body_views,
        ),
    }
)

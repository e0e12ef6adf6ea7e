"""The phases on skeletons alone: evolution, and lifting from 2D to 3D."""

from collections.abc import Mapping
from types import MappingProxyType

from hpe.phases.evolve import evolve
from hpe.phases.evolve_config import EvolveConfig, evolve_metrics
from hpe.phases.lift import lift
from hpe.phases.lift_config import LIFT_RANKING_METRIC, LiftConfig, lift_metrics, lift_workload
from hpe.phases.phase import PhaseSpec
from hpe.viz.stick_figures import draw_families, draw_lifted

SKELETON_PHASES: Mapping[str, PhaseSpec] = MappingProxyType(
    {
        "evolve": PhaseSpec(
            config=EvolveConfig,
            run=evolve,
            metrics=evolve_metrics,
            epochs=lambda config: config.epochs,
            task="body_pose",
            draw=draw_families,
        ),
        "lift": PhaseSpec(
            config=LiftConfig,
            run=lift,
            metrics=lift_metrics,
            epochs=lambda config: config.epochs,
            ranked_by=LIFT_RANKING_METRIC,
            workload=lift_workload,
            follows=("evolve",),
            inherits=("recorded",),
            task="body_pose",
            draw=draw_lifted,
        ),
    }
)

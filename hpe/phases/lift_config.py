"""Settings of lifting 2D joints to 3D, and what follows from them alone."""

import math
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from hpe.config import Config
from hpe.models.lifting import LiftingConfig
from hpe.phases.keep import KeepConfig
from hpe.phases.optimization import OptimizerConfig
from hpe.phases.phase import Workload
from hpe.phases.recorded_poses import RecordedConfig

LIFT_SCORES = ("mpjpe_mm", "pa_mpjpe_mm", "template_mpjpe_mm")
"""As `hpe.metrics.body_pose.PROTOCOLS` says, over the poses of a split that are known in space; and
`mpjpe_mm` of one constant pose, the mean of those trained on."""

LIFT_RANKING_METRIC = f"val/{LIFT_SCORES[0]}"
EVALUATION_BATCH = 256

InputKind = Literal["camera", "box"]
"""How 2D joints are told: as viewing rays, x / z and y / z; or about the middle of the body's box,
in widths of it."""


class LiftConfig(Config):
    """Settings of lifting.

    Attributes:
        epochs: Reports to make.
        steps_per_epoch: Optimizer steps per report; None for about one pass over the recorded
            poses in use.
        batch_size: Poses per step, over all workers.
        network: What lifts.
        inputs: How it is told 2D joints.
        recorded: Which training poses are in use; inherited from `evolve` where that came before.
        reprojected_share: Share of each batch that is seen anew, by the camera and from the place
            of another recorded pose: poses of the evolved set where `evolve` came before, else
            recorded ones. The rest are recorded poses as they were recorded.
        score_test: Report the test split too.
        limit_batches: Steps per epoch, and batches of an evaluation, at most; None for all.
    """

    epochs: int = Field(10, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=2)
    network: LiftingConfig = LiftingConfig()
    inputs: InputKind = "camera"
    recorded: RecordedConfig = RecordedConfig()
    reprojected_share: float = Field(0.5, ge=0, le=1)
    optimizer: OptimizerConfig = OptimizerConfig()
    score_test: bool = False
    keep: KeepConfig = KeepConfig()
    limit_batches: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _keeps_by_a_metric_it_has(self) -> "LiftConfig":
        self.keep.require_metric(lift_metrics(self))
        return self

    @property
    def depth_splits(self) -> tuple[str, ...]:
        """Splits whose joints must be known in space."""
        return ("train", *lifted_splits(self))


def lift_metrics(config: LiftConfig) -> tuple[str, ...]:
    """Return the metrics that every epoch reports."""
    splits = lifted_splits(config)
    return ("train/loss", *(f"{split}/{score}" for split in splits for score in LIFT_SCORES))


def lift_workload(config: LiftConfig, sizes: Mapping[str, int]) -> Workload:
    """Return what there is to do on splits of these sizes."""
    steps = lift_steps(config, sizes["train"])
    scored = sum(
        min(sizes[name], lifted_poses(config) or sizes[name]) for name in lifted_splits(config)
    )
    return Workload(steps, evaluations=config.epochs, scored=scored)


def lift_steps(config: LiftConfig, num_poses: int) -> int:
    """Return the optimizer steps of an epoch on this many recorded poses."""
    steps = config.steps_per_epoch or math.ceil(num_poses / config.batch_size)
    return min(steps, config.limit_batches or steps)


def lifted_poses(config: LiftConfig) -> int | None:
    """Return how many samples of a split are looked at; None for all."""
    return None if config.limit_batches is None else config.limit_batches * EVALUATION_BATCH


def lifted_splits(config: LiftConfig) -> tuple[str, ...]:
    """Return the splits that every epoch is scored on."""
    return ("val", "test") if config.score_test else ("val",)

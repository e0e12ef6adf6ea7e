"""Settings of supervised body pose, and what follows from them alone."""

from typing import Literal

from pydantic import Field, model_validator

from hpe.augment.body_views import BodyViewConfig
from hpe.config import Config, operational
from hpe.models.encoders import EncoderConfig, encoder_architecture
from hpe.models.stages import NUM_STAGES, has_stages
from hpe.models.volumetric import BodyHeadConfig
from hpe.phases.body_evaluation import SCORES
from hpe.phases.keep import KeepConfig
from hpe.phases.label_budget import scored_splits
from hpe.phases.optimization import OptimizerConfig, Schedule
from hpe.phases.precision import Precision

HALVED_PX = 32
"""What encoders halve five times to come to whole cells."""

TRAIN_METRICS = ("train/loss", "train/loss_image", "train/loss_depth", "train/loss_bones")


class BodyOptimizerConfig(OptimizerConfig):
    """How weights are updated; by default as in S4: Adam at 1e-4, a tenth after 55 and 60 epochs.

    S4's configuration names a weight decay of 1e-4 that its Adam never sees.
    """

    name: Literal["adamw", "adam", "lars"] = "adam"
    lr: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Schedule = "multistep"
    milestones: tuple[float, ...] = (55.0, 60.0)


class BodyLossConfig(Config):
    """What is minimised: S4's L1 on coordinates of the volume (`hpe.losses.body_pose`).

    Attributes:
        depth_weight: Weight of z; S4's is 1.
        bone_weight: Weight of the bones' lengths.
        normalised: Compare proportions of coordinates, over each batch. S4's option, off there.
    """

    depth_weight: float = Field(1.0, ge=0)
    bone_weight: float = Field(0.0, ge=0)
    normalised: bool = False


class BodyPoseConfig(Config):
    """Settings of supervised body pose; the defaults are S4's, but for the encoder.

    Attributes:
        epochs: Reports to make.
        steps_per_epoch: Optimizer steps per report, whatever the number of labels; None for about
            one pass over them.
        batch_size: Samples per batch, over all workers.
        accumulate: Batches per optimizer step; the step is that of one large batch.
        width_px: Width of the network's input, which shows 1485 mm where depth is known.
        height_px: Height of it, for 1980 mm.
        encoder: What the head reads.
        frozen_stages: Stages of a residual network, the stem first, that stay as they are; 4 are
            the first 7 children that S4 freezes, so that its last stage and the head learn.
        frozen_statistics: Whether batch norms of frozen stages keep their statistics as well. If
            not, they go on averaging, and normalise by the batch while training.
        label_fraction: Share of the labelled training ids in use. Smaller shares are parts of
            larger ones.
        label_seed: Chooses them. Not the stage's seed: trials are compared on the same labels.
        score_test: Report the test split too.
        limit_batches: Optimizer steps per epoch, and evaluation batches, at most; None for all.
        loader_workers: Child processes that make views; 0 makes them here.
    """

    epochs: int = Field(65, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    batch_size: int = Field(16, ge=2)
    accumulate: int = Field(1, ge=1)
    width_px: int = Field(288, ge=33)
    height_px: int = Field(384, ge=33)
    encoder: EncoderConfig = EncoderConfig()
    frozen_stages: int = Field(0, ge=0, le=NUM_STAGES)
    frozen_statistics: bool = True
    head: BodyHeadConfig = BodyHeadConfig()
    label_fraction: float = Field(1.0, gt=0, le=1)
    label_seed: int = Field(0, ge=0)
    augment: BodyViewConfig = BodyViewConfig()
    loss: BodyLossConfig = BodyLossConfig()
    optimizer: BodyOptimizerConfig = BodyOptimizerConfig()
    precision: Precision = "fp32"
    channels_last: bool = True
    score_test: bool = False
    keep: KeepConfig = KeepConfig()
    limit_batches: int | None = Field(None, ge=1)
    loader_workers: int = operational(0, ge=0)

    @model_validator(mode="after")
    def _keeps_by_a_metric_it_has(self) -> "BodyPoseConfig":
        self.keep.require_metric(body_pose_metrics(self))
        return self

    @model_validator(mode="after")
    def _has_the_maps_its_head_reads(self) -> "BodyPoseConfig":
        if self.head.on_maps and encoder_architecture(self.encoder).map_channels is None:
            raise ValueError(
                f"head/kind={self.head.kind} reads feature maps, and {self.encoder.name} has none; "
                "use a convolutional encoder such as resnet50, or head/kind=direct"
            )
        return self

    @model_validator(mode="after")
    def _has_whole_cells(self) -> "BodyPoseConfig":
        if self.head.on_maps and (self.width_px % HALVED_PX or self.height_px % HALVED_PX):
            raise ValueError(
                f"volumes need sides that can be halved five times: width_px and height_px must be "
                f"multiples of {HALVED_PX}, got {self.width_px} and {self.height_px}; else cells "
                "do not lie where they are counted"
            )
        return self

    @model_validator(mode="after")
    def _has_the_stages_it_freezes(self) -> "BodyPoseConfig":
        if self.frozen_stages and not has_stages(self.encoder.name):
            raise ValueError(
                f"frozen_stages counts stages of residual networks, got {self.frozen_stages} for "
                f"{self.encoder.name}; use 0, or an encoder such as resnet50"
            )
        return self

    def canonical(self) -> "BodyPoseConfig":
        """Return the settings without what nothing reads: statistics where no stage is frozen."""
        unread = {} if self.frozen_stages else {"frozen_statistics": True}
        return self.model_copy(update=unread)


def body_pose_metrics(config: BodyPoseConfig) -> tuple[str, ...]:
    """Return the metrics that every epoch reports."""
    scored = (f"{split}/{name}" for split in scored_splits(config) for name in SCORES)
    return (*TRAIN_METRICS, *scored)

"""Settings of supervised finetuning, and what follows from them alone."""

from typing import Literal

from pydantic import Field, model_validator

from hpe.augment.composition import CompositionConfig
from hpe.config import Config, operational
from hpe.models.encoders import EncoderConfig, encoder_architecture
from hpe.models.pose_heads import PoseHeadConfig
from hpe.phases.evaluation import DENOISED_SCORES, SCORES
from hpe.phases.keep import KeepConfig
from hpe.phases.label_budget import scored_splits
from hpe.phases.optimization import OptimizerConfig
from hpe.phases.pose_pseudo_labels import SemiSupervisedConfig
from hpe.phases.precision import Precision
from hpe.phases.views import is_reference

TRAIN_METRICS = ("train/loss", "train/loss_2d_px", "train/loss_depth")
ROOT_METRIC = "train/loss_root_depth"
"""What the denoiser minimises, in bone lengths; reported where there is one."""

PSEUDO_METRICS = ("train/loss_pseudo", "train/pseudo_share")
"""Loss on the network's own labels, and the share of unlabelled joints that have one."""


class PoseLossConfig(Config):
    """What finetuning minimises: keypoint error in input pixels + weighted relative depth error.

    Attributes:
        depth_weight: S0's alpha.
        compat: `s0` counts depth errors in lengths of root to index MCP, by which S0 divides
            depths, and not of the shorter bone that the head predicts them in.
    """

    depth_weight: float = Field(5.0, ge=0)
    compat: Literal["none", "s0"] = "none"


class FinetuneConfig(Config):
    """Settings of supervised finetuning.

    Attributes:
        epochs: Reports to make.
        steps_per_epoch: Optimizer steps per report, whatever the number of labels; None for about
            one pass over them.
        batch_size: Samples per batch, over all workers.
        accumulate: Batches per optimizer step; the step is that of one large batch.
        image_px: Side of the network's input.
        encoder: Used where no pretraining came before; inherited from it otherwise.
        train_encoder: Whether the encoder learns; if not, nothing of it changes, batch norm
            statistics included.
        label_fraction: Share of the labelled training ids in use. Smaller shares are parts of
            larger ones.
        label_seed: Chooses them. Not the stage's seed: trials are compared on the same labels.
        score_test: Report the test split too.
        limit_batches: Optimizer steps per epoch, and evaluation batches, at most; None for all.
        loader_workers: Child processes that make views; 0 makes them here.
    """

    epochs: int = Field(10, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=2)
    accumulate: int = Field(1, ge=1)
    image_px: int = Field(64, ge=33)
    encoder: EncoderConfig = EncoderConfig()
    train_encoder: bool = True
    label_fraction: float = Field(1.0, gt=0, le=1)
    label_seed: int = Field(0, ge=0)
    head: PoseHeadConfig = PoseHeadConfig()
    augment: CompositionConfig = CompositionConfig()
    loss: PoseLossConfig = PoseLossConfig()
    semi_supervised: SemiSupervisedConfig = SemiSupervisedConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    precision: Precision = "fp32"
    channels_last: bool = True
    score_test: bool = False
    keep: KeepConfig = KeepConfig()
    limit_batches: int | None = Field(None, ge=1)
    loader_workers: int = operational(0, ge=0)

    @property
    def depth_splits(self) -> tuple[str, ...]:
        """Return the splits that must have samples whose joints are known in space."""
        return ("train", *scored_splits(self))

    @model_validator(mode="after")
    def _keeps_by_a_metric_it_has(self) -> "FinetuneConfig":
        self.keep.require_metric(finetune_metrics(self))
        return self

    @model_validator(mode="after")
    def _counts_its_own_labels_as_the_true_ones(self) -> "FinetuneConfig":
        if self.semi_supervised.enabled and self.loss.compat != "none":
            raise ValueError(
                f"loss/compat={self.loss.compat} needs the true length of a bone, which the "
                f"network's own labels do not have, but semi_supervised/weight is "
                f"{self.semi_supervised.weight:g}; set one of them to none or 0"
            )
        return self

    @model_validator(mode="after")
    def _has_views_that_can_disagree(self) -> "FinetuneConfig":
        if self.semi_supervised.enabled and is_reference(self.augment):
            raise ValueError(
                f"semi_supervised/weight is {self.semi_supervised.weight:g}, but augment changes "
                "nothing, so that both views of a hand would be the same and always agree; switch "
                "on an operation of augment, or set the weight to 0"
            )
        return self

    @model_validator(mode="after")
    def _has_the_maps_its_head_reads(self) -> "FinetuneConfig":
        if self.head.on_maps and encoder_architecture(self.encoder).map_channels is None:
            raise ValueError(
                f"head/kind={self.head.kind} reads feature maps, and {self.encoder.name} has none; "
                "use a convolutional encoder such as hrnet_w32, or head/kind=linear"
            )
        return self


def finetune_metrics(config: FinetuneConfig) -> tuple[str, ...]:
    """Return the metrics that every epoch reports."""
    denoises = config.head.denoiser
    trained = TRAIN_METRICS + ((ROOT_METRIC,) if denoises else ())
    trained += PSEUDO_METRICS if config.semi_supervised.enabled else ()
    names = SCORES + (DENOISED_SCORES if denoises else ())
    return trained + tuple(f"{split}/{name}" for split in scored_splits(config) for name in names)

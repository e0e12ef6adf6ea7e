"""Settings of encoder-decoder training, and what follows from them alone."""

import math

from pydantic import Field, model_validator

from hpe.augment.composition import CompositionConfig
from hpe.augment.crop import Frame
from hpe.config import Config, operational
from hpe.geometry.axis_bins import S2_BOXES, Axes, Box, Unit
from hpe.geometry.canonical_camera import Camera
from hpe.geometry.target_space import TargetSpace
from hpe.losses.axes import Divergence, PointLoss, Softening
from hpe.models.axis_decoders import DecoderConfig
from hpe.models.encoders import EncoderConfig, encoder_architecture
from hpe.phases.axis_scores import SCORES
from hpe.phases.keep import KeepConfig
from hpe.phases.label_budget import scored_splits
from hpe.phases.optimization import OptimizerConfig
from hpe.phases.precision import Precision

TRAIN_METRICS = ("train/loss", "train/loss_points", "train/loss_distribution")
RANKING_METRIC = f"val/{SCORES[0]}"


class TargetConfig(Config):
    """What the network sees, and where it says joints are.

    Attributes:
        frame: What a reference crop shows: the hand, as everywhere else here; or the whole picture,
            about its principal point or, as in S2, about its middle.
        camera: Whose coordinates the network says. Before the canonical camera, depth is what a
            picture without K can tell; a data set's `own` focal lengths must be alike to be learnt.
        focal: Focal length of the canonical camera, in sides of the view.
        unit: `bone` divides by the length of the index finger's MCP-PIP bone; errors in millimetres
            are then given its true length, aligned errors apart.
        low: Low ends of the x, y and z axes in that unit; None for S2's box. Likewise `high`.
    """

    frame: Frame = "hand"
    camera: Camera = "canonical"
    focal: float = Field(2.5, gt=0)
    unit: Unit = "mm"
    low: Axes | None = None
    high: Axes | None = None

    @model_validator(mode="after")
    def _spans_a_box(self) -> "TargetConfig":
        box = self.box
        if not all(low < high for low, high in zip(box.low, box.high, strict=True)):
            raise ValueError(
                f"each of low must be below that of high, got {list(box.low)} and {list(box.high)}"
            )
        return self

    @property
    def box(self) -> Box:
        """What the network can speak of."""
        standard = S2_BOXES[self.unit]
        return Box(self.low or standard.low, self.high or standard.high)

    def canonical(self) -> "TargetConfig":
        """Return the settings without the focal length where no camera has it."""
        if self.camera == "canonical":
            return self
        return self.model_copy(update={"focal": type(self).model_fields["focal"].default})


class AxisLossConfig(Config):
    """What training minimises: a weighted sum of what is said of space, whose weights total 1.

    Decoders that find joints in the view first add what is said of the view, by weights of its own.
    The defaults of these are those of S2's HMLifted; that S2 weighed a graph's points in the view
    alike is taken here.

    Attributes:
        points: Squared or absolute error of coordinates, in the target's unit.
        points_weight: Its weight.
        distribution_weight: Weight of the distributions' divergence from soft targets.
        std_bins: Deviation of the targets (S2: 1 or 2).
        divergence: Jensen and Shannon's, or as S2 wrote it.
        softening: Gaussians, or as S2 made them: nearly flat.
        plane_weight: Weight of the mean squared error of a coordinate in the view, in pixels.
        heatmap_weight: Weight of that of a heatmap's cells from Gaussians whose peak is 1.
        heatmap_std_cells: Deviation of these.
    """

    points: PointLoss = "mse"
    points_weight: float = Field(1.0, ge=0, le=1)
    distribution_weight: float = Field(0.0, ge=0, le=1)
    std_bins: float = Field(1.0, gt=0)
    divergence: Divergence = "jensen_shannon"
    softening: Softening = "gaussian"
    plane_weight: float = Field(1.0, ge=0)
    heatmap_weight: float = Field(1e4, ge=0)
    heatmap_std_cells: float = Field(3.0, gt=0)

    @model_validator(mode="after")
    def _totals_one(self) -> "AxisLossConfig":
        total = self.points_weight + self.distribution_weight
        if not math.isclose(total, 1.0, abs_tol=1e-6):
            raise ValueError(
                f"points_weight and distribution_weight must total 1, got {self.points_weight} + "
                f"{self.distribution_weight} = {total}"
            )
        return self

    def canonical(self) -> "AxisLossConfig":
        """Return the settings without those of a term that does not count."""
        if self.distribution_weight > 0:
            return self
        return self.without("std_bins", "divergence", "softening")

    def without(self, *unread: str) -> "AxisLossConfig":
        """Return the settings with the defaults of these."""
        fields = type(self).model_fields
        return self.model_copy(update={name: fields[name].default for name in unread})


class RobustConfig(Config):
    """Scores of the mean over several views of each sample, turned back in space.

    Attributes:
        rotations: Views, evenly over a full turn; 1 looks once, upright. S2 takes 8 or 10.
        mirrored: As many mirrored views beside them.
    """

    rotations: int = Field(1, ge=1)
    mirrored: bool = False


class EncoderDecoderConfig(Config):
    """Settings of encoder-decoder training.

    What is not said here means what it does for finetuning (`FinetuneConfig`).

    Attributes:
        augment: A flip of the picture makes the target that of the other hand, since no hand of the
            same side looks like it; the network then knows both (S2 did the same).
        robust: Applies to scores alone.
        pictures_every: Draw the same few validation hands, in the image and along each axis, after
            every nth epoch; 0 draws them at the end alone.
    """

    epochs: int = Field(10, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    batch_size: int = Field(32, ge=2)
    accumulate: int = Field(1, ge=1)
    image_px: int = Field(64, ge=33)
    encoder: EncoderConfig = EncoderConfig()
    train_encoder: bool = True
    label_fraction: float = Field(1.0, gt=0, le=1)
    label_seed: int = Field(0, ge=0)
    decoder: DecoderConfig = DecoderConfig()
    target: TargetConfig = TargetConfig()
    augment: CompositionConfig = CompositionConfig()
    loss: AxisLossConfig = AxisLossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    robust: RobustConfig = RobustConfig()
    precision: Precision = "fp32"
    channels_last: bool = True
    score_test: bool = False
    keep: KeepConfig = KeepConfig()
    limit_batches: int | None = Field(None, ge=1)
    loader_workers: int = operational(0, ge=0)
    pictures_every: int = operational(0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> "EncoderDecoderConfig":
        self.keep.require_metric(encoder_decoder_metrics(self))
        self.decoder.require_input(self.image_px)
        if encoder_architecture(self.encoder).map_channels is None:
            raise ValueError(
                f"a decoder reads feature maps, and {self.encoder.name} has none; use a "
                "convolutional encoder such as efficientnet_b4"
            )
        if self.loss.distribution_weight > 0 and not self.decoder.has_bins:
            raise ValueError(
                f"decoder/kind={self.decoder.kind} says no distributions; set "
                "loss/distribution_weight to 0 and loss/points_weight to 1"
            )
        return self

    def canonical(self) -> "EncoderDecoderConfig":
        """Return the settings without those of losses that this kind of decoder does not have."""
        unread = [] if self.decoder.has_plane else ["plane_weight"]
        if not self.decoder.has_heatmaps:
            unread += ["heatmap_weight", "heatmap_std_cells"]
        return self.model_copy(update={"loss": self.loss.without(*unread)})


def train_metrics(config: EncoderDecoderConfig) -> tuple[str, ...]:
    """Return the training loss and its terms, in their order."""
    plane = ("train/loss_plane",) if config.decoder.has_plane else ()
    heatmaps = ("train/loss_heatmaps",) if config.decoder.has_heatmaps else ()
    return TRAIN_METRICS + plane + heatmaps


def encoder_decoder_metrics(config: EncoderDecoderConfig) -> tuple[str, ...]:
    """Return the metrics that every epoch reports."""
    scores = tuple(f"{split}/{name}" for split in scored_splits(config) for name in SCORES)
    return train_metrics(config) + scores


def target_space(config: TargetConfig, *, image_px: int) -> TargetSpace:
    """Return the space in which a network for views of this size says joints."""
    return TargetSpace(
        camera=config.camera,
        focal=config.focal,
        side_px=image_px,
        unit=config.unit,
        box=config.box,
    )

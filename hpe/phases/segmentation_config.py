"""Settings of the three phases of the segmentation GAN, and what follows from them alone."""

import math
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator, model_validator

from hpe.augment.hand_masks import MaskAugmentationConfig
from hpe.config import Config, operational
from hpe.losses.adversarial import AdversarialLoss
from hpe.losses.segmentation import ClassWeights, RegionLoss
from hpe.models.mask_discriminators import LEAST_PX, DiscriminatorConfig
from hpe.models.segmenters import SegmenterConfig, require_whole_maps
from hpe.phases.keep import KeepConfig
from hpe.phases.micro_batch import halved_micro_batch
from hpe.phases.optimization import OptimizerConfig, Schedule
from hpe.phases.phase import Workload
from hpe.phases.precision import Precision

EVALUATION_BATCH = 64
LEAST_KEPT = 2  # rows of a batch: batch norm needs two

TRAIN_METRICS = ("train/loss", "train/loss_ce", "train/loss_region")
ADVERSARIAL_METRIC = "train/loss_adversarial"
DISCRIMINATOR_METRIC = "train/loss_discriminator"
CONFIDENCE_METRIC = "train/confidence"
"""Mean over pixels and hands of the largest logit of the pseudo-labels that are kept."""

SCORES = ("miou", "miou_fg_pooled")
VISIBILITY_SCORES = ("miou_visible", "miou_occluded")
RANKING_METRIC = f"val/{SCORES[0]}"


class RampConfig(Config):
    """A weight's change in time, between two points.

    Attributes:
        start: Share of the weight that counts at first.
        from_epoch: Epochs after which it begins to go from there to the whole weight, linearly.
        to_epoch: Epochs after which it is there. Not later than `from_epoch`: it jumps.
    """

    start: float = Field(1.0, ge=0)
    from_epoch: float = Field(0.0, ge=0)
    to_epoch: float = Field(0.0, ge=0)

    def canonical(self) -> "RampConfig":
        """Return the settings that stand for all that change nothing, where these do not."""
        return RampConfig() if self.start == 1 else self

    def counts_within(self, epochs: int) -> bool:
        """Return whether anything of the weight counts in a phase of so many epochs."""
        return self.start > 0 or self.from_epoch < epochs

    def factor(self, epoch: float) -> float:
        """Return the share of the weight that counts after so many epochs."""
        if epoch >= self.to_epoch:
            return 1.0 if epoch >= self.from_epoch else self.start
        passed = max(epoch - self.from_epoch, 0.0) / max(self.to_epoch - self.from_epoch, 1e-12)
        return self.start + (1.0 - self.start) * passed


class MaskOptimizerConfig(OptimizerConfig):
    """How weights are updated; by default as in S3: Adam at one rate."""

    name: Literal["adamw", "adam", "lars"] = "adam"
    lr: float = Field(2.5e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Schedule = "constant"


class MaskLossConfig(Config):
    """What a segmenter minimises on masks: weighted terms, each summed over the hands.

    Attributes:
        class_weights: Of the cross-entropy, by name (`hpe.losses.segmentation.CLASS_WEIGHTS`).
        region: Which loss on regions.
        ce_weight: Of the cross-entropy; S3's 0.35 by default.
        region_weight: Of the loss on regions; S3's 0.65.
        ce_ramp: The cross-entropy's weight in time.
        region_ramp: The other's.
    """

    class_weights: ClassWeights = "s3"
    region: RegionLoss = "dice"
    ce_weight: float = Field(0.35, ge=0)
    region_weight: float = Field(0.65, ge=0)
    ce_ramp: RampConfig = RampConfig()
    region_ramp: RampConfig = RampConfig()

    @model_validator(mode="after")
    def _has_a_term(self) -> "MaskLossConfig":
        if self.ce_weight == 0 and self.region_weight == 0:
            raise ValueError("ce_weight or region_weight must be positive, got 0 for both")
        return self

    def canonical(self) -> "MaskLossConfig":
        """Return the settings without the changes in time of terms that never count."""
        terms = [name.removesuffix("_ramp") for name in type(self).model_fields if "_ramp" in name]
        unread = [term for term in terms if getattr(self, f"{term}_weight") == 0]
        return self.model_copy(update={f"{term}_ramp": RampConfig() for term in unread})

    def require_a_term(self, epochs: int) -> None:
        """Refuse ramps that let no term on masks count in a phase of so many epochs.

        Raises:
            ValueError: If none does.
        """
        terms = ((self.ce_weight, self.ce_ramp), (self.region_weight, self.region_ramp))
        if not any(weight > 0 and ramp.counts_within(epochs) for weight, ramp in terms):
            late = [ramp.from_epoch for weight, ramp in terms if weight > 0]
            raise ValueError(
                "loss/ce_ramp or loss/region_ramp must let its term count before the phase is over,"
                f" got from_epoch {' and '.join(f'{epoch:g}' for epoch in late)} of {epochs} "
                "epochs, with start 0; lower from_epoch or raise start"
            )


class GeneratorLossConfig(MaskLossConfig):
    """The same; by default cross-entropy alone, as S3 trains its first generator."""

    ce_weight: float = Field(1.0, ge=0)
    region_weight: float = Field(0.0, ge=0)


class PairedLossConfig(MaskLossConfig):
    """The same with an adversarial term; by default 0.9 (0.35 CE + 0.65 Dice) + 0.1 BCE, as S3.

    Attributes:
        adversarial_weight: Of what the discriminator says of the predicted masks; 0 for none.
        adversarial_ramp: That weight in time.
    """

    ce_weight: float = Field(0.315, ge=0)
    region_weight: float = Field(0.585, ge=0)
    adversarial_weight: float = Field(0.1, ge=0)
    adversarial_ramp: RampConfig = RampConfig()


class AdversaryConfig(Config):
    """How the discriminator is trained, and heard.

    Attributes:
        loss: Of both sides.
        r1_weight: Weight (gamma) of the penalty on its gradient at true masks.
        real_masks: Which masks are true ones for it: those of the paired images it judges, or the
            data set's unpaired ones.
    """

    loss: AdversarialLoss = "bce"
    r1_weight: float = Field(0.0, ge=0)
    real_masks: Literal["paired", "unpaired"] = "paired"
    optimizer: MaskOptimizerConfig = MaskOptimizerConfig()


class PairedAdversaryConfig(AdversaryConfig):
    """The same.

    Attributes:
        trains: Whether the discriminator learns beside G2; if not, nothing of it changes.
    """

    trains: bool = False

    def canonical(self) -> "PairedAdversaryConfig":
        """Return the settings without how it would be taught, where it learns nothing."""
        return self if self.trains else PairedAdversaryConfig(loss=self.loss)


class MaskTrainingConfig(Config):
    """Settings that all three phases have.

    Attributes:
        epochs: Reports to make.
        steps_per_epoch: Optimizer steps per report; None for about one pass over the images.
        batch_size: Images per batch, over all workers.
        accumulate: Batches per optimizer step, whose gradients are averaged; losses on regions and
            batch norm see one batch.
        image_px: Side of the network's input, a multiple of 32.
        augment: For images with and without masks alike.
        score_test: Report the test split too.
        score_visibility: Score visible and occluded pixels apart; needs masks of what is visible.
        limit_batches: Optimizer steps per epoch, and evaluation batches, at most; None for all.
        loader_workers: Child processes that make views; 0 makes them here.
    """

    epochs: int = Field(10, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    batch_size: int = Field(16, ge=LEAST_KEPT)
    accumulate: int = Field(1, ge=1)
    image_px: int = Field(64, ge=LEAST_PX)
    augment: MaskAugmentationConfig = MaskAugmentationConfig()
    optimizer: MaskOptimizerConfig = MaskOptimizerConfig()
    precision: Precision = "fp32"
    channels_last: bool = True
    score_test: bool = False
    score_visibility: bool = True
    keep: KeepConfig = KeepConfig()
    limit_batches: int | None = Field(None, ge=1)
    loader_workers: int = operational(0, ge=0)

    @field_validator("image_px")
    @classmethod
    def _can_be_halved(cls, image_px: int) -> int:
        require_whole_maps(image_px)
        return image_px


class GeneratorConfig(MaskTrainingConfig):
    """Settings of training G1, which labels images later, and the discriminator beside it.

    Attributes:
        network: G1.
    """

    network: SegmenterConfig = SegmenterConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    loss: GeneratorLossConfig = GeneratorLossConfig()
    adversary: AdversaryConfig = AdversaryConfig()

    @model_validator(mode="after")
    def _trains_and_keeps_by_a_metric_it_has(self) -> "GeneratorConfig":
        self.loss.require_a_term(self.epochs)
        self.keep.require_metric(generator_metrics(self))
        return self


class PseudoLabelsConfig(MaskTrainingConfig):
    """Settings of training G2 on what G1 says of images without masks.

    Attributes:
        segmenter: G2; that of the last phase that trained it, if one did.
        keep_share: Share of each batch that is trained on: the images on which G1 is most
            confident, by the sum over hands and pixels of its largest logit.
        carry_optimizer: Go on with the moments of the last phase that trained G2, as S3 does with
            one Adam for all of them.
    """

    batch_size: int = Field(32, ge=LEAST_KEPT)
    segmenter: SegmenterConfig = SegmenterConfig()
    loss: MaskLossConfig = MaskLossConfig()
    keep_share: float = Field(0.5, gt=0, le=1)
    carry_optimizer: bool = True

    @model_validator(mode="after")
    def _keeps_enough_and_by_a_metric_it_has(self) -> "PseudoLabelsConfig":
        if kept_rows(self.batch_size, self.keep_share) < LEAST_KEPT:
            raise ValueError(
                f"keep_share must leave at least {LEAST_KEPT} images of a batch, got "
                f"{self.keep_share} of {self.batch_size}; raise one of them"
            )
        self.loss.require_a_term(self.epochs)
        self.keep.require_metric(pseudo_labels_metrics(self))
        return self


class PairedConfig(MaskTrainingConfig):
    """Settings of training G2 on images with masks, with what the discriminator says of it.

    Attributes:
        segmenter: G2; that of the last phase that trained it, if one did.
        discriminator: That of the last phase that trained it, if one did.
        carry_optimizer: As in `PseudoLabelsConfig`; the discriminator's moments likewise, where it
            learns on.
    """

    segmenter: SegmenterConfig = SegmenterConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    loss: PairedLossConfig = PairedLossConfig()
    adversary: PairedAdversaryConfig = PairedAdversaryConfig()
    carry_optimizer: bool = True

    @model_validator(mode="after")
    def _trains_and_keeps_by_a_metric_it_has(self) -> "PairedConfig":
        self.loss.require_a_term(self.epochs)
        self.keep.require_metric(paired_metrics(self))
        return self

    def canonical(self) -> "PairedConfig":
        """Return the settings without those of a discriminator, where there is none."""
        if self.has_adversary:
            return self
        nobody = {"discriminator": DiscriminatorConfig(), "adversary": PairedAdversaryConfig()}
        return self.model_copy(update=nobody)

    @property
    def has_adversary(self) -> bool:
        """Whether there is a discriminator at all."""
        return self.loss.adversarial_weight > 0 or self.adversary.trains


def generator_metrics(config: GeneratorConfig) -> tuple[str, ...]:
    """Return the metrics that every epoch of `generator` reports."""
    return (*TRAIN_METRICS, DISCRIMINATOR_METRIC, *_scores(config))


def pseudo_labels_metrics(config: PseudoLabelsConfig) -> tuple[str, ...]:
    """Return the metrics that every epoch of `pseudo_labels` reports."""
    return (*TRAIN_METRICS, CONFIDENCE_METRIC, *_scores(config))


def paired_metrics(config: PairedConfig) -> tuple[str, ...]:
    """Return the metrics that every epoch of `paired` reports."""
    heard = (ADVERSARIAL_METRIC,) if config.loss.adversarial_weight > 0 else ()
    taught = (DISCRIMINATOR_METRIC,) if config.adversary.trains else ()
    return (*TRAIN_METRICS, *heard, *taught, *_scores(config))


def paired_workload(config: MaskTrainingConfig, sizes: Mapping[str, int]) -> Workload:
    """Return what there is to do on images with masks, for splits of these sizes."""
    return _workload(config, sizes, images=sizes["train"])


def pseudo_labels_workload(config: MaskTrainingConfig, sizes: Mapping[str, int]) -> Workload:
    """Return what there is to do on images without masks, for splits of these sizes."""
    return _workload(config, sizes, images=sizes["unlabelled"])


def steps_per_epoch(config: MaskTrainingConfig, num_images: int) -> int:
    """Return the optimizer steps of an epoch on this many images."""
    one_pass = max(1, math.ceil(num_images / (config.batch_size * config.accumulate)))
    steps = config.steps_per_epoch or one_pass
    return min(steps, config.limit_batches or steps)


def scored_samples(config: MaskTrainingConfig, available: int) -> int:
    """Return how many samples of a split of this size are scored."""
    cap = config.limit_batches
    return available if cap is None else min(available, cap * EVALUATION_BATCH)


def scored_splits(config: MaskTrainingConfig) -> tuple[str, ...]:
    """Return the splits that every epoch is scored on."""
    return ("val", "test") if config.score_test else ("val",)


def kept_rows(rows: int, share: float) -> int:
    """Return how many rows of a batch a share of it is, rounded."""
    return round(share * rows)


def lighter_labelling(config: PseudoLabelsConfig) -> dict[str, int] | None:
    """Return the settings that halve the batch, or None where that would keep too few images."""
    lighter = halved_micro_batch(config)
    if lighter is None or kept_rows(lighter["batch_size"], config.keep_share) < LEAST_KEPT:
        return None
    return lighter


def _scores(config: MaskTrainingConfig) -> tuple[str, ...]:
    names = SCORES + (VISIBILITY_SCORES if config.score_visibility else ())
    return tuple(f"{split}/{name}" for split in scored_splits(config) for name in names)


def _workload(config: MaskTrainingConfig, sizes: Mapping[str, int], *, images: int) -> Workload:
    scored = sum(scored_samples(config, sizes[split]) for split in scored_splits(config))
    return Workload(steps_per_epoch(config, images), evaluations=config.epochs, scored=scored)

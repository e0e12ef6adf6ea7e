"""What pretraining can be told, what it reports then, and how much there is to do."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from hpe.augment.batched import require_batchable_settings
from hpe.augment.composition import CompositionConfig
from hpe.config import Config, operational
from hpe.models.encoders import EncoderConfig, encoder_architecture
from hpe.models.heads import ProjectionHeadConfig
from hpe.phases.contrastive_terms import (
    COLLAPSE_SHARE,
    EQUIVARIANT,
    INVARIANT,
    TOP1,
    ContrastiveLossConfig,
)
from hpe.phases.keep import KeepConfig
from hpe.phases.optimization import OptimizerConfig
from hpe.phases.phase import Workload
from hpe.phases.precision import Precision
from hpe.phases.probe import PROBE_METRICS, ProbeConfig, probed_samples
from hpe.phases.relative_terms import ERRORS, LOSS, RelativeConfig, relations, weight_metric
from hpe.phases.views import is_reference

COLLAPSED = "train/is_collapsed"
BALANCED_PARTS = ("contrastive", "relative")


class PretrainConfig(Config):
    """Settings of pretraining.

    Attributes:
        epochs: Passes over the unlabelled split.
        batch_size: Samples per batch, over all workers; two views of each.
        accumulate: Batches per optimizer step. As in S0, negatives come from one batch, never from
            another one of the same step, unless `loss/negatives` says otherwise.
        augment_on: Where views are made: `cpu`, one by one in the loader, or `device`, a batch at
            once where the network is, with the same geometry. The latter takes pictures of one
            size, and neither `occlude` nor a `control`.
        image_px: Side of the views; 33 is the least that `small_resnet` takes.
        limit_batches: Optimizer steps per epoch, and probe batches, at most; None for all.
        loader_workers: Child processes that make views; 0 makes them here.
    """

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(128, ge=2)
    accumulate: int = Field(1, ge=1)
    image_px: int = Field(64, ge=33)
    encoder: EncoderConfig = EncoderConfig()
    projection: ProjectionHeadConfig = ProjectionHeadConfig()
    augment: CompositionConfig = CompositionConfig()
    augment_on: Literal["cpu", "device"] = "cpu"
    loss: ContrastiveLossConfig = ContrastiveLossConfig()
    relative: RelativeConfig = RelativeConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    precision: Precision = "fp32"
    channels_last: bool = True
    probe: ProbeConfig = ProbeConfig()
    keep: KeepConfig = KeepConfig()
    limit_batches: int | None = Field(None, ge=1)
    loader_workers: int = operational(0, ge=0)

    @property
    def relations(self) -> tuple[str, ...]:
        """Return the names of what the relative part regresses."""
        return relations(self.relative, self.augment)

    @property
    def depth_splits(self) -> tuple[str, ...]:
        """Return the splits that must have samples whose joints are known in space."""
        return ("train", "val") if self.probe.every > 0 else ()

    @property
    def has_learned_balance(self) -> bool:
        """Return whether the contrastive and the relative part are weighed by learned scales."""
        return self.relative.enabled and self.relative.balance == "learned"

    @model_validator(mode="after")
    def _has_a_loss(self) -> "PretrainConfig":
        if not self.loss.enabled and not self.relative.enabled:
            raise ValueError(
                "loss/invariant_weight, loss/equivariant_weight and relative/weight are all 0, "
                "which leaves no loss; give one of them a positive weight"
            )
        return self

    @model_validator(mode="after")
    def _relates_what_differs(self) -> "PretrainConfig":
        if not self.relative.enabled:
            return self
        if not self.relative.own_views and not is_reference(self.relative.augment):
            raise ValueError(
                "relative/augment makes the views of the relative part only where "
                "relative/own_views is true; set that, or say it in augment, which both parts share"
            )
        for setting, is_set in (
            ("relative/own_views: true", self.relative.own_views),
            ("relative/balance: learned", self.relative.balance == "learned"),
        ):
            if is_set and not self.loss.enabled:
                raise ValueError(
                    f"{setting} needs a contrastive part beside the relative one, but both weights "
                    "of loss are 0; give one a positive weight, or leave the setting out"
                )
        assert self.relations  # or `relations` refuses
        return self

    @model_validator(mode="after")
    def _makes_views_where_it_can(self) -> "PretrainConfig":
        if self.augment_on == "device":
            for composition in (self.augment, self.relative.augment):
                require_batchable_settings(composition)
        return self

    @model_validator(mode="after")
    def _projects_what_there_is(self) -> "PretrainConfig":
        kind = self.projection.kind
        if kind == "vector":
            return self
        if encoder_architecture(self.encoder).map_channels is None:
            raise ValueError(
                f"projection/kind: {kind} needs an encoder with maps, and {self.encoder.name} has "
                "none; choose a convolutional encoder, best hrnet_w32, or projection/kind: vector"
            )
        if kind == "maps" and self.loss.invariant_weight > 0:
            raise ValueError(
                "projection/kind: maps has the equivariant term alone, but loss/invariant_weight "
                f"is {self.loss.invariant_weight:g}; set it to 0, or use projection/kind: points"
            )
        if kind == "maps" and self.loss.undo != "exact":
            raise ValueError(
                f"projection/kind: maps is moved back exactly, but loss/undo is {self.loss.undo}; "
                "leave it at exact, or use projection/kind: points"
            )
        return self

    @model_validator(mode="after")
    def _keeps_by_a_metric_it_has(self) -> "PretrainConfig":
        self.keep.require_metric(pretrain_metrics(self))
        ranks_epochs = self.keep.best or self.keep.top_k > 0
        if ranks_epochs and self.keep.metric is None and self.probe.every == 0:
            raise ValueError(
                "keep/best and keep/top_k rank epochs by the probe, but probe/every is 0; "
                "probe at times, or name another keep/metric"
            )
        return self


def pretrain_metrics(config: PretrainConfig) -> tuple[str, ...]:
    """Return the metrics that the last epoch reports; earlier ones may lack the probe's."""
    metrics: tuple[str, ...] = ("train/loss",)
    if config.loss.enabled:
        has_both = config.projection.kind != "maps"
        metrics += (*((INVARIANT,) if has_both else ()), EQUIVARIANT, TOP1)
        metrics += (COLLAPSE_SHARE, COLLAPSED)
    if config.relative.enabled:
        weighed = config.relations
        metrics += (LOSS, *(ERRORS[relation] for relation in weighed))
        if config.has_learned_balance:
            weighed += BALANCED_PARTS
        metrics += tuple(weight_metric(part) for part in weighed)
    return metrics + (PROBE_METRICS if config.probe.every else ())


def pretrain_workload(config: PretrainConfig, sizes: Mapping[str, int]) -> Workload:
    """Return what there is to do on splits of these sizes.

    Raises:
        ValueError: If the unlabelled split does not fill one optimizer step.
    """
    probes = (config.probe.is_due(e, epochs=config.epochs) for e in range(1, config.epochs + 1))
    return Workload(
        steps_per_epoch=steps_per_epoch(config, num_samples=sizes["unlabelled"]),
        evaluations=sum(probes),
        scored=probed_samples(config.probe, sizes, limit_batches=config.limit_batches),
    )


def steps_per_epoch(config: PretrainConfig, *, num_samples: int) -> int:
    """Return the optimizer steps of one pass over this many samples.

    Raises:
        ValueError: If they do not fill one.
    """
    steps = num_samples // config.batch_size // config.accumulate
    if steps == 0:
        raise ValueError(
            f"One optimizer step takes batch_size x accumulate = "
            f"{config.batch_size * config.accumulate} samples, but the unlabelled split has "
            f"{num_samples}: lower one of the two."
        )
    return min(steps, config.limit_batches or steps)

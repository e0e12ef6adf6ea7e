"""What a phase that trains a segmenter holds, and what it takes over from the phases before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from hpe.config import Config
from hpe.losses.segmentation import CLASS_WEIGHTS
from hpe.models.mask_discriminators import DiscriminatorConfig, build_discriminator
from hpe.models.segmenters import SegmenterConfig, build_segmenter
from hpe.phases.adversary import Adversary
from hpe.phases.distribution import data_parallel
from hpe.phases.optimization import ScheduledOptimizer
from hpe.phases.phase import Artifacts, State
from hpe.phases.precision import Numerics
from hpe.phases.segmentation_config import (
    AdversaryConfig,
    GeneratorConfig,
    MaskOptimizerConfig,
    MaskTrainingConfig,
    PairedConfig,
    PseudoLabelsConfig,
)
from hpe.phases.state import detached_copy, join_state, split_state

AnyConfig = GeneratorConfig | PseudoLabelsConfig | PairedConfig
Parents = Mapping[str, Artifacts]
PartPixels = Int64[Tensor, "rows 2 16"]

GOES_ON = "segmenter"
"""The section of the network that several phases train in turn: G2."""


@dataclass(frozen=True)
class MaskRun:
    """A segmenter in training, perhaps with an adversary.

    Attributes:
        section: The settings' section that says which network it is, and the name of its weights
            among the artifacts.
        parallel: `segmenter` or a wrapper of it.
        class_weights: Of the cross-entropy, on the device.
        steps_before: Optimizer steps that the segmenter has behind it from earlier phases.
    """

    config: AnyConfig
    numerics: Numerics
    section: str
    segmenter: nn.Module
    parallel: nn.Module
    optimizer: ScheduledOptimizer
    adversary: Adversary | None
    class_weights: Float[Tensor, " 17"]
    steps_per_epoch: int
    steps_before: int = 0

    def state(self, epoch: int, metrics: Mapping[str, float], part_pixels: PartPixels) -> State:
        """Return all that the epochs after this one depend on.

        What was scored is in it as counts: the IoU of a part that no image shows is NaN, and
        numbers of a state that are not finite are taken for divergence.
        """
        return detached_copy(
            {
                "epoch": epoch,
                "metrics": dict(metrics),
                "part_pixels": part_pixels,
                "segmenter": self.segmenter.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                **self._adversary_state(),
            }
        )

    def restore(self, state: State) -> tuple[int, Mapping[str, float], PartPixels]:
        """Go on from `state`; return the epochs behind it, the last one's metrics and pixels."""
        self.segmenter.load_state_dict(state["segmenter"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.adversary is not None:
            self.adversary.discriminator.load_state_dict(state["discriminator"])
            if self.adversary.optimizer is not None:
                self.adversary.optimizer.load_state_dict(state["discriminator_optimizer"])
        return int(state["epoch"]), state["metrics"], state["part_pixels"]

    def _adversary_state(self) -> dict[str, Any]:
        if self.adversary is None:
            return {}
        optimizer = self.adversary.optimizer
        moments = {} if optimizer is None else {"discriminator_optimizer": optimizer.state_dict()}
        return {"discriminator": self.adversary.discriminator.state_dict(), **moments}


def segmenter_optimizer(
    segmenter: nn.Module, config: MaskTrainingConfig, *, steps_per_epoch: int
) -> ScheduledOptimizer:
    """Return the optimizer of a segmenter."""
    return _scheduled(segmenter, config.optimizer, config, steps_per_epoch=steps_per_epoch)


def build_adversary(
    discriminator: DiscriminatorConfig,
    config: AdversaryConfig,
    training: MaskTrainingConfig,
    *,
    numerics: Numerics,
    steps_per_epoch: int,
    seed: int,
    parent: Artifacts | None = None,
    trains: bool = True,
    carry_optimizer: bool = False,
) -> Adversary:
    """Return a discriminator in training, or one that is only heard.

    Args:
        discriminator: Which one.
        config: How it is trained.
        training: The phase's settings.
        numerics: Where it runs.
        steps_per_epoch: Optimizer steps per epoch.
        seed: Of its weights, where there is no parent.
        parent: Artifacts with a trained one.
        trains: Whether it learns on.
        carry_optimizer: Take over the parent's moments, if it has any.
    """
    network = numerics.placed(build_discriminator(discriminator, seed=seed))
    if parent is not None:
        load_section(network, parent, "discriminator", discriminator)
    optimizer = None
    if trains:
        optimizer = _scheduled(network, config.optimizer, training, steps_per_epoch=steps_per_epoch)
        if carry_optimizer and parent is not None:
            carry_moments(optimizer, parent, "discriminator_optimizer")
    else:
        network.requires_grad_(False)
    parallel = data_parallel(network) if trains else network
    return Adversary(
        config,
        network,
        parallel,
        optimizer,
        discriminator.reading,
        steps_before=steps_behind(parent, "discriminator"),
    )


def last_trained(parents: Parents, section: str) -> Artifacts | None:
    """Return, of the earlier phases with this network, the one after most optimizer steps."""
    having = [parent for parent in parents.values() if section in parent.tensors]
    return max(having, key=lambda parent: steps_behind(parent, section), default=None)


def steps_behind(parent: Artifacts | None, section: str) -> int:
    """Return how many optimizer steps a network has behind it; 0 where nothing says so."""
    return 0 if parent is None else int(parent.facts.get(f"{section}_steps", 0))


def trained_segmenter(
    config: SegmenterConfig, *, section: str, parent: Artifacts | None, seed: int
) -> nn.Module:
    """Return the network that a parent trained, or a new one.

    Raises:
        ValueError: If the parent's is another one than the settings say.
    """
    if parent is None:
        return build_segmenter(config, seed=seed)
    segmenter = build_segmenter(config.model_copy(update={"weights": None}), seed=seed)
    load_section(segmenter, parent, section, config)
    return segmenter


def require_image_size(run: MaskRun) -> None:
    """Refuse a network that cannot take images of the size that is set.

    How many pixels a decoder needs, and which encoders know one size alone, they say themselves: an
    image is passed through. It leaves no trace in weights, statistics or randomness.

    Raises:
        ValueError: With the network, the size, and what it said.
    """
    side = run.config.image_px
    network = getattr(run.config, run.section)
    run.segmenter.eval()
    try:
        with torch.no_grad():
            run.numerics.encode(run.segmenter, torch.zeros(1, side, side, 3, dtype=torch.uint8))
    except (AssertionError, RuntimeError, ValueError) as error:
        if isinstance(error, torch.AcceleratorError) or "memory" in str(error):
            raise
        said = str(error).rstrip(".")
        raise ValueError(
            f"image_px must be a size that {network.architecture} on {network.encoder} takes, got "
            f"{side}: {said}. Set another one (some need 128 or more, some their own), or "
            f"{run.section}/encoder."
        ) from error


def load_section(network: nn.Module, parent: Artifacts, section: str, config: Config) -> None:
    """Load the weights of a section of a parent's artifacts.

    Raises:
        ValueError: If they are of another network than the settings say.
    """
    wanted = config.canonical().model_dump(mode="json")
    for name, trained in parent.facts.get(section, {}).items():
        if name != "weights" and trained != wanted[name]:
            raise ValueError(
                f"{section}/{name} must be that of the trained weights, {trained!r}, got "
                f"{wanted[name]!r}."
            )
    network.load_state_dict(dict(parent.tensors[section]))


def carry_moments(optimizer: ScheduledOptimizer, parent: Artifacts, group: str) -> None:
    """Go on with an earlier phase's moments, if it left any; rates and decay stay one's own."""
    if group not in parent.tensors:
        return
    carried = join_state(parent.tensors[group], parent.facts[group])
    own = optimizer.state_dict()
    optimizer.load_state_dict({"state": carried["state"], "param_groups": own["param_groups"]})


def class_weights_of(config: AnyConfig, device: torch.device) -> Float[Tensor, " 17"]:
    """Return the weights of the cross-entropy."""
    return torch.tensor(CLASS_WEIGHTS[config.loss.class_weights], device=device)


def artifacts_of(
    run: MaskRun, *, phase: str, metrics: Mapping[str, float], predictions: Mapping[str, Tensor]
) -> Artifacts:
    """Return the networks, what a later phase needs to go on with them, and predictions."""
    config = run.config
    trained = config.epochs * run.steps_per_epoch
    tensors: dict[str, Mapping[str, Tensor]] = {
        run.section: run.segmenter.state_dict(),
        "predictions": predictions,
    }
    facts: dict[str, Any] = {
        "phase": phase,
        run.section: getattr(config, run.section).canonical().model_dump(mode="json"),
        f"{run.section}_steps": run.steps_before + trained,
        "image_px": config.image_px,
        "metrics": dict(metrics),
    }
    if run.section == GOES_ON:
        tensors["optimizer"], facts["optimizer"] = split_state(run.optimizer.state_dict())
    if run.adversary is not None:
        _add_discriminator(run.adversary, run.config, tensors, facts, trained=trained)
    return Artifacts(tensors=detached_copy(tensors), facts=facts)


def _add_discriminator(
    adversary: Adversary,
    config: AnyConfig,
    tensors: dict[str, Mapping[str, Tensor]],
    facts: dict[str, Any],
    *,
    trained: int,
) -> None:
    assert not isinstance(config, PseudoLabelsConfig)
    learns = adversary.optimizer is not None
    tensors["discriminator"] = adversary.discriminator.state_dict()
    facts["discriminator"] = config.discriminator.canonical().model_dump(mode="json")
    facts["discriminator_steps"] = adversary.steps_before + trained * learns
    if adversary.optimizer is not None:
        moments = split_state(adversary.optimizer.state_dict())
        tensors["discriminator_optimizer"], facts["discriminator_optimizer"] = moments


def _scheduled(
    network: nn.Module,
    config: MaskOptimizerConfig,
    training: MaskTrainingConfig,
    *,
    steps_per_epoch: int,
) -> ScheduledOptimizer:
    return ScheduledOptimizer(
        network.parameters(),
        config,
        effective_batch=training.batch_size * training.accumulate,
        steps_per_epoch=steps_per_epoch,
        epochs=training.epochs,
    )

"""What a phase would leave if it ended with a state that it saved: weights, and what they are."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor

from hpe.config import Config
from hpe.phases.body_config import BodyPoseConfig
from hpe.phases.lift_config import LiftConfig
from hpe.phases.phase import Artifacts, State
from hpe.phases.segmentation_config import GeneratorConfig, PairedConfig, PseudoLabelsConfig


def _generator(config: GeneratorConfig, state: State) -> Artifacts:
    return _of_segmenter(config, state, section="network")


def _segmenter(config: PseudoLabelsConfig | PairedConfig, state: State) -> Artifacts:
    return _of_segmenter(config, state, section="segmenter")


def _of_segmenter(
    config: GeneratorConfig | PseudoLabelsConfig | PairedConfig, state: State, *, section: str
) -> Artifacts:
    facts = {
        section: getattr(config, section).model_dump(mode="json"),
        "image_px": config.image_px,
        "metrics": dict(state["metrics"]),
    }
    return Artifacts(tensors={section: state["segmenter"]}, facts=facts)


def _body(config: BodyPoseConfig, state: State) -> Artifacts:
    weights: Mapping[str, Tensor] = state["network"]
    facts = {
        "encoder": config.encoder.model_dump(mode="json"),
        "head": config.head.model_dump(mode="json"),
        "width_px": config.width_px,
        "height_px": config.height_px,
        "metrics": dict(state["scored"]["metrics"]),
    }
    groups = {group: _below(weights, f"{group}.") for group in ("encoder", "head")}
    return Artifacts(tensors=groups, facts=facts)


def _lifter(config: LiftConfig, state: State) -> Artifacts:
    facts = {
        "network": config.network.model_dump(mode="json"),
        "inputs": config.inputs,
        "metrics": dict(state["metrics"]),
    }
    return Artifacts(tensors={"lifter": state["lifter"]}, facts=facts)


def _below(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): tensor for n, tensor in weights.items() if n.startswith(prefix)}


_OF_STATE: Mapping[str, Callable[[Any, State], Artifacts]] = MappingProxyType(
    {
        "generator": _generator,
        "pseudo_labels": _segmenter,
        "paired": _segmenter,
        "body_pose": _body,
        "lift": _lifter,
    }
)


def artifacts_of_state(phase: str, config: Config, state: State) -> Artifacts:
    """Return a network as of a saved state, without predictions to look at.

    Args:
        phase: The phase's name.
        config: Its settings.
        state: What one of its epoch reports gave away.

    Raises:
        ValueError: If a state of this phase does not hold all of its network.
    """
    made = _OF_STATE.get(phase)
    if made is None:
        raise ValueError(
            f"a stage of {phase} is used once it has ended, or by a kept epoch (--epoch): its "
            "saved states do not hold all of its network."
        )
    found = made(config, state)
    return Artifacts(tensors=found.tensors, facts={"phase": phase, **found.facts})

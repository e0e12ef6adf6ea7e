"""What a phase is: a generator of epoch reports that returns artifacts."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from hpe.config import Config
from hpe.data.opened import OpenedData, Task
from hpe.viz.sheet import Sheet

State = Mapping[str, Any]
"""Everything a phase needs to go on after an epoch: nested dicts and lists of tensors and JSON
scalars, nothing else, so that it can be written without pickle (see `hpe.phases.state`)."""


@dataclass(frozen=True)
class Artifacts:
    """What a phase leaves behind for later phases and for people.

    Attributes:
        tensors: Named groups of tensors, such as `{"encoder": encoder.state_dict()}`. The group
            `predictions` holds arrays for figures.
        facts: JSON data that gives the tensors their meaning, such as the encoder's settings.
    """

    tensors: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochReport:
    """One finished epoch of a phase.

    Attributes:
        epoch: Epochs finished so far, counted from 1.
        epochs: Epochs the phase will run in all.
        metrics: `split/name_unit` -> value, such as `val/root_epe_mm`; all finite.
        state: Takes the full state as of this epoch; call it before asking for the next report.
        artifacts: Takes the artifacts as of this epoch; same rule.
    """

    epoch: int
    epochs: int
    metrics: Mapping[str, float]
    state: Callable[[], State]
    artifacts: Callable[[], Artifacts]


def tell_nobody() -> None:
    """Do nothing: what a phase calls after a batch when nobody watches it."""


@dataclass(frozen=True)
class PhaseInputs:
    """What a phase works on besides its settings.

    Attributes:
        data: The opened data set.
        parents: Artifacts of earlier phases, by phase name.
        seed: The stage's seed; all randomness derives from it.
        device: Where to train.
        on_batch: Called for every batch made or worked on, so that who runs the phase can tell a
            long epoch from one that hangs. It returns at once.
    """

    data: OpenedData[Any]
    parents: Mapping[str, Artifacts]
    seed: int
    device: torch.device
    on_batch: Callable[[], None] = tell_nobody


Phase = Generator[EpochReport, None, Artifacts]


class Diverged(ValueError):
    """A loss or metric is not finite; the message names it and the epoch."""


@runtime_checkable
class PhaseFunction(Protocol):
    """Start a phase, or go on from the state of an epoch report."""

    def __call__(self, config: Any, inputs: PhaseInputs, resume: State | None = None) -> Phase: ...


@dataclass(frozen=True)
class Workload:
    """What a phase with given settings has to do.

    Attributes:
        steps_per_epoch: Optimizer steps in each epoch.
        evaluations: How often it scores what it has learnt.
        scored: Samples it passes through the network each time it does.
    """

    steps_per_epoch: int
    evaluations: int
    scored: int


@dataclass(frozen=True)
class PhaseSpec:
    """A phase as the platform sees it.

    Attributes:
        config: The settings model, validated wherever settings enter.
        run: The generator function.
        metrics: Given the settings, every metric key its last epoch reports. Earlier epochs report
            the same, except that a proxy may be due less often, and that scores may come to it
            which only some data allow (PCKh, where head sizes are known).
        epochs: Given the settings, how many reports it makes.
        proxy: The reported metric that may stand in for a later objective, if there is one.
        ranked_by: The reported metric that ranks its epochs unless the settings name another one.
        workload: Given the settings and the number of samples in each split, what there is to do;
            raises ValueError if so few samples cannot be trained on. None: what an epoch costs
            does not depend on either.
        follows: Phases whose artifacts it can use when they come earlier in the plan.
        requires: Those of `follows` it cannot do without.
        inherits: Sections of the settings that it takes over from the phases it follows that have
            them, such as the encoder's, so that they are said once and cannot disagree.
        lighter: Given the settings, those to change so that the phase needs less memory and stays
            as close as possible to what it was; None if there is no such change.
        task: What its data must be annotated for; None: it takes any data.
        draw: Given the group `predictions` of its artifacts, a picture of them; None: it leaves no
            predictions.
        show_views: Given the settings and the data, a picture of what augmentation makes of a few
            samples; None: it has no augmentation.
    """

    config: type[Config]
    run: PhaseFunction
    metrics: Callable[[Any], tuple[str, ...]]
    epochs: Callable[[Any], int]
    proxy: str | None = None
    ranked_by: str | None = None
    workload: Callable[[Any, Mapping[str, int]], Workload] | None = None
    follows: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    inherits: tuple[str, ...] = ()
    lighter: Callable[[Any], Mapping[str, Any] | None] = lambda _: None
    task: Task | None = None
    draw: Callable[[Mapping[str, Tensor]], Sheet] | None = None
    show_views: Callable[[Any, OpenedData[Any]], Sheet] | None = None

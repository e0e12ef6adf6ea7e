"""Lifting of 2D joints to 3D, from recorded poses and from evolved ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from hpe.metrics.body_pose import mpjpe, pa_mpjpe
from hpe.models.lifting import Lifter, build_lifter
from hpe.phases.averages import Averages, require_finite
from hpe.phases.distribution import (
    data_parallel,
    rank,
    require_divisible,
    take_first_ranks_buffers,
)
from hpe.phases.lift_batches import LiftedBatch, lift_batches, lifted_batch
from hpe.phases.lift_config import (
    EVALUATION_BATCH,
    LIFT_SCORES,
    LiftConfig,
    lift_steps,
    lifted_poses,
    lifted_splits,
)
from hpe.phases.optimization import ScheduledOptimizer
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, State, tell_nobody
from hpe.phases.randomness import seed_layers
from hpe.phases.recorded_poses import RecordedPoses, of_chosen_people, read_poses
from hpe.phases.state import detached_copy

FIGURE_SAMPLES = 16


@dataclass(frozen=True)
class _Run:
    """What a lifting run holds.

    Attributes:
        parallel: `lifter` or a wrapper of it.
        recorded: Training poses in use.
        anew_mm: Poses that training sees anew.
        steps: Optimizer steps of an epoch.
        scored: Split -> what is scored.
    """

    config: LiftConfig
    inputs: PhaseInputs
    lifter: Lifter
    parallel: nn.Module
    optimizer: ScheduledOptimizer
    recorded: RecordedPoses
    anew_mm: Float[np.ndarray, "poses 17 3"]
    steps: int
    scored: Mapping[str, LiftedBatch]

    def state(self, epoch: int, metrics: Mapping[str, float]) -> State:
        """Return all that the epochs after this one depend on."""
        return detached_copy(
            {
                "epoch": epoch,
                "metrics": dict(metrics),
                "lifter": self.lifter.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
        )

    def restore(self, state: State) -> tuple[int, dict[str, float]]:
        """Go on from `state`; return the epochs it has behind it and the last one's metrics."""
        self.lifter.load_state_dict(state["lifter"])
        self.optimizer.load_state_dict(state["optimizer"])
        return int(state["epoch"]), dict(state["metrics"])


def lift(config: LiftConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Train a network to say 3D joints, relative to the pelvis, of 2D ones.

    The loss is the mean square of standardised coordinates (Martinez et al., 2017).

    Yields:
        A report per epoch with the scores on the validation split, a constant pose's included.

    Returns:
        The groups `lifter` and `predictions` (some validation poses), with the network's settings,
        the number of poses trained on, and the last epoch's metrics.

    Raises:
        ValueError: If there are no poses in space, or not those that are asked for.
        Diverged: If the loss or a metric is not finite.
    """
    run = _start(config, inputs)
    finished, metrics = (0, dict[str, float]()) if resume is None else run.restore(resume)
    for epoch in range(finished + 1, config.epochs + 1):
        seed_layers(seed=inputs.seed, epoch=epoch, rank=rank())
        metrics = _train_epoch(run, epoch)
        for split, batch in run.scored.items():
            scores = _scores(run, batch)
            metrics |= {f"{split}/{name}": value for name, value in scores.items()}
        yield EpochReport(
            epoch=epoch,
            epochs=config.epochs,
            metrics=require_finite(metrics, epoch=epoch),
            state=partial(run.state, epoch, metrics),
            artifacts=partial(_artifacts, run, metrics),
        )
    return _artifacts(run, metrics)


def _start(config: LiftConfig, inputs: PhaseInputs) -> _Run:
    require_divisible(config.batch_size)
    splits = inputs.data.splits
    train = read_poses(splits["train"], on_batch=inputs.on_batch)
    recorded = of_chosen_people(train, config.recorded)
    lifter = build_lifter(config.network, seed=inputs.seed)
    training = lifted_batch(recorded, config.inputs)
    lifter.standardise(training.inputs, training.joints_mm)
    lifter.to(inputs.device)
    steps = lift_steps(config, len(recorded))
    optimizer = ScheduledOptimizer(
        lifter.parameters(),
        config.optimizer,
        effective_batch=config.batch_size,
        steps_per_epoch=steps,
        epochs=config.epochs,
    )
    scored = {
        name: lifted_batch(
            read_poses(splits[name], at_most=lifted_poses(config), on_batch=inputs.on_batch),
            config.inputs,
        )
        for name in lifted_splits(config)
    }
    return _Run(
        config=config,
        inputs=inputs,
        lifter=lifter,
        parallel=data_parallel(lifter),
        optimizer=optimizer,
        recorded=recorded,
        anew_mm=_poses_to_see_anew(inputs, recorded),
        steps=steps,
        scored=scored,
    )


def _poses_to_see_anew(
    inputs: PhaseInputs, recorded: RecordedPoses
) -> Float[np.ndarray, "poses 17 3"]:
    """Return the evolved set if there is one, else the recorded poses."""
    parent = inputs.parents.get("evolve")
    if parent is None:
        return recorded.joints_mm
    evolved_mm: np.ndarray = parent.tensors["evolved"]["joints_mm"].double().numpy()
    return evolved_mm


def _train_epoch(run: _Run, epoch: int) -> dict[str, float]:
    run.lifter.train()
    averages = Averages(epoch)
    batches = lift_batches(
        run.config,
        run.recorded,
        run.anew_mm,
        epoch=epoch,
        steps=run.steps,
        seed=run.inputs.seed,
    )
    for number, batch in enumerate(batches):
        run.inputs.on_batch()
        said = run.parallel(batch.inputs.to(run.inputs.device))
        true = run.lifter.standardised_joints(batch.joints_mm.to(run.inputs.device))
        loss = mse_loss(said, true)
        loss.backward()  # type: ignore[no-untyped-call]
        averages.add({"train/loss": loss})
        run.optimizer.step((epoch - 1) * run.steps + number)
    take_first_ranks_buffers(run.lifter)
    return averages.means()


def _scores(run: _Run, batch: LiftedBatch) -> dict[str, float]:
    """Return `LIFT_SCORES`; the network is left in evaluation mode."""
    true_mm = batch.joints_mm.double()
    predicted_mm = _lifted(run, batch.inputs).double()
    template_mm = run.lifter.output_mean.cpu().double().expand_as(true_mm)
    errors = (
        mpjpe(predicted_mm, true_mm),
        pa_mpjpe(predicted_mm, true_mm),
        mpjpe(template_mm, true_mm),
    )
    return {name: float(error) for name, error in zip(LIFT_SCORES, errors, strict=True)}


def _lifted(run: _Run, inputs: Float[Tensor, "poses 17 2"]) -> Float[Tensor, "poses 17 3"]:
    device, on_batch = run.inputs.device, run.inputs.on_batch
    return lifted_mm(run.lifter, inputs, device=device, on_batch=on_batch)


@torch.no_grad()
def lifted_mm(
    lifter: Lifter,
    inputs: Float[Tensor, "poses 17 2"],
    *,
    device: torch.device,
    on_batch: Callable[[], None] = tell_nobody,
) -> Float[Tensor, "poses 17 3"]:
    """Return joints relative to the pelvis, on the CPU; the network is left in evaluation mode.

    Args:
        lifter: The network, on its device.
        inputs: 2D joints as it is told them.
        device: Where it is.
        on_batch: See `PhaseInputs`.
    """
    lifter.eval()
    parts = []
    for part in torch.split(inputs, EVALUATION_BATCH):
        on_batch()
        parts.append(lifter.lift(part.to(device)).cpu())
    return torch.cat(parts)


def _artifacts(run: _Run, metrics: Mapping[str, float]) -> Artifacts:
    """Return weights, predictions to look at, and what is needed to use them."""
    batch = run.scored["val"]
    count = len(batch.inputs)
    rows = torch.linspace(0, count - 1, min(FIGURE_SAMPLES, count)).round().long()
    return Artifacts(
        tensors=detached_copy(
            {
                "lifter": run.lifter.state_dict(),
                "predictions": {
                    "inputs": batch.inputs[rows],
                    "joints_mm": batch.joints_mm[rows],
                    "predicted_mm": _lifted(run, batch.inputs[rows]),
                },
            }
        ),
        facts={
            "phase": "lift",
            "network": run.config.network.model_dump(mode="json"),
            "inputs": run.config.inputs,
            "recorded": len(run.recorded),
            "seen_anew": len(run.anew_mm),
            "metrics": dict(metrics),
        },
    )

"""A phase whose workers have to meet, and may fail to; processes of their own import it."""

from typing import Literal

from hpe.config import Config
from hpe.data.hands import HandData
from hpe.phases.distribution import mean_over_ranks, rank
from hpe.phases.phase import Artifacts, Diverged, EpochReport, Phase, PhaseInputs, PhaseSpec, State

DIGEST = "d" * 64


class MeetConfig(Config):
    """What the second worker does in its second epoch."""

    epochs: int = 3
    second: Literal["meets", "diverges"] = "meets"


def meet(config: MeetConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Report the mean of what the workers say, which depends on how many they are."""
    start = 0 if resume is None else resume["epoch"]
    for epoch in range(start + 1, config.epochs + 1):
        if rank() == 1 and epoch == 2 and config.second == "diverges":
            raise Diverged("train/loss is nan in epoch 2.")
        yield EpochReport(
            epoch=epoch,
            epochs=config.epochs,
            metrics=mean_over_ranks({"val/error": float(inputs.seed + epoch + rank())}),
            state=lambda epoch=epoch: {"epoch": epoch},
            artifacts=Artifacts,
        )
    return Artifacts()


def metrics_of(epoch: int, *, workers: int, seed: int = 0) -> dict[str, float]:
    """Return what so many workers come to: the mean of seed + epoch + rank."""
    return {"val/error": seed + epoch + (workers - 1) / 2}


def open_nothing(_data: object) -> HandData:
    """Open a data set of no samples."""
    return HandData(name="none", digest=DIGEST, splits={}, card={})


PHASES = {
    "meet": PhaseSpec(
        config=MeetConfig,
        run=meet,
        metrics=lambda _: ("val/error",),
        epochs=lambda config: config.epochs,
    )
}

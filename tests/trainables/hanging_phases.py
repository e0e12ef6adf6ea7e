"""A phase that tells of its batches and hangs once, for tests of the watchdog."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from hpe.config import Config
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, PhaseSpec, State


class HangConfig(Config):
    """Hang in the second epoch, if nobody has left the mark yet."""

    epochs: int = 3
    mark: str


def hang(config: HangConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Report which epoch it is."""
    for epoch in range(1 if resume is None else resume["epoch"] + 1, config.epochs + 1):
        inputs.on_batch()
        if epoch == 2 and not Path(config.mark).exists():
            Path(config.mark).touch()
            time.sleep(3600)
        yield EpochReport(
            epoch=epoch,
            epochs=config.epochs,
            metrics={"val/epoch": float(epoch)},
            state=partial(dict, epoch=epoch),
            artifacts=Artifacts,
        )
    return Artifacts()


PHASES: Mapping[str, PhaseSpec] = {
    "hang": PhaseSpec(
        config=HangConfig,
        run=hang,
        metrics=lambda _: ("val/epoch",),
        epochs=lambda config: int(config.epochs),
    )
}

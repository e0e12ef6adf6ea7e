"""The conductor as a Tune searcher."""

import time
from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from sweep.conductor import FINISHED, Conductor

POLL_S = 0.05


class StudySearcher(Searcher):
    """Gives Tune the conductor's configurations, and tells it of Tune actors that died.

    Results take another road (`sweep.scheduler`), and Tune's snapshots are never restored.

    Args:
        conductor: The study's.
        sleep: How to wait.
        on_tick: Called whenever the conductor was asked: several times a second.
        require_cluster: Called when a Tune actor died; raises if all of the cluster did, which is
            no trial's loss.

    Attributes:
        fault: What it raised. Tune turns it into text in an exception of its own.
    """

    def __init__(
        self,
        conductor: Conductor,
        sleep: Callable[[float], None] = time.sleep,
        on_tick: Callable[[], None] | None = None,
        require_cluster: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._conductor = conductor
        self._sleep = sleep
        self._on_tick = on_tick
        self._require_cluster = require_cluster
        self.fault: Exception | None = None
        self._running: dict[str, tuple[int, int]] = {}  # Tune's trial id -> trial, attempt

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out of Tune's snapshots, which are never restored."""
        return {}

    def set_max_concurrency(self, max_concurrent: int) -> bool:  # noqa: ARG002  Tune's name
        """Keep Tune's limiter out: slots limit how much runs, and paused trials hold none."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return a trial's configuration; None for none now; FINISHED for no more.

        With nothing running Tune would sleep a whole second between two questions, and has no event
        to attend to meanwhile; so this waits itself.
        """
        while True:
            config = self._conductor.next_config()
            if self._on_tick is not None:
                self._on_tick()
            if config == FINISHED:
                return str(Searcher.FINISHED)
            if config is not None:
                self._running[trial_id] = (config["trial"], config["attempt"])
                return config
            if self._running:
                return None
            self._sleep(POLL_S)

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,  # noqa: ARG002  Tune's name
        error: bool = False,
    ) -> None:
        """Forget a Tune trial; if its actor died, the conductor hands the trial out again."""
        number, attempt = self._running.pop(trial_id)
        if error:
            try:
                self._require_cluster()
                self._conductor.on_lost(number, attempt, "its Tune actor, or its slot, was lost.")
            except Exception as fault:
                self.fault = fault
                raise

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the journal is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the journal is the truth."""

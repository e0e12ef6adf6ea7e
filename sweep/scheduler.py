"""The conductor as a Tune scheduler and stopper: the one road by which a trial ends."""

# ruff: noqa: ARG002 - the arguments are Tune's

from typing import Any

from ray.tune import Stopper
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from sweep.conductor import Conductor


class StudyScheduler(TrialScheduler):
    """Passes every report to the conductor and returns its decision.

    Args:
        conductor: The study's.
        num_actors: Actors for trials that Tune is to keep while they have none.

    Attributes:
        fault: The exception that ended the run while reports were taken in. Tune turns it into text
            in an exception of its own.
    """

    _supports_buffered_results = False

    def __init__(self, conductor: Conductor, *, num_actors: int = 1) -> None:
        super().__init__()
        self._conductor = conductor
        self._num_actors = num_actors
        self._has_asked = False
        self.fault: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out of Tune's snapshots, which are never restored."""
        return {}

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Take in what a step returned; CONTINUE is also what lets a waiting worker go on."""
        try:
            stop = self._take_in(trial.config, result)
        except Exception as error:
            self.fault = error
            raise
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def _take_in(self, config: dict[str, Any], result: dict[str, Any]) -> bool:
        number, attempt = config["trial"], config["attempt"]
        stop = self._conductor.on_reports(number, attempt, result["reports"])
        if result["ended"] and not stop:
            self._conductor.on_lost(number, attempt, "it ended without saying how.")
        return stop or bool(result["ended"])

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Leave the choice to Tune, which starts pending trials in order; none is ever paused."""
        return None

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Have Tune keep the actors of all slots, when the first trial comes.

        By itself it keeps one at most: as a trial ends before the next one is there, it would end
        the actors of the other slots and start new ones, at seconds of a core each
        (`benchmarks/overhead.py`). Tune has no setting for it.
        """
        if not self._has_asked:
            cache = tune_controller._tune_controller._actor_cache
            cache.increase_max(trial.placement_group_factory, by=self._num_actors)
            self._has_asked = True

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Do nothing: the searcher hears of it too."""

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Do nothing: the conductor ended the trial."""

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Do nothing: the conductor ended the trial."""

    def debug_string(self) -> str:
        """Return the scheduler's name for Tune's own screen, which is off."""
        return "StudyScheduler"


class InterruptStopper(Stopper):
    """Ends Tune's loop once the session was told to end."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out of Tune's snapshots, which are never restored."""
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no single trial."""
        return False

    def stop_all(self) -> bool:
        """Say whether everything is to stop."""
        return self._conductor.interrupted

"""What an Optuna sampler reads during one question: the trials as they are known just then."""

import copy
from collections.abc import Container, Sequence

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState


class KnownTrials(InMemoryStorage):
    """A storage for one question: trials that are given, and the one that is asked for.

    Optuna's own storages let a trial end once and for ever. Here trials are handed over as they
    stand, so that one that was paused may go on, and nothing that a sampler noted about an earlier
    question remains: what it suggests is a function of what it is given.

    Args:
        known: The trials.
        number: Of the trial that is asked for; None: it follows those given.
    """

    def __init__(self, known: Sequence[FrozenTrial], *, number: int | None = None) -> None:
        super().__init__()
        self._known = list(known)
        self._number = len(self._known) if number is None else number

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Make the trial that is asked for."""
        trial_id = super().create_new_trial(study_id, template_trial)
        super().get_trial(trial_id).number = self._number
        return trial_id

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return the known trials and the one that is asked for."""
        known = [trial for trial in self._known if states is None or trial.state in states]
        asked = super().get_all_trials(study_id, deepcopy=False, states=states)
        trials = [*known, *asked]
        return copy.deepcopy(trials) if deepcopy else trials


def known_id(number: int) -> int:
    """Return the id of a known trial; 0 is that of the one asked for.

    Numbers below zero are those of another study's trials.
    """
    return number if number < 0 else number + 1

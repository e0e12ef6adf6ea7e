"""From what is due to a trial: its parameters, its settings and the stages they come to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hpe.phases.phase import PhaseSpec
from search_spaces.space import Space
from sweep.agenda import Due
from sweep.ledger import Trial
from sweep.placement import distributions_to_json, place
from sweep.points import Point, arm_point, searched_point
from sweep.sampling import SamplerView
from sweep.study import Study
from trainables.assignment import Stage

StagesOf = Callable[[Point, int], tuple[Stage, ...]]
"""Given a point and a trial seed, the stages they come to."""


@dataclass(frozen=True)
class Prepared:
    """What a trial is to run.

    Attributes:
        stages: Empty if the plan refuses what the space suggested; `fault` then says why.
    """

    settings: Mapping[str, Any]
    stages: tuple[Stage, ...]
    fault: str | None = None

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Return what the journal keeps of the stages."""
        return [
            {
                "label": stage.label,
                "key": stage.key,
                "phase": stage.phase,
                "epochs": stage.epochs,
                "config": stage.config,
                "seed": stage.seed,
            }
            for stage in self.stages
        ]


class NewTrials:
    """Prepares the trials of one study."""

    def __init__(
        self,
        study: Study,
        *,
        phases: Mapping[str, PhaseSpec],
        space: Space | None,
        sampler: SamplerView | None,
        stages_of: StagesOf,
    ) -> None:
        self._study, self._phases = study, phases
        self._space, self._sampler = space, sampler
        self._stages_of = stages_of
        self._arms = {name: arm_point(study, name, phases) for name in study.arms}

    def begin(self, due: Due, number: int) -> tuple[dict[str, Any], Prepared]:
        """Return the `trial` record of the next trial, and what it is to run."""
        params, distributions = self._parameters(due, number)
        searched = self._space.settings(params) if due.arm is None and self._space else {}
        prepared = self._prepared(due.arm, due.seed, searched)
        record = {
            "kind": "trial",
            "number": number,
            "arm": due.arm,
            "seed": due.seed,
            "params": params,
            "distributions": distributions,
            "settings": prepared.settings,
            "stages": prepared.entries,
        }
        return record, prepared

    def again(self, trial: Trial) -> Prepared:
        """Return what an unfinished trial is to run, as code, data and libraries are now.

        What a searched point means was settled when it was chosen: the space is not asked again.
        """
        return self._prepared(trial.arm, trial.seed, trial.settings)

    def _parameters(self, due: Due, number: int) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Return the searched parameters of a trial and their distributions."""
        if due.sibling is not None:
            return due.sibling.params, due.sibling.distributions
        if self._space is None or self._sampler is None:
            return {}, {}
        if due.arm is not None:
            params, distributions = place(self._space, self._arms[due.arm].configs)
            return params, distributions_to_json(distributions)
        suggestion = self._sampler.ask(number)
        return suggestion.params, distributions_to_json(suggestion.distributions)

    def _prepared(self, arm: str | None, seed: int, searched: Mapping[str, Any]) -> Prepared:
        if arm is not None:
            point = self._arms[arm]
            return Prepared(point.settings, self._stages_of(point, seed))
        try:
            point = searched_point(self._study, searched, self._phases)
        except ValueError as error:  # one impossible suggestion must not end the study
            fault = f"the space suggested what the plan refuses: {error}"
            return Prepared({**self._study.settings, **searched}, (), fault)
        return Prepared(point.settings, self._stages_of(point, seed))

"""From what is due to a trial: its parameters, its settings and the stages they come to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hpe.phases.phase import PhaseSpec
from search_spaces.space import Space
from sweep.ablation.factors import changes_without, parameters_without
from sweep.ablation.plan import plan_from, plan_record
from sweep.agenda import Due
from sweep.ledger import Ledger
from sweep.placement import distributions_to_json, place
from sweep.points import Point, arm_point, searched_point, shared_settings
from sweep.prefix_choice import PrefixChoice
from sweep.prefixes import Prefix, num_shared
from sweep.sampling import SamplerView
from sweep.study import Study
from sweep.trials import Trial
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


def restaged(trial: Trial, prepared: Prepared) -> list[dict[str, Any]]:
    """Return the records of an unfinished trial that is not any more what it was; else none.

    A stage's key covers code, data and libraries; a trial never mixes two origins.
    """
    if [stage.key for stage in prepared.stages] == [stage.key for stage in trial.stages]:
        return []
    message = (
        f"trial {trial.number} starts again from nothing: code, data or libraries are not what "
        f"they were when it began."
    )
    return [
        {"kind": "note", "message": message},
        {"kind": "restage", "trial": trial.number, "stages": prepared.entries},
    ]


class NewTrials:
    """Prepares the trials of one study.

    Args:
        study: The study.
        phases: The phases by name.
        space: What is searched.
        sampler: What it suggests.
        stages_of: What a point comes to.
        ledger: What happened so far, for the prefixes there are.
        are_finished: Whether the store has these stages.
    """

    def __init__(
        self,
        study: Study,
        *,
        phases: Mapping[str, PhaseSpec],
        space: Space | None,
        sampler: SamplerView | None,
        stages_of: StagesOf,
        ledger: Ledger,
        are_finished: Callable[[Sequence[Stage]], bool],
    ) -> None:
        self._study, self._phases = study, phases
        self._space, self._sampler = space, sampler
        self._stages_of = stages_of
        self._ledger = ledger
        self._arms = {name: arm_point(study, name, phases) for name in study.arms}
        self._reuse: PrefixChoice | None = None
        if space is not None and study.search.reuse > 0:
            self._reuse = PrefixChoice(
                study,
                phases=phases,
                space=space,
                ledger=ledger,
                stages_now=lambda trial: self.again(trial).stages,
                are_finished=are_finished,
            )

    def prepare(self, number: int) -> None:
        """Have the sampler begin to work out the next searched point."""
        if self._sampler is None:
            return
        prefix = None if self._reuse is None else self._reuse.foresee(number)
        self._sampler.prepare(number, **self._given(prefix))

    def begin(self, due: Due, number: int) -> tuple[list[dict[str, Any]], Prepared]:
        """Return the records with which the next trial begins, and what it is to run.

        The last is its `trial` record; a note precedes it if the sampler failed, and what can be
        switched off if it is the first of an ablation.

        A prefix counts as taken over only if its stages are indeed the same: the settings of an
        arm, say, may lie outside the space.
        """
        if self._reuse is not None and due.arm is None and due.sibling is None:
            for prefix in self._reuse.prefixes(number):
                records, prepared = self._begin(due, number, prefix)
                source = [stage.key for stage in self._ledger.told()[prefix.trial].stages]
                steps = num_shared(source, [stage.key for stage in prepared.stages])
                if steps >= prefix.steps:
                    records[-1]["prefix_of"] = {"trial": prefix.trial, "steps": steps}
                    return records, prepared
        return self._begin(due, number, None)

    def _begin(
        self, due: Due, number: int, prefix: Prefix | None
    ) -> tuple[list[dict[str, Any]], Prepared]:
        params, distributions, notes = self._parameters(due, number, prefix)
        searched = self._space.settings(params) if due.arm is None and self._space else {}
        plan, changed = self._ablated(due, searched)
        prepared = self._prepared(due.arm, due.seed, searched, changed)
        is_replicate = due.replicate_of is not None
        shared = None if due.sibling is None or is_replicate else due.sibling.prefix_of
        record = {
            "kind": "trial",
            "number": number,
            "arm": due.arm,
            "seed": due.seed,
            "params": parameters_without(params, changed),
            "distributions": distributions,
            "settings": prepared.settings,
            "stages": prepared.entries,
            "prefix_of": None if shared is None else asdict(shared),
            **({"replicate_of": due.replicate_of} if is_replicate else {}),
            **({} if due.without is None else {"without": list(due.without), "changed": changed}),
        }
        return [*notes, *plan, record], prepared

    def _ablated(
        self, due: Due, searched: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return the record of what is switched off in an ablation that begins, and the settings
        that a variant changes."""
        source = due.sibling
        if due.without is None or source is None:
            return [], {}
        known = self._ledger.ablations.get(source.number)
        record = known or plan_record(
            source,
            lambda changes: self._point(due.arm, {**searched, **changes}),
            lambda point: [stage.key for stage in self._stages_of(point, due.seed)],
        )
        factors = plan_from(record).named(due.without)
        return [] if known else [dict(record)], changes_without(source.stages, factors)

    def again(self, trial: Trial) -> Prepared:
        """Return what an unfinished trial is to run, as code, data and libraries are now.

        What a searched point means was settled when it was chosen: the space is not asked again.
        """
        changes = {**trial.changed, **trial.lighter}
        return self._prepared(trial.arm, trial.seed, trial.settings, changes)

    def lighter(self, trial: Trial, label: str) -> tuple[list[dict[str, Any]], Prepared] | None:
        """Return the records of a trial that is to need less memory in one of its steps.

        And what it is to run then; None where its phase knows no way.
        """
        stage = trial.stage(label)
        spec = self._phases[stage.phase]
        changes = spec.lighter(spec.config.model_validate(stage.config))
        if changes is None:
            return None
        lighter = {f"{label}/{name}": value for name, value in changes.items()}
        changes = {**trial.changed, **lighter}
        prepared = self._prepared(trial.arm, trial.seed, trial.settings, changes)
        shown = ", ".join(f"{path} = {value}" for path, value in lighter.items())
        message = (
            f"trial {trial.number} ran out of memory in {label}: tried once more with {shown}."
        )
        restage = {
            "kind": "restage",
            "trial": trial.number,
            "stages": prepared.entries,
            "settings": prepared.settings,
            "lighter": lighter,
        }
        return [{"kind": "note", "message": message}, restage], prepared

    def _parameters(
        self, due: Due, number: int, prefix: Prefix | None
    ) -> tuple[Mapping[str, Any], Mapping[str, str], list[dict[str, Any]]]:
        """Return the searched parameters of a trial, their distributions, and notes about them."""
        if due.sibling is not None:
            return due.sibling.params, due.sibling.distributions, []
        if self._space is None or self._sampler is None:
            return {}, {}, []
        if due.arm is not None:
            params, distributions = place(self._space, self._arms[due.arm].configs)
            return params, distributions_to_json(distributions), []
        suggestion = self._sampler.ask(number, **self._given(prefix))
        notes = []
        if suggestion.fault is not None:
            message = (
                f"trial {number} is a random point: the sampler {self._study.search.sampler} "
                f"failed ({suggestion.fault})."
            )
            notes.append({"kind": "note", "message": message})
        params = self._space.canonical(suggestion.params)
        return params, distributions_to_json(suggestion.distributions), notes

    def _given(self, prefix: Prefix | None) -> dict[str, Any]:
        """Return what of a question follows from the prefix of a point, None for a fresh one."""
        if self._reuse is None:
            return {}
        fixed = {} if prefix is None else prefix.params
        return {"fixed": fixed, "parts": self._reuse.parts_after(prefix)}

    def _prepared(
        self,
        arm: str | None,
        seed: int,
        searched: Mapping[str, Any],
        changes: Mapping[str, Any],
    ) -> Prepared:
        settings = {**(searched if arm is None else {}), **changes}
        try:
            point = self._point(arm, settings)
        except ValueError as error:  # one impossible suggestion must not end the study
            if arm is not None:
                raise
            fault = f"the space suggested what the plan refuses: {error}"
            return Prepared({**shared_settings(self._study), **settings}, (), fault)
        return Prepared(point.settings, self._stages_of(point, seed))

    def _point(self, arm: str | None, settings: Mapping[str, Any]) -> Point:
        """Return an arm with some settings changed, or the point that these settings make.

        Raises:
            ValueError: If a setting is not possible.
        """
        if arm is not None:
            return self._arms[arm].changed(settings)
        return searched_point(self._study, settings, self._phases)

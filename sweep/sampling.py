"""The sampler's view of a study: what it is told, and what it suggests."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from search_spaces.space import Space
from sweep.grid import grid_point
from sweep.known_trials import KnownTrials
from sweep.ledger import Ledger
from sweep.objectives import targets
from sweep.parts import Part
from sweep.samplers import SAMPLERS, Question, SamplerKind, reach_of
from sweep.study import Study, label_of
from sweep.told_trials import Told, shown, told
from sweep.trials import Trial

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Suggestion:
    """What the sampler proposes for one trial number.

    Attributes:
        fault: What the sampler raised instead, if so; a random point took its suggestion's place.
    """

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    fault: str | None = None


@dataclass(frozen=True)
class _Prepared:
    number: int
    fixed: Mapping[str, Any]
    answer: Future[Suggestion]


class SamplerView:
    """What the sampler knows: one Optuna trial per trial of the study, with equal numbers.

    Trials that are known from another study precede them, with numbers below zero.

    A suggestion is a function of (study seed, trial number, what the view was told), and of nothing
    else: every question is put to a sampler made for it, over a storage made for it. So a restart
    neither repeats nor changes what is suggested, and the order in which trials ended is no matter.
    For the same reason a sampler that raises would raise again at every restart: a random point,
    seeded in the same way, then takes its suggestion's place.

    How a trial is shown to the sampler is said in `sweep.told_trials`.
    """

    def __init__(self, study: Study, space: Space, ledger: Ledger) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study, self._space = study, space
        self._kind = SAMPLERS[study.search.sampler]
        self._reach = reach_of(space)
        self._told: dict[int, Told] = {}
        self._known: dict[int, Told] = {}
        self._places: dict[int, int] = {}
        self._num_points = 0
        self._executor: ThreadPoolExecutor | None = None
        self._prepared: _Prepared | None = None
        self.begin_with(ledger.known)
        for trial in ledger.trials.values():
            self.take_in(trial)

    def ask(
        self,
        number: int,
        fixed: Mapping[str, Any] | None = None,
        parts: Sequence[Part] = (),
    ) -> Suggestion:
        """Return the suggestion for the next trial number.

        Args:
            number: Of the trial to come.
            fixed: Parameters that are settled. They are taken as they are, and which others there
                are follows from them; those are sampled as if the settled ones had been sampled too
                (no sampler of Optuna's draws the rest of a point given a part).
            parts: If given, the sampler is asked for these one after the other, each time with the
                trials the part names and with nothing else in them than such parameters. The last
                part completes the point.
        """
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            if (prepared.number, prepared.fixed) == (number, fixed or {}):
                return prepared.answer.result()
            prepared.answer.cancel()
        inquiry = self._inquiry(number, fixed or {}, parts)
        # Samplers never work on two threads at once: the executor has one.
        if self._executor is None:
            return inquiry.answer()
        return self._executor.submit(inquiry.answer).result()

    def prepare(
        self,
        number: int,
        fixed: Mapping[str, Any] | None = None,
        parts: Sequence[Part] = (),
    ) -> None:
        """Begin to work out the suggestion for the next trial number, on a thread of its own.

        It is what `ask` would return now. What the view is told meanwhile does not reach it: that
        counts for the next one.
        """
        fixed = fixed or {}
        known = self._prepared
        if known is not None and (known.number, known.fixed) == (number, fixed):
            return
        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sampler")
        if known is not None:
            known.answer.cancel()
        inquiry = self._inquiry(number, fixed, parts)
        self._prepared = _Prepared(number, fixed, self._executor.submit(inquiry.answer))

    def close(self) -> None:
        """End the thread, once what it works on is done."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = self._prepared = None

    def take_in(self, trial: Trial) -> None:
        """Take in a trial that began, went on, was paused or ended, as it stands."""
        if trial.number not in self._told:
            self._place(trial)
        self._told[trial.number] = told(trial, self._study.objective)

    def begin_with(self, known: Mapping[int, Trial]) -> None:
        """Take in what is known from another study, before anything is asked."""
        self._known = {n: told(trial, self._study.objective) for n, trial in known.items()}

    @property
    def trials(self) -> list[FrozenTrial]:
        """Return the trials as the sampler sees them."""
        return shown(
            [*self._known.values(), *(self._told[number] for number in range(len(self._told)))],
            kind=self._kind,
            reach=self._reach,
            objective=self._study.objective,
        )

    def _place(self, trial: Trial) -> None:
        """Count searched points: trial seeds of one point share its place, arms have none."""
        assert trial.number == len(self._told), (trial.number, len(self._told))
        if trial.arm is None:
            self._num_points += trial.seed == self._study.seeds.trials[0]
            self._places[trial.number] = max(0, self._num_points - 1)

    def _inquiry(self, number: int, fixed: Mapping[str, Any], parts: Sequence[Part]) -> "_Inquiry":
        """Return what a suggestion follows from, and nothing that changes with the view."""
        assert number == len(self._told), (number, len(self._told))
        if self._study.search.grid:
            fixed = {**grid_point(self._study.search.grid, self._num_points), **fixed}
        everything = Part(
            labels=frozenset(map(label_of, self._reach.parameters)),
            among=frozenset({*self._known, *self._told}),
        )
        trials = self.trials
        return _Inquiry(
            space=self._space,
            kind=self._kind,
            questions=[
                _PartQuestion(
                    part=part or everything,
                    question=self._question(number, place, part),
                    known=trials if part is None else part.of_trials(trials),
                )
                for place, part in enumerate(parts or [None])
            ],
            number=number,
            directions=[target.direction for target in targets(self._study.objective)],
            fixed=fixed,
        )

    def _question(self, number: int, place: int, part: Part | None) -> Question:
        """Return what a sampler is made for that is asked for one part, or for a whole point."""
        seed = self._study.seeds.study
        return Question(
            space=self._space,
            neighbours=self._study.search.neighbours,
            reach=self._reach if part is None else part.of_reach(self._reach),
            places=dict(self._places),
            place=self._num_points,
            study_seed=seed,
            seed=_derived_seed(seed, number, *([place] if place else [])),
        )


@dataclass(frozen=True)
class _PartQuestion:
    part: Part
    question: Question
    known: Sequence[FrozenTrial]


@dataclass(frozen=True)
class _Inquiry:
    """All that one suggestion follows from.

    Attributes:
        questions: Put one after the other; what comes after a part is settled later.
    """

    space: Space
    kind: SamplerKind
    questions: Sequence[_PartQuestion]
    number: int
    directions: Sequence[Direction]
    fixed: Mapping[str, Any]

    def answer(self) -> Suggestion:
        """Return what the sampler suggests or, if it raises, a point at random and why."""
        try:
            return self._in_parts()
        except Exception as error:  # noqa: BLE001  an edge: samplers may raise anything
            sampler = RandomSampler(seed=self.questions[0].question.seed)
            drawn = self._put(sampler, known=[], fixed=self.fixed)
            return replace(drawn, fault=f"{type(error).__name__}: {error}")

    def _in_parts(self) -> Suggestion:
        settled = dict(self.fixed)
        for question in self.questions:
            sampler = self.kind.sampler(question.question)
            suggestion = self._put(sampler, known=question.known, fixed=settled)
            part = {n: value for n, value in suggestion.params.items() if question.part.has(n)}
            settled = {**part, **settled}
        return suggestion

    def _put(
        self, sampler: BaseSampler, *, known: Sequence[FrozenTrial], fixed: Mapping[str, Any]
    ) -> Suggestion:
        """Put one question to a sampler."""
        storage = KnownTrials(known, number=self.number)
        study = optuna.create_study(storage=storage, sampler=sampler, directions=self.directions)
        if fixed:
            study.enqueue_trial(dict(fixed))
        trial = study.ask()
        self.space.suggest(trial)
        return Suggestion(params=dict(trial.params), distributions=dict(trial.distributions))


def _derived_seed(*of: int) -> int:
    return int(np.random.SeedSequence(of).generate_state(1)[0])

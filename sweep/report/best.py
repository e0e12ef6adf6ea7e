"""The best configuration as a study file that trains it alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sweep.naming import trial_name
from sweep.study import Study
from sweep.trials import Trial

LONGEST_NAME = 64


class PlainDumper(yaml.SafeDumper):
    """Writes the same list twice rather than once with an alias, which study files refuse."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class's signature
        """Return True: nothing is ever referred to."""
        return True


def best_study(study: Study, trial: Trial, *, seeds: Sequence[int]) -> Study:
    """Return a study with one arm: this trial's plan and settings, with these trial seeds.

    Within the same runs folder it trains nothing: its stages have the keys of this trial's.
    """
    ending = "-best"
    fields = study.model_dump()
    own_plan = study.arms[trial.arm].plan if trial.arm in study.arms else None
    return Study.model_validate(
        {
            "name": study.name[: LONGEST_NAME - len(ending)] + ending,
            "question": f"How good is {trial_name(trial)} of {study.name}, trained alone?",
            "data": fields["data"],
            "plan": own_plan or fields["plan"],
            "from_weights": fields["from_weights"],
            "arms": {"best": {"settings": dict(trial.settings)}},
            "objective": fields["objective"],
            "seeds": {"study": study.seeds.study, "trials": list(seeds)},
            "slots": fields["slots"],
        }
    )


def write_best(
    study: Study, trial: Trial, path: Path, *, seeds: Sequence[int], command: str
) -> None:
    """Write the best configuration as a study file."""
    content = _without_defaults(best_study(study, trial, seeds=seeds))
    text = yaml.dump(content, Dumper=PlainDumper, sort_keys=False, allow_unicode=True, width=100)
    head = f"# {trial_name(trial)} of {study.name}, as a study. Train it alone:\n#   {command}\n"
    path.write_text(head + text, encoding="utf-8")


def _without_defaults(study: Study) -> Mapping[str, Any]:
    content: dict[str, Any] = study.model_dump(mode="json", exclude_defaults=True)
    return content

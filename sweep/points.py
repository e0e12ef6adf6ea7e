"""What a trial runs: the plan and every setting that an arm or a searched point comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hpe.names import nearest
from hpe.phases.phase import PhaseSpec
from search_spaces.baselines import BASELINES
from sweep.study import Study, label_of
from trainables.plans import Configs, Plan, configure, parse_plan


@dataclass(frozen=True)
class Point:
    """One point of a study, whatever its trial seed.

    Attributes:
        arm: The arm's name, or None for a searched point.
        plan: The phases it runs.
        settings: Every setting given for it (study, baseline, arm, searched), by path.
        configs: The settings of each step of the plan, complete and validated.
    """

    arm: str | None
    plan: Plan
    settings: Mapping[str, Any]
    configs: Configs

    def changed(self, changes: Mapping[str, Any]) -> "Point":
        """Return this point with some settings changed.

        Raises:
            ValueError: If a setting is not possible.
        """
        settings = {**self.settings, **changes}
        return replace(self, settings=settings, configs=configure(self.plan, settings))


def arm_point(study: Study, name: str, phases: Mapping[str, PhaseSpec]) -> Point:
    """Return what an arm of the study runs.

    The arm's own settings win over those of its baseline, and these over what the study says for
    all. An arm with a plan of its own takes from the study the settings of the steps that it has.

    Raises:
        ValueError: If its plan, its baseline or a setting is not possible.
    """
    arm = study.arms[name]
    plan = parse_plan(arm.plan or study.plan, phases)
    labels = {step.label for step in plan}
    shared = shared_settings(study)
    settings = {
        **{path: value for path, value in shared.items() if label_of(path) in labels},
        **_baseline_settings(study, arm.baseline),
        **arm.settings,
    }
    return Point(arm=name, plan=plan, settings=settings, configs=configure(plan, settings))


def searched_point(
    study: Study, searched: Mapping[str, Any], phases: Mapping[str, PhaseSpec]
) -> Point:
    """Return what the settings of a searched point run; `{}` is the study's settings alone.

    Raises:
        ValueError: If the plan or a setting is not possible.
    """
    plan = parse_plan(study.plan, phases)
    settings = {**shared_settings(study), **searched}
    return Point(arm=None, plan=plan, settings=settings, configs=configure(plan, settings))


def shared_settings(study: Study) -> dict[str, Any]:
    """Return what all arms and points start from: the study's settings, its baseline's over them.

    Raises:
        ValueError: If there is no such baseline.
    """
    return {**study.settings, **_baseline_settings(study, study.baseline)}


def _baseline_settings(study: Study, name: str | None) -> Mapping[str, Any]:
    if name is None:
        return {}
    if name not in BASELINES:
        raise ValueError(
            f"baseline: there is no baseline {name!r}{nearest(name, BASELINES)}; "
            f"baselines are {', '.join(BASELINES)}."
        )
    about = BASELINES[name].settings
    full = BASELINES.get(f"{name}_full")
    if not study.as_published or full is None:
        return about
    by_hand = set(study.set_by_hand) - set(about)
    return {path: value for path, value in full.settings.items() if path not in by_hand}

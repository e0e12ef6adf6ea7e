"""From the command line to a job: the study to run, where, and with what it begins."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hpe.data.catalog import data_root
from hpe.names import nearest
from sweep.continuation import refuse_changed
from sweep.folders import RunsDir, StudyDir
from sweep.ledger import Record
from sweep.messages import shown_path
from sweep.options import Options
from sweep.points import Point
from sweep.smoke import smoke_study
from sweep.study import Arm, Final, Study
from sweep.study_check import CheckedStudy, check_study
from sweep.weights import FoundWeights, find_weights, parse_from_weights


@dataclass(frozen=True)
class Job:
    """What one call of the command does.

    Attributes:
        study: The whole study, which its folder, its report and its record are of.
        scope: What is to be run of it now: all, or one arm.
        data_root: Where its data set lies or will lie.
        weights: Plan label -> weights that stand for the plan up to there.
        options: What was typed.
        left_out: Arms of the file that are not run, as the weights make them equal to others.
    """

    study: Study
    scope: CheckedStudy
    runs: RunsDir
    data_root: Path
    weights: dict[str, FoundWeights]
    options: Options
    left_out: Collection[str] = ()

    @property
    def folder(self) -> StudyDir:
        """Return the study's folder."""
        return self.runs.study(self.study.name)

    def refuse_changed(self, records: Sequence[Record]) -> None:
        """Refuse to go on in a journal whose study is another one now; ValueError says why."""
        folder = shown_path(self.folder.root)
        refuse_changed(records, self.study, folder=folder, left_out=self.left_out)

    def with_weights(self, keys: dict[str, str]) -> "Job":
        """Return the job with the given weights named by the stages that they are."""
        change = {"from_weights": keys}
        scope = replace(self.scope, study=self.scope.study.model_copy(update=change))
        return replace(self, study=self.study.model_copy(update=change), scope=scope)


def make_job(study: Study, options: Options, *, tracking_uri: str) -> Job:
    """Return what is to be done; nothing is written.

    Raises:
        ValueError: If the study or an option cannot work.
    """
    whole, scope = _checked(study, options)
    given = whole.study.from_weights
    arms = {**whole.study.arms, **scope.study.arms}
    runs = RunsDir(options.runs_dir)
    return Job(
        study=whole.study.model_copy(update={"arms": arms}),
        scope=scope,
        runs=runs,
        data_root=data_root(scope.data, data_dir=options.data_dir, made_dir=runs.data),
        weights=find_weights(
            given,
            {label: _standing_for(label, scope, whole) for label in given},
            runs=runs,
            tracking_uri=tracking_uri,
        ),
        options=options,
        left_out=study.arms.keys() - arms.keys(),
    )


def check_for_elsewhere(study: Study, options: Options) -> str:
    """Return the name under which a study runs on another machine, where its files may lie.

    Raises:
        ValueError: If the study or an option cannot work on any machine.
    """
    _, scope = _checked(study, options, has_files=False)
    data_root(scope.data, data_dir=options.data_dir, made_dir=RunsDir(options.runs_dir).data)
    return scope.study.name


def _checked(
    study: Study, options: Options, *, has_files: bool = True
) -> tuple[CheckedStudy, CheckedStudy]:
    """Return the whole study, and what is to be run of it now."""
    given = {**study.from_weights, **parse_from_weights(options.from_weights)}
    study = study.model_copy(update={"from_weights": given})
    whole = check_study(study, has_files=has_files)
    scope = whole
    if options.arm is not None:
        scope = check_study(_one_arm(study, options.arm), has_files=has_files)
    if options.smoke:
        whole, scope = (_smoke(checked, has_files=has_files) for checked in (whole, scope))
    return whole, scope


def _smoke(checked: CheckedStudy, *, has_files: bool) -> CheckedStudy:
    """Return the study cut to what shows that it works, with the notices of the whole one."""
    cut = check_study(smoke_study(checked), has_files=has_files)
    return replace(cut, notices=checked.notices)


def _one_arm(study: Study, name: str) -> Study:
    _require_arm(name, list(study.arms))
    arms: dict[str, Arm] = {name: study.arms[name]}
    search = study.search.model_copy(update={"trials": 0})
    return study.model_copy(update={"arms": arms, "search": search, "final": Final()})


def _standing_for(label: str, scope: CheckedStudy, whole: CheckedStudy) -> list[Point]:
    """Return the points whose phase given weights are to stand for.

    Those that are run now, or, if none of them has it, the study's: an arm that begins elsewhere
    may come first, and the study stays the same one.
    """
    for checked in (scope, whole):
        arms = [point for point in checked.arms.values() if label in point.configs]
        if checked.searched_trials > 0:
            return [checked.base, *arms]
        if arms:
            return arms
    return [whole.base]


def _require_arm(name: str, arms: Sequence[str]) -> None:
    if name not in arms:
        raise ValueError(
            f"--arm {name}: the study has no such arm{nearest(name, arms)}; "
            f"arms are {', '.join(arms) or 'none'}."
        )

"""Writing the report: files of a folder, each whole or not there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from hpe.data.opened import OpenedData
from hpe.phases.catalog import PHASES
from hpe.phases.phase import PhaseSpec
from hpe.whole_file import write_text
from sweep.ledger import Ledger, Record
from sweep.report import charts
from sweep.report.ablation import ablation_chart, interactions_chart
from sweep.report.counterparts import control_of, worst_of
from sweep.report.curves import learning_curves
from sweep.report.front import front_chart
from sweep.report.history import Stages, epochs_from
from sweep.report.landscape import landscape_of
from sweep.report.method import method_of
from sweep.report.page import PageInputs, render_page
from sweep.report.parallel import coordinates, parallel_chart
from sweep.report.pictures import (
    augmented_stage,
    augments_alike,
    compositions,
    predictions,
)
from sweep.report.ranking import write_csv, write_leaderboard
from sweep.report.reproduction import clear_reproduction, write_reproduction
from sweep.report.result import StudyResult, result_of
from sweep.report.style import Chart
from sweep.report.verdict import REPLICATE_COLUMNS, replicate_rows, verdict_chart
from sweep.report.weights_file import write_weights
from sweep.study import Study, label_of
from sweep.trials import Trial
from trainables.manifest import CorruptStage

PAGE = "index.html"
LEADERBOARD = "leaderboard.csv"
REPLICATES = "replicates.csv"
WEIGHTS = "best_weights.safetensors"


@dataclass(frozen=True)
class Report:
    """A written report.

    Attributes:
        result: What it tells, for the screen too.
        weights: The best trial's weights, if its last stage is in the store.
    """

    folder: Path
    page: Path
    leaderboard: Path
    best: Path | None
    weights: Path | None
    result: StudyResult


def write_report(
    ledger: Ledger,
    study: Study,
    folder: Path,
    *,
    store: Stages | None = None,
    data: OpenedData[Any] | None = None,
    phases: Mapping[str, PhaseSpec] = PHASES,
    places: Sequence[str] = (),
    records: Sequence[Record] | None = None,
) -> Report:
    """Write all files of the report, replacing an earlier one.

    Args:
        ledger: What happened, finished or not.
        study: The study as resolved.
        folder: Where to write.
        store: For weights, predictions, and the epochs of reused stages; what needs it is left out
            without it.
        data: For the best composition on sample hands; left out without it.
        phases: What the plan's names mean.
        places: Options by which the commands that the page shows find runs and data.
        records: All of the journal, for what replaying the best trial takes; left out without them.

    Returns:
        Where things are, and the result.
    """
    epochs_of = epochs_from(store)
    result = result_of(ledger, study, epochs_of=epochs_of)
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    write_leaderboard(result.rows, folder / LEADERBOARD)
    reproduction = write_reproduction(result, folder, places=places, records=records)
    weights = None
    if result.best is not None:
        weights = _write_weights(result.best, folder / WEIGHTS, store)
    if ledger.replicates:
        write_csv(folder / REPLICATES, REPLICATE_COLUMNS, replicate_rows(ledger))
    missing: list[str] = []
    parallel = coordinates(ledger, study, best=result.best)
    answers = [chart for chart in _answers(result) if chart is not None]
    drawn = [chart for chart in _numbers(ledger, result, store, phases) if chart is not None]
    place = 0 if answers else 1
    if parallel is not None:
        drawn.insert(place, parallel_chart(parallel, ledger))
    drawn[place:place] = _pictures(result, store, data, phases, missing)
    drawn[0:0] = answers
    landscape = landscape_of(ledger, result)
    for chart in chain.from_iterable(each.both() for each in (*drawn, *landscape.charts)):
        (folder / f"{chart.name}.png").write_bytes(chart.png)
        write_csv(folder / f"{chart.name}.csv", chart.columns, chart.rows)
    weights_name = weights.name if weights else None
    inputs = PageInputs(
        drawn,
        landscape,
        parallel,
        method_of(result, ledger, phases),
        missing,
        reproduction,
        weights=weights_name,
    )
    write_text(folder / PAGE, render_page(result, ledger, inputs), durable=False)
    best = None if reproduction is None else reproduction.config
    return Report(folder, folder / PAGE, folder / LEADERBOARD, best, weights, result)


def _answers(result: StudyResult) -> Iterator[Chart | None]:
    """Yield what trainings after the search say."""
    if result.replication is not None and result.verdict is not None:
        yield verdict_chart(result.replication, result.verdict, result.study)
    if result.ablation is not None:
        yield ablation_chart(result.ablation, result.study)
        yield interactions_chart(result.ablation, result.study)


def _numbers(
    ledger: Ledger, result: StudyResult, store: Stages | None, phases: Mapping[str, PhaseSpec]
) -> Iterator[Chart | None]:
    study, epochs_of = result.study, epochs_from(store)
    if result.arms and len(study.seeds.trials) > 1:
        yield charts.arms_compared(result.arms, study, template=result.template)
        yield charts.differences(result.pairs, study.objective)
    yield front_chart(ledger, study)
    yield charts.objective_over_time(ledger, study)
    proxies = {name: spec.proxy for name, spec in phases.items() if spec.proxy is not None}
    last = label_of(study.objective.metric)
    paths = [p for p in charts.proxies_of(ledger, proxies) if label_of(p) != last]
    for path in paths:
        yield charts.proxy_against_objective(
            ledger, study, path=path, epochs_of=epochs_of, best=result.best
        )
    for path in (study.objective.metric, *paths):
        yield learning_curves(
            ledger,
            study,
            path=path,
            epochs_of=epochs_of,
            best=result.best,
            template=result.template if path == study.objective.metric else None,
        )


def _pictures(
    result: StudyResult,
    store: Stages | None,
    data: OpenedData[Any] | None,
    phases: Mapping[str, PhaseSpec],
    missing: list[str],
) -> list[Chart]:
    best = result.best
    if best is None:
        return []
    found: list[Chart | None] = []
    if data is not None:
        worst = worst_of(result, lambda trial: augments_alike(best, trial, phases))
        found.append(compositions(best, worst, data=data, phases=phases))
    elif augmented_stage(best, phases) is not None:
        missing.append("the best composition on sample images, for want of the data set")
    is_stored = store is not None
    try:
        if store is not None:
            control = control_of(result)
            found.append(predictions(best, control, store=store, phases=phases))
    except (FileNotFoundError, CorruptStage):
        is_stored = False
    if not is_stored:
        missing.append("predictions: the best trial's last stage is not in the store, or damaged")
    return [chart for chart in found if chart is not None]


def _write_weights(trial: Trial, path: Path, store: Stages | None) -> Path | None:
    """Write the last stage's weights as one file that `--from-weights` reads."""
    if store is None or not trial.stages:
        return None
    try:
        artifacts = store.artifacts(trial.stages[-1].key)
    except (FileNotFoundError, CorruptStage):
        return None  # not committed, or cleaned from the store or damaged since
    write_weights(artifacts, path)
    return path


def _clear(folder: Path) -> None:
    """Remove an earlier report's files, so that none of them is taken for the new one's."""
    for picture in folder.glob("*.png"):
        table = picture.with_suffix(".csv")
        if table.exists():
            picture.unlink()
            table.unlink()
    for name in (PAGE, WEIGHTS):
        (folder / name).unlink(missing_ok=True)
    clear_reproduction(folder)

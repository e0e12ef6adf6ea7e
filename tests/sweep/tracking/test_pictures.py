"""What MLflow is to show of a phase: pure functions of the ledger."""

from collections import defaultdict

import pytest

from sweep.ledger import Ledger
from sweep.tracking.pictures import MAX_METRIC_KEYS, MAX_WORKERS, phase_picture

CPU, MEMORY = "cpu_utilization_percentage", "memory_usage_megabytes"


@pytest.fixture
def shown(journal_script):
    """Return key -> (step, value) of finetuning, given what changes its epochs' records."""

    def _shown(change):
        script = journal_script()
        script.trial(0)
        for record in script.records:
            if record["kind"] == "epoch":
                change(record)
        trial = Ledger(script.records).trials[0]
        picture = phase_picture(trial, trial.stage("finetune"), reused_s=None, reused_epochs=())
        points = defaultdict(list)
        for point in picture.points:
            points[point.key].append((point.step, point.value))
        return points

    return _shown


def test_what_each_worker_used_is_among_mlflows_system_metrics_by_epoch(shown):
    def use(record):
        epoch = record["epoch"]
        if epoch != 2:  # its report was lost, and filled in from the store
            record["usage"] = [{CPU: 90.0 + epoch, MEMORY: 800.0}, {CPU: 40.0 + epoch}]

    points = shown(use)
    assert points[f"system/worker_0/{CPU}"] == [(1, 91.0), (3, 93.0)]
    assert points[f"system/worker_1/{CPU}"] == [(1, 41.0), (3, 43.0)]
    assert points[f"system/worker_0/{MEMORY}"] == [(1, 800.0), (3, 800.0)]
    assert f"system/worker_1/{MEMORY}" not in points
    assert [step for step, _ in points["val/root_epe_mm"]] == [1, 2, 3]


def test_a_journal_from_before_it_was_measured_shows_no_system_metrics(shown):
    points = shown(lambda record: None)
    assert points.keys() == {"train/loss", "val/root_epe_mm", "val/template_root_epe_mm"}


def test_system_metrics_take_no_place_from_others_and_stay_few(shown):
    def crowd(record):
        terms = {f"val/term_{i}": 1.0 for i in range(40)}
        record["metrics"] = {**record["metrics"], **terms}
        record["usage"] = [{CPU: 50.0}] * 64

    keys = shown(crowd).keys()
    system = {key for key in keys if key.startswith("system/")}
    assert len(keys - system) == MAX_METRIC_KEYS
    assert system == {f"system/worker_{rank}/{CPU}" for rank in range(MAX_WORKERS)}

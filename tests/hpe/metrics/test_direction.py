"""Which way a metric is better."""

import pytest

from hpe.metrics.direction import direction_of
from hpe.phases.catalog import PHASES


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("val/pa_epe_mm", "minimize"),
        ("finetune/val/epe_2d_px", "minimize"),
        ("train/loss_equivariant", "minimize"),
        ("val/error", "minimize"),
        ("test/pa_auc", "maximize"),
        ("val/pck_30", "maximize"),
        ("train/top1", "maximize"),
        ("val/mean_iou", "maximize"),
        ("train/collapse_share", None),
        ("val/iou_loss", None),
        ("loss/value", None),
    ],
)
def test_the_name_says_which_values_are_better_or_nothing_does(metric, direction):
    assert direction_of(metric) == direction


@pytest.mark.parametrize("name", [name for name, spec in PHASES.items() if spec.ranked_by])
def test_a_phase_reports_the_metric_that_ranks_its_epochs_and_its_name_says_which_way(name):
    spec = PHASES[name]
    assert spec.ranked_by in spec.metrics(spec.config())
    assert direction_of(spec.ranked_by) is not None

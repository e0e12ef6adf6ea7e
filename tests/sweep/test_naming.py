"""How results are worded."""

import pytest

from sweep.naming import metric_words


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("finetune/val/root_epe_mm", "val root EPE (mm)"),
        ("finetune/val/pa_epe_mm", "val PA-EPE (mm)"),
        ("body_pose/test/pa_mpjpe_mm", "test PA-MPJPE (mm)"),
        ("paired_2/val/miou_fg_pooled", "val mIoU fg pooled"),
        ("finetune/test/epe_2d_px", "test 2D EPE (px)"),
        ("body_pose/val/pck_150", "val PCK 150"),
    ],
)
def test_metrics_are_written_as_the_field_writes_them(metric, words):
    assert metric_words(metric) == words

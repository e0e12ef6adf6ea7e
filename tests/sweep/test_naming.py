"""How results are worded."""

import pytest

from sweep.naming import metric_words, short_names


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


def test_names_are_as_long_as_it_takes_to_tell_them_apart():
    paths = ["paired/loss/ce_weight/share", "paired/loss/region_weight/share", "paired/loss/region"]
    assert list(short_names(paths).values()) == [
        "ce_weight/share",
        "region_weight/share",
        "region",
    ]


def test_names_have_no_fewer_parts_than_asked_for_and_no_more_than_there_are():
    paths = ["a/flip/enabled", "lr", "b/flip/enabled", "a/loss/weight"]
    assert list(short_names(paths, at_least=2).values()) == [
        "a/flip/enabled",
        "lr",
        "b/flip/enabled",
        "loss/weight",
    ]


def test_a_path_that_ends_another_keeps_its_name():
    assert short_names(["lr", "a/lr"]) == {"lr": "lr", "a/lr": "a/lr"}

"""Which configurations are tried, and how short."""

import pytest

from hpe.phases.catalog import PHASES
from sweep.points import searched_point
from sweep.pricing.samples import LatinHypercube, choose_samples, cut_short, draw_points
from sweep.slot_fit import SlotFit
from sweep.study import Study
from sweep.study_check import check_study

QUICK = {
    "name": "mine",
    "question": "Which?",
    "data": {"name": "rendered_hands"},
    "plan": ["pretrain", "finetune"],
    "space": "composition",
    "objective": {"metric": "finetune/val/root_epe_mm"},
    "search": {"trials": 20},
}


def slots(*, workers=1, gpu=0.0):
    return SlotFit(count=1, workers=workers, cpus_per_worker=1, gpus_per_worker=gpu, threads=1)


def checked(**changes):
    return check_study(Study.model_validate({**QUICK, **changes}))


@pytest.mark.parametrize(
    ("arms", "trials", "points"), [(0, 20, 6), (0, 2, 2), (8, 20, 4), (30, 20, 3), (3, 0, 0)]
)
def test_all_arms_are_tried_and_the_fewer_points_the_more_arms(arms, trials, points):
    named = {f"a{number}": {} for number in range(arms)}
    samples = choose_samples(checked(arms=named, search={"trials": trials}), PHASES)
    assert sum(not sample.is_searched for sample in samples) == arms
    assert sum(sample.is_searched for sample in samples) == points


def test_points_cover_each_range_once_per_stratum_and_are_the_same_every_time():
    study = checked()

    def drawn():
        sampler = LatinHypercube(5, seed=0)
        return draw_points(study, PHASES, space=study.space, count=5, sampler=sampler)

    first, second = drawn(), drawn()
    assert [point.settings for point in first] == [point.settings for point in second]
    weights = sorted(point.settings["pretrain/loss/equivariant_weight"] for point in first)
    assert [int(5 * weight) for weight in weights] == [0, 1, 2, 3, 4]


def test_a_tryout_has_few_epochs_of_few_steps_and_everything_else_as_it_was():
    settings = {
        "pretrain/epochs": 50,
        "pretrain/batch_size": 64,
        "pretrain/probe/every": 10,
        "pretrain/loader_workers": 2,
        "pretrain/accumulate": 16,
        "finetune/epochs": 2,
        "finetune/limit_batches": 1,
    }
    point = searched_point(checked().study, settings, PHASES)
    short = cut_short(point, slots(workers=2, gpu=1.0))
    pretrain = short["pretrain"]
    assert (pretrain.epochs, pretrain.limit_batches, pretrain.probe.every) == (3, 11, 1)
    assert (pretrain.batch_size, pretrain.accumulate, pretrain.loader_workers) == (32, 2, 2)
    assert (short["finetune"].epochs, short["finetune"].limit_batches) == (2, 1)
    assert short["finetune"].image_px == point.configs["finetune"].image_px


def test_a_worker_without_a_gpu_makes_its_batches_itself():
    point = searched_point(checked().study, {"pretrain/loader_workers": 8}, PHASES)
    short = cut_short(point, slots())["pretrain"]
    assert (short.loader_workers, short.limit_batches) == (0, 3)


def test_a_probe_that_never_runs_is_not_tried_either():
    point = searched_point(checked().study, {"pretrain/probe/every": 0}, PHASES)
    assert cut_short(point, slots())["pretrain"].probe.every == 0

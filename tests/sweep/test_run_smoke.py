"""A smoke run is the same study made tiny."""

import pytest

from sweep.smoke import smoke_study
from sweep.study import Study
from sweep.study_check import check_study


def make_study(**changes):
    return Study(
        name="mine",
        question="Which?",
        data=changes.get("data", {"name": "rendered_hands", "train": 1000}),
        plan=["pretrain", "finetune"],
        settings={"pretrain/epochs": 50, "pretrain/image_px": 48, "finetune/label_fraction": 0.1},
        space="composition",
        arms={
            "none": {"plan": ["finetune"], "settings": {"finetune/epochs": 40}},
            "simclr": {"baseline": "simclr"},
        },
        objective={"metric": "finetune/val/root_epe_mm"},
        search={"trials": 40},
        early_stop={"rule": "asha", "proxy": True},
        seeds={"study": 3, "trials": [4, 5, 6]},
    )


@pytest.fixture
def smoke():
    return check_study(smoke_study(check_study(make_study())))


def test_every_phase_of_every_arm_takes_two_steps_on_two_batches(smoke):
    for point in (smoke.base, *smoke.arms.values()):
        for step in point.plan:
            config = point.configs[step.label]
            assert (config.epochs, config.limit_batches, config.batch_size) == (1, 2, 8)
    finetune = smoke.arms["none"].configs["finetune"]
    assert finetune.steps_per_epoch == 2


def test_every_arm_runs_once_and_one_searched_point(smoke):
    assert smoke.study.seeds.trials == [4]
    assert (smoke.arm_trials, smoke.searched_trials) == (2, 1)
    assert smoke.study.early_stop.rule == "none"
    assert smoke.study.max_failed == 0


def test_the_settings_of_the_studys_baseline_are_tiny_too():
    study = make_study().model_copy(update={"baseline": "peclr", "as_published": True})
    smoke = check_study(smoke_study(check_study(study)))
    pretrain = smoke.base.configs["pretrain"]
    assert (pretrain.epochs, pretrain.batch_size, pretrain.accumulate) == (1, 8, 1)
    assert pretrain.encoder.name == "resnet50"


def test_rendered_data_are_few_and_everything_else_stays(smoke):
    assert smoke.data.train == smoke.data.unlabelled == 32
    assert smoke.base.configs["pretrain"].image_px == 48


def test_it_has_a_folder_of_its_own(smoke):
    assert smoke.study.name == "mine-smoke"


def test_rendered_sources_of_a_mixture_are_few_and_others_stay():
    sources = {
        "near": {"data": {"name": "rendered_hands", "image_px": 64}, "weight": 2},
        "photos": {"data": {"name": "freihand", "val_share": 0.2}},
    }
    roles = {"train_on": ["near"], "score_on": ["photos"]}
    study = make_study(data={"name": "mixture", "sources": sources, **roles})
    data = check_study(smoke_study(check_study(study))).data
    near, photos = data.sources["near"], data.sources["photos"]
    assert (near.data.unlabelled, near.data.image_px, near.weight) == (32, 64, 2)
    assert (photos.data.val_share, data.score_on) == (0.2, ("photos",))

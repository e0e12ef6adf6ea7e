"""Data that are too few for a phase are refused before anything starts."""

import numpy as np
import pytest

from hpe.augment import occlusion
from hpe.data.catalog import data_config
from hpe.data.opened import SPLITS, OpenedData
from hpe.phases.catalog import PHASES
from hpe.phases.phase import Workload
from sweep.data_fit import require_training_samples, split_sizes
from sweep.study import Study
from sweep.study_check import check_lengths, check_study
from trainables.plans import default_settings, parse_plan

SIZES = {"unlabelled": 1000, "train": 100, "val": 300, "test": 40}


def check(**changes):
    fields = {
        "name": "mine",
        "question": "Which?",
        "data": {"name": "rendered_hands", **SIZES},
        "plan": ["pretrain", "finetune"],
        "settings": {"pretrain/batch_size": 100},
        "space": "composition",
        "objective": {"metric": "finetune/val/root_epe_mm"},
        "search": {"trials": 2},
    }
    return check_study(Study.model_validate({**fields, **changes}))


def test_sizes_are_known_where_the_settings_say_them():
    assert split_sizes(data_config({"name": "rendered_hands", **SIZES})) == SIZES
    assert split_sizes(data_config({"name": "none"})) == {}
    assert split_sizes(data_config({"name": "freihand"})) == {}


def test_a_mixture_has_what_its_sources_have_where_all_say_it():
    rendered = {"data": {"name": "rendered_hands", **SIZES}}
    roles = {"name": "mixture", "train_on": ["a"], "score_on": ["a", "b"]}
    mixed = data_config({**roles, "sources": {"a": rendered, "b": rendered}})
    twice = {split: 2 * size for split, size in SIZES.items()}
    assert split_sizes(mixed) == {**twice, "train": SIZES["train"]}
    real = {"data": {"name": "freihand"}}
    assert split_sizes(data_config({**roles, "sources": {"a": rendered, "b": real}})) == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"settings": {"pretrain/batch_size": 1001}},
            r"space composition: pretrain: One optimizer step takes batch_size x accumulate = 1001 "
            r"samples, but the unlabelled split has 1000: lower one of the two",
        ),
        (
            {"arms": {"big": {"settings": {"pretrain/accumulate": 11}}}},
            r"arms/big: pretrain: .* = 1100 samples",
        ),
    ],
)
def test_a_step_larger_than_the_split_is_refused_with_both_sizes(changes, message):
    with pytest.raises(ValueError, match=message):
        check(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"^pretrain: .* = 100 samples, but the unlabelled split has 99"),
        (
            {"arms": {"big": {}}, "search": {"trials": 0}, "space": None},
            r"^arms/big: pretrain: .* the unlabelled split has 99",
        ),
    ],
)
def test_a_step_larger_than_what_lies_in_the_folder_is_refused(changes, message):
    study = check(data={"name": "freihand"}, **changes)
    check_lengths(study, {**SIZES, "unlabelled": 100})
    with pytest.raises(ValueError, match=message):
        check_lengths(study, {**SIZES, "unlabelled": 99})


def test_a_step_that_the_data_just_fills_is_fine():
    check(settings={"pretrain/batch_size": 500, "pretrain/accumulate": 2})


def test_what_no_point_runs_is_not_refused():
    arms = {"none": {"plan": ["finetune"]}, "small": {"settings": {"pretrain/batch_size": 8}}}
    settings = {"pretrain/batch_size": 5000}
    check(settings=settings, arms=arms, search={"trials": 0}, space=None)


@pytest.mark.parametrize(
    ("phase", "settings", "workload"),
    [
        # 1000 // 128 steps; probed after epochs 4, 8 and the last; 100 labels, 300 of 500 samples
        ("pretrain", {"epochs": 10, "probe": {"every": 4}}, Workload(7, 3, 400)),
        ("pretrain", {"accumulate": 3, "limit_batches": 1}, Workload(1, 20, 356)),
        ("pretrain", {"probe": {"every": 0}}, Workload(7, 0, 400)),
        # 30 labels in batches of 64; every epoch on 300 samples
        ("finetune", {"label_fraction": 0.3}, Workload(1, 10, 300)),
        ("finetune", {"batch_size": 16, "score_test": True}, Workload(7, 10, 340)),
        ("finetune", {"steps_per_epoch": 50, "limit_batches": 1}, Workload(1, 10, 256)),
    ],
)
def test_the_work_of_a_phase_follows_from_its_settings_and_the_sizes(phase, settings, workload):
    spec = PHASES[phase]
    assert spec.workload(spec.config.model_validate(settings), SIZES) == workload


def alone(phase, metric, **study):
    """Return a study of one arm and one phase."""
    objective = {"metric": f"{phase}/val/{metric}"}
    arms = {"space": None, "search": {"trials": 0}, "arms": {"one": {}}}
    return {**arms, "plan": [phase], "objective": objective, **study}


BODIES = {"data": {"name": "rendered_bodies"}}
RELATIVE = {"pretrain/relative/weight": 1.0, "pretrain/relative/own_views": True}
RELATIVE |= {f"pretrain/relative/{name}": False for name in ("translation", "color", "scale")}
RELATIVE |= {"pretrain/relative/augment/rotate/enabled": True}
OCCLUDED = {
    "pretrain/augment": {},
    "pretrain/relative/augment": {"settings": RELATIVE},
    "finetune/augment": alone("finetune", "root_epe_mm"),
    "encoder_decoder/augment": alone("encoder_decoder", "pa_mpjpe_mm"),
    "body_pose/augment": alone("body_pose", "mpjpe_mm", **BODIES),
}
"""Every section with occluders, and a study that reads it."""


def occluding(section, **occlude):
    """Return the study with these settings of its occluders."""
    study = OCCLUDED[section]
    settings = {f"{section}/occlude/{name}": str(value) for name, value in occlude.items()}
    return {**study, "settings": {**study.get("settings", {}), **settings}}


@pytest.mark.parametrize(("source", "rule"), [("voc", "VOC2012 folder"), ("pictures", "no folder")])
@pytest.mark.parametrize("section", OCCLUDED)
def test_occluders_without_files_are_refused_wherever_they_are_pasted(
    tmp_path, section, source, rule
):
    phase, inner = section.split("/", 1)
    study = occluding(section, source=source, folder=tmp_path / "objects")
    study["settings"] |= {f"{section}/occlude/enabled": True}
    with pytest.raises(ValueError, match=rf"^{phase}: {inner}/occlude: .*objects.*{rule}"):
        check(**study)


def test_every_phase_that_may_occlude_is_among_them():
    paths = [
        path.removesuffix("/occlude/folder")
        for name in PHASES
        for path in default_settings(parse_plan([*PHASES[name].requires, name], PHASES))
        if path.endswith("/occlude/folder")
    ]
    assert set(paths) == set(OCCLUDED)


def test_occluders_that_only_some_points_have_are_refused_before_any_is_tried(tmp_path):
    study = occluding("body_pose/augment", source="voc", folder=tmp_path)
    check(**study)
    study |= {"space": "body_volumetric", "search": {"trials": 1}, "arms": {}}
    message = "^space body_volumetric: body_pose: augment/occlude: .*VOC2012 folder"
    with pytest.raises(ValueError, match=message):
        check(**study)


@pytest.mark.parametrize("enabled", [True, False])
def test_joint_limits_that_cannot_be_read_are_refused(tmp_path, enabled):
    settings = {"evolve/limits/folder": str(tmp_path), "evolve/limits/enabled": enabled}
    study = alone("lift", "mpjpe_mm", **BODIES, settings=settings) | {"plan": ["evolve", "lift"]}
    with pytest.raises(ValueError, match=r"^evolve: limits: there is no file .*jointAngleModel_v2"):
        check(**study)
    np.save(tmp_path / "jointAngleModel_v2.npy", {"angleSprd": np.zeros(3)})
    np.save(tmp_path / "staticPose.npy", {"di": np.zeros((3, 16))})
    with pytest.raises(ValueError, match=r"^evolve: limits: .* must hold EvoSkeleton's"):
        check(**study)


def test_files_that_many_points_name_are_looked_at_once(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(occlusion, "cutout_paths", looked.append)
    study = occluding("body_pose/augment", source="pictures", folder=tmp_path)
    study["settings"] |= {"body_pose/augment/occlude/enabled": True}
    check(**{**study, "arms": {name: {} for name in ("one", "two", "three")}})
    assert looked == [tmp_path]


def test_occluders_that_are_drawn_need_no_files():
    check(settings={"pretrain/augment/occlude/enabled": True})


@pytest.mark.parametrize("name", ["mpii_hands", "youtube_hands", "onehand10k", "coco_hands"])
def test_keypoints_alone_cannot_be_scored_in_millimetres(name):
    message = f"pretrain: scores in millimetres.* and {name} has keypoints alone in train and val"
    with pytest.raises(ValueError, match=message + ".*mixture.*or set pretrain/probe/every to 0"):
        check(data={"name": name})
    with pytest.raises(ValueError, match=f"finetune: scores in millimetres need .* {name}"):
        check(data={"name": name}, settings={"pretrain/probe/every": 0})


PRETRAINING = {
    "plan": ["pretrain"],
    "space": None,
    "search": {"trials": 0},
    "arms": {"simclr": {}},
    "settings": {"pretrain/probe/every": 0},
    "objective": {"metric": "pretrain/train/loss"},
}


def opened(**lengths):
    splits = {name: range(lengths.get(name, 0)) for name in SPLITS}
    return OpenedData(name="freihand", digest="", splits=splits, card={})


@pytest.mark.parametrize("lengths", [{}, {"val": 8, "test": 8}])
def test_a_folder_of_samples_is_not_trained_on(lengths):
    with pytest.raises(ValueError, match=r"nothing in unlabelled and train: .* scored on with swe"):
        require_training_samples(opened(**lengths), data_config({"name": "freihand"}))


@pytest.mark.parametrize(
    ("name", "lengths"),
    [("freihand", {"train": 1}), ("coco_hands", {"unlabelled": 1}), ("none", {})],
)
def test_what_has_something_to_train_on_or_needs_nothing_is_trained_on(name, lengths):
    require_training_samples(opened(**lengths), data_config({"name": name}))


def test_keypoints_alone_can_be_pretrained_on():
    check(data={"name": "youtube_hands"}, **PRETRAINING)


def mixture(**roles):
    sources = {name: {"data": {"name": name}} for name in ("freihand", "youtube_hands")}
    return {"name": "mixture", "sources": sources, **roles}


def test_a_mixture_is_scored_where_it_has_depth():
    check(data=mixture(train_on=["freihand", "youtube_hands"], score_on=["freihand"]))
    with pytest.raises(ValueError, match="mixture has keypoints alone in val: use data"):
        check(data=mixture(train_on=["freihand"], score_on=["youtube_hands"]))


def segmentation(**settings):
    fields = {"data": {"name": "interhand_masks"}, "plan": ["paired", "paired"], "space": None}
    settings = {"paired/loss/adversarial_weight": 0, **settings}
    objective = {"metric": "paired_2/val/miou"}
    return check(
        **fields, settings=settings, objective=objective, search={"trials": 0}, arms={"only": {}}
    )


def test_scores_by_visibility_are_refused_where_masks_do_not_say_what_is_visible():
    message = r"^paired/score_visibility, paired_2/score_visibility: must be false, as interhand_m"
    with pytest.raises(ValueError, match=message):
        segmentation()
    with pytest.raises(ValueError, match=r"^paired_2/score_visibility: must be false"):
        segmentation(**{"paired/score_visibility": False, "paired_2/score_visibility": True})
    segmentation(**{"paired/score_visibility": False, "paired_2/score_visibility": False})

"""What a study comes to, and what is refused before anything starts."""

from dataclasses import replace

import pytest

from hpe.phases.catalog import PHASES
from sweep.study import Study
from sweep.study_check import check_study

FIXED = {"pretrain/epochs": 4, "finetune/epochs": 3}


def make_study(**changes):
    fields = {
        "name": "mine",
        "question": "Which?",
        "data": {"name": "rendered_hands"},
        "plan": ["pretrain", "finetune"],
        "settings": FIXED,
        "space": "composition",
        "arms": {
            "none": {"plan": ["finetune"]},
            "simclr": {"baseline": "simclr", "settings": {"pretrain/epochs": 5}},
        },
        "objective": {"metric": "finetune/val/root_epe_mm"},
        "search": {"trials": 2},
    }
    return Study.model_validate({**fields, **changes})


def refusal(**changes):
    with pytest.raises(ValueError) as refused:
        check_study(make_study(**changes))
    return str(refused.value)


def test_an_arm_has_the_studys_settings_its_baselines_and_its_own():
    arms = check_study(make_study()).arms
    simclr = arms["simclr"].settings
    assert simclr["finetune/epochs"] == 3
    assert simclr["pretrain/loss/equivariant_weight"] == 0.0
    assert simclr["pretrain/epochs"] == 5
    assert arms["none"].settings == {"finetune/epochs": 3}
    assert [step.label for step in arms["none"].plan] == ["finetune"]


def test_all_start_from_the_studys_baseline_and_arms_have_their_own_over_it():
    study = make_study(
        baseline="peclr",
        space=None,
        search={"trials": 0},
        settings={**FIXED, "pretrain/loss/temperature": 0.1},
        arms={"peclr": {}, "simclr": {"baseline": "simclr"}, "none": {"plan": ["finetune"]}},
    )
    arms = check_study(study).arms
    assert arms["peclr"].settings["pretrain/epochs"] == 4
    assert arms["peclr"].settings["pretrain/loss/temperature"] == 0.5  # published
    assert arms["peclr"].settings["pretrain/loss/equivariant_weight"] == 1.0
    assert arms["simclr"].settings["pretrain/loss/equivariant_weight"] == 0.0
    assert arms["none"].settings == {"finetune/epochs": 3}


def test_as_published_takes_baselines_with_how_they_were_trained():
    study = make_study(as_published=True, arms={"peclr": {"baseline": "peclr"}})
    pretrain = check_study(study).arms["peclr"].configs["pretrain"]
    assert (pretrain.encoder.name, pretrain.epochs, pretrain.accumulate) == ("resnet50", 100, 16)


def test_what_is_set_by_hand_wins_over_how_a_baseline_was_trained_not_over_what_it_is_about():
    by_hand = {"pretrain/batch_size": 64, "pretrain/loss/temperature": 0.1}
    study = make_study(
        as_published=True,
        space=None,
        search={"trials": 0},
        settings={**FIXED, **by_hand},
        set_by_hand=list(by_hand),
        arms={"peclr": {"baseline": "peclr"}},
    )
    pretrain = check_study(study).arms["peclr"].configs["pretrain"]
    assert pretrain.batch_size == 64
    assert pretrain.epochs == 100
    assert pretrain.loss.temperature == 0.5


def test_what_is_searched_is_known_with_what_only_some_points_have():
    checked = check_study(make_study())
    assert "pretrain/augment/rotate/enabled" in checked.searched
    assert "pretrain/augment/rotate/max_deg" in checked.conditional
    assert "pretrain/augment/rotate/enabled" not in checked.conditional


def test_trials_are_counted_with_their_seeds():
    checked = check_study(make_study(seeds={"trials": [0, 1, 2]}))
    assert (checked.arm_trials, checked.searched_trials) == (6, 6)


def test_without_trials_nothing_is_searched():
    checked = check_study(make_study(search={"trials": 0}))
    assert checked.searched == {}
    assert checked.searched_trials == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"name": "freehand"}}, "data/name: there is no data set 'freehand'; did you m"),
        ({"data": {"name": "rendered_hands", "trian": 1}}, "data/trian: rendered_hands has no suc"),
        ({"data": {"name": "rendered_hands", "train": 0}}, "data/train: input should be greater"),
        ({"plan": ["pretrian", "finetune"]}, "plan: there is no phase 'pretrian'; did you mean"),
        (
            {"settings": {"pretrain/epoch": 3}},
            "pretrain/epoch: no phase of the plan has this setting; nearest are pretrain/epochs",
        ),
        ({"settings": {"pretrain/epochs": 0}}, "pretrain/epochs: input should be greater than or"),
        (
            {"settings": {"pretrain/loss/temperature": 0.2}},
            "settings: pretrain/loss/temperature would have no effect, because the space "
            "composition searches it; leave it out, give it to an arm, or search another space.",
        ),
        (
            {"space": "ordered_composition", "settings": {"pretrain/augment/blur/order": 1.0}},
            "settings: pretrain/augment/blur/order would have no effect, because the space",
        ),
        (
            {
                "space": "balanced_pretraining",
                "settings": {"pretrain/optimizer/sqrt_scaling": True},
            },
            "settings: pretrain/optimizer/sqrt_scaling would have no effect, because the space",
        ),
        ({"space": "compositon"}, "space: there is no search space 'compositon'; did you mean"),
        (
            {"space": None},
            "search/trials is 2 but the study has no space to search; name one (",
        ),
        (
            {"search": {"trials": 0}, "arms": {}},
            "search/trials is 0 and there are no arms: nothing to run; set one.",
        ),
        (
            {"plan": ["finetune"], "settings": {}, "arms": {}},
            "space composition: pretrain/",
        ),
        (
            {"baseline": "simcrl"},
            "baseline: there is no baseline 'simcrl'; did you mean 'simclr'",
        ),
        (
            {"arms": {"a": {"baseline": "simcrl"}}},
            "arms/a: baseline: there is no baseline 'simcrl'; did you mean 'simclr'",
        ),
        ({"arms": {"a": {"plan": ["fine"]}}}, "arms/a: plan: there is no phase 'fine'; did you"),
        (
            {"arms": {"a": {"settings": {"finetune/epoch": 3}}}},
            "arms/a: finetune/epoch: no phase of the plan has this setting; nearest are finetune/e",
        ),
        (
            {"arms": {"a": {"plan": ["finetune"], "baseline": "simclr"}}},
            "arms/a: pretrain/",
        ),
        (
            {"objective": {"metric": "finetune/val/root_epe"}},
            "objective/metric: finetune/val/root_epe is not what the last phase of the plan "
            "reports; did you mean 'finetune/val/root_epe_mm'",
        ),
        (
            {"objective": {"metric": "pretrain/val/probe_root_epe_mm"}},
            "objective/metric: pretrain/val/probe_root_epe_mm is not what the last phase",
        ),
        (
            {"arms": {"a": {"plan": ["pretrain"]}}, "settings": {}},
            "arms/a: finetune/val/root_epe_mm is not what the last phase of the plan reports",
        ),
        (
            {
                "objective": {"metric": "finetune/test/root_epe_mm"},
                "settings": {**FIXED, "finetune/score_test": True},
            },
            "objective/metric: a search would choose its points by the test split",
        ),
        (
            {"early_stop": {"rule": "asha", "rungs": [0.6, 0.3]}},
            "early_stop/rungs: must rise, each once, got [0.6, 0.3].",
        ),
        (
            {
                "early_stop": {"rule": "asha", "proxy": True},
                "settings": {**FIXED, "pretrain/probe/every": 0},
            },
            "early_stop/proxy: no phase before the last one reports a proxy",
        ),
        ({"seeds": {"trials": [1, 1]}}, "seeds/trials: each seed once, got [1, 1]."),
        (
            {"sizes": {"small": {"settings": {"pretrain/epoch": 3}}}},
            "sizes/small/settings: pretrain/epoch: no phase of the plan has this setting; nearest",
        ),
        (
            {"from_weights": {"pretrian": "x"}},
            "from_weights: 'pretrian' is no phase that another one follows; did you mean 'pretra",
        ),
        (
            {"from_weights": {"finetune": "x"}},
            "from_weights: 'finetune' is no phase that another one follows",
        ),
    ],
)
def test_what_cannot_work_is_refused(changes, message):
    assert refusal(**changes).startswith(message)


def test_the_test_split_may_be_the_objective_where_nothing_is_chosen_by_it():
    checked = check_study(
        make_study(
            objective={"metric": "finetune/test/root_epe_mm"},
            settings={**FIXED, "finetune/score_test": True},
            search={"trials": 0},
        )
    )
    assert checked.study.objective.metric == "finetune/test/root_epe_mm"


def test_given_weights_leave_the_rest_of_the_plan_to_search():
    checked = check_study(make_study(from_weights={"pretrain": "x"}))
    assert list(checked.searched) == ["finetune/loss/depth_weight"]
    assert checked.space is not None
    assert checked.space.plan == ("finetune",)


def test_arms_that_given_weights_make_equal_are_left_out_with_a_notice():
    checked = check_study(make_study(from_weights={"pretrain": "x"}))
    assert list(checked.arms) == list(checked.study.arms) == ["none"]
    assert checked.notices == (
        "left out, because the given weights replace the phase in which they differ: simclr.",
    )


def test_the_first_arm_is_meant_where_each_has_its_own_pretraining_and_nothing_is_searched():
    arms = {name: {"baseline": name} for name in ("simclr", "peclr")}
    arms |= {"none": {"plan": ["finetune"]}, "again": {"baseline": "simclr"}}
    weights = {"from_weights": {"pretrain": "x"}, "arms": arms, "search": {"trials": 0}}
    checked = check_study(make_study(**weights))
    assert list(checked.arms) == ["simclr", "none", "again"]
    searching = check_study(make_study(**{**weights, "search": {"trials": 2}}))
    assert list(searching.arms) == ["none"]


def test_an_arm_alone_is_meant_even_where_weights_replace_its_pretraining():
    arms = {"simclr": {"baseline": "simclr"}}
    checked = check_study(
        make_study(from_weights={"pretrain": "x"}, arms=arms, search={"trials": 0})
    )
    assert list(checked.arms) == ["simclr"]


def test_a_phase_is_refused_on_data_annotated_for_something_else():
    segmentation = replace(PHASES["finetune"], task="hand_segmentation")
    with pytest.raises(ValueError) as refused:
        check_study(make_study(), {**PHASES, "finetune": segmentation})
    assert "data/name: finetune is trained on data for hand_segmentation" in str(refused.value)
    assert "'rendered_hands', which is for hand_pose" in str(refused.value)

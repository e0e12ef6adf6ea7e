"""From parameters to what is trained: what means the same is trained once."""

import pytest

from hpe.phases.catalog import PHASES
from search_spaces.space import SPACES
from sweep.placement import place
from sweep.points import arm_point, searched_point
from sweep.study import Study
from trainables.keys import Execution
from trainables.plans import make_stages

SPACE = SPACES["ordered_composition"]
OPERATIONS = (
    "rotate",
    "zoom",
    "translate",
    "replace_background",
    "sobel",
    "cut_out",
    "blur",
    "color_jitter",
    "hsv_jitter",
    "noise",
    "color_drop",
)


@pytest.fixture
def study():
    return Study.model_validate(
        {
            "name": "mine",
            "question": "Which?",
            "data": {"name": "rendered_hands"},
            "plan": ["pretrain", "finetune"],
            "space": "ordered_composition",
            "arms": {
                "by_hand": {
                    "settings": {
                        "pretrain/augment/rotate/enabled": True,
                        "pretrain/augment/rotate/max_deg": 45.0,
                        "pretrain/augment/cut_out/enabled": True,
                        "pretrain/augment/cut_out/max_share": 0.2,
                        "pretrain/augment/blur/enabled": True,
                        "pretrain/augment/blur/max_sigma": 1.0,
                        "pretrain/augment/noise/max_std": 7.0,  # which is off
                        "pretrain/loss/temperature": 0.5,
                        "pretrain/loss/equivariant_weight": 0.5,
                    }
                }
            },
            "objective": {"metric": "finetune/val/root_epe_mm"},
            "search": {"trials": 2},
        }
    )


def params(*, cut_out, blur):
    on = {"rotate", "cut_out", "blur"}
    return {
        **{f"pretrain/augment/{name}/enabled": name in on for name in OPERATIONS},
        "pretrain/augment/rotate/max_deg": 45.0,
        "pretrain/augment/cut_out/max_share": 0.2,
        "pretrain/augment/cut_out/order/key": cut_out,
        "pretrain/augment/blur/max_sigma": 1.0,
        "pretrain/augment/blur/order/key": blur,
        "pretrain/loss/temperature": 0.5,
        "pretrain/loss/equivariant_weight": 0.5,
        "finetune/loss/depth_weight": 5.0,
    }


def keys(point):
    stages = make_stages(
        point.plan, point.configs, data={"digest": "0"}, seed=0, execution=Execution()
    )
    return [stage.key for stage in stages]


def searched_keys(study, **order):
    return keys(searched_point(study, SPACE.settings(params(**order)), PHASES))


def test_suggestions_that_mean_the_same_have_the_same_stages(study):
    assert searched_keys(study, cut_out=0.1, blur=0.9) == searched_keys(
        study, cut_out=0.41, blur=0.42
    )


def test_another_order_is_another_stage(study):
    first = searched_keys(study, cut_out=0.1, blur=0.9)
    second = searched_keys(study, cut_out=0.9, blur=0.1)
    assert not set(first) & set(second)


def test_an_arm_that_means_the_same_as_a_suggestion_has_its_stages(study):
    arm = arm_point(study, "by_hand", PHASES)
    assert arm.configs["pretrain"].augment.blur.order == 3.0  # as S0 has it, not a rank
    assert keys(arm) == searched_keys(study, cut_out=0.1, blur=0.9)


def test_an_arm_lies_at_the_canonical_parameters(study):
    found, _ = place(SPACE, arm_point(study, "by_hand", PHASES).configs)
    assert found == params(cut_out=0.25, blur=0.75)
    assert SPACE.canonical(found) == found


def test_what_the_space_sets_wins_over_the_study(study):
    fixed = study.model_copy(update={"settings": {"pretrain/epochs": 7}})
    point = searched_point(fixed, {"pretrain/epochs": 3}, PHASES)
    assert point.configs["pretrain"].epochs == 3

"""What an ablation is asked for with, what it may train, and where it is told of."""

import os

import pytest

from sweep.ablation.forecast import forecast
from sweep.report.spending import spending_of
from sweep.smoke import smoke_study
from sweep.study import Ablation, Study
from sweep.study_check import check_study
from sweep.study_file import load_study
from sweep.tracking.pictures import trial_picture
from tests.sweep.engine_fakes import Play, make_study


def checked(**changes):
    content = {
        "name": "mine",
        "question": "What is each part worth?",
        "data": {"name": "rendered_hands"},
        "plan": ["pretrain", "finetune"],
        "space": "equivariant",
        "arms": {"simclr": {"baseline": "simclr"}},
        "objective": {"metric": "finetune/val/root_epe_mm"},
        "search": {"trials": 10},
        "ablation": {"seeds": 5, "interactions": 3},
        **changes,
    }
    return check_study(Study.model_validate(content))


def test_it_counts_every_part_that_any_point_or_arm_has():
    found = forecast(checked())
    # ten operations, PeCLR's term, SimCLR's of the arm, colour jitter of the arm, and depth
    assert found.parts >= 10 + 3
    assert (found.pairs, found.trainings) == (3, (1 + found.parts + 3) * 5)
    fewer = forecast(checked(arms={}))
    assert fewer.parts < found.parts


def test_parts_of_steps_before_given_weights_are_none():
    study = load_study("segmentation_gan").model_copy(update={"ablation": Ablation(seeds=1)})
    parts = [
        forecast(check_study(study.model_copy(update={"from_weights": given}))).parts
        for given in ({}, {"generator": "x"}, {"pseudo_labels": "x"})
    ]
    assert parts[0] > parts[1] >= parts[2] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": None, "search": {}}, "ablation/seeds: the winner of a search .* has no space"),
        ({"ablation": {"seeds": 2, "interactions": 1}}, "ablation/interactions: pairs are made of"),
        ({"ablation": {"interactions": 3}}, "ablation/interactions: .* got 3 and 0 seeds"),
    ],
)
def test_what_has_no_meaning_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        checked(**changes)


def test_a_smoke_run_leaves_out_every_part_once_and_one_pair():
    assert smoke_study(checked()).ablation.model_dump() == {"seeds": 1, "interactions": 2}
    assert smoke_study(checked(ablation={})).ablation.seeds == 0


def test_mlflow_and_the_cost_ledger_tell_it_from_the_verdict(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)
    study = make_study(
        plan=["compose", "weigh"],
        space="parts",
        arms={"all": {"settings": {"weigh/loss/far_weight": 9.0}}},
        objective={"metric": "weigh/val/error"},
        search={"sampler": "random", "trials": 1},
        final={"top_k": 1, "seeds": 1},
        ablation={"seeds": 1},
    )
    ledger = Play(study, tmp_path).run()
    pictures = [trial_picture(t, ledger, many_seeds=False) for t in ledger.replicates.values()]
    kinds = [(picture.tags["kind"], picture.tags.get("without")) for picture in pictures]
    assert kinds[:3] == [("replicate", None)] * 2 + [("ablation", "nothing")]
    assert ("ablation", "weigh/loss/far_weight") in kinds
    assert {"replicates", "ablation"} <= set(spending_of(ledger).by_phase["weigh"])

"""Scores of predicted hands against the finetuning phase's own, and by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hpe.data.folder import FolderSplit
from hpe.evaluation.hand_pose_scores import (
    box_sides_px,
    by_finger,
    by_joint,
    by_sequence,
    joint_errors_of,
    pck_curves,
    scores_of,
    two_hand_scores,
)
from hpe.evaluation.pose_model import load_pose_model
from hpe.evaluation.scored_hands import Looking, ScoredHands, Sides, score_split, sides_of
from hpe.metrics.template import fit_template
from hpe.phases.evaluation import score_poses
from hpe.phases.labelled import Crops, predicted_rows
from hpe.phases.phase import Artifacts
from tests.hpe.evaluation.untrained import IMAGE_PX, pose_artifacts, pose_model

SHARED_SCORES = ("epe_2d_px", "root_epe_mm", "pa_epe_mm", "pa_auc", "epe_mm", "auc")


def made_hands(count: int = 4, *, shift_m: float = 0.0) -> ScoredHands:
    """Hands predicted perfectly, but for every joint but the wrist moved by `shift_m` in x."""
    generator = torch.Generator().manual_seed(0)
    true_m = 0.05 * torch.randn(count, 21, 3, generator=generator, dtype=torch.float64)
    true_m[..., 2] += 0.6
    predicted_m = true_m.clone()
    predicted_m[:, 1:, 0] += shift_m
    true_px = torch.zeros(count, 21, 2, dtype=torch.float64)
    true_px[:, :, 0] = torch.linspace(10, 60, 21, dtype=torch.float64)  # a box of 50 x 0 px
    return ScoredHands(
        predicted_px=true_px + torch.tensor([3.0, 4.0]),
        true_px=true_px,
        px_per_source_px=torch.full((count,), 2.0, dtype=torch.float64),
        relative_m=predicted_m,
        absolute_m=predicted_m,
        denoised_m=torch.full_like(predicted_m, torch.nan),
        true_m=true_m,
        valid=torch.ones(count, 21, dtype=torch.bool),
        has_depth=torch.ones(count, dtype=torch.bool),
        unique_id=torch.arange(count),
        limited=torch.zeros(count, dtype=torch.bool),
        sequences=("a", "b", "b", None)[:count],
    )


def values(hands: ScoredHands) -> dict[str, float]:
    return {score.name: score.value for score in scores_of(joint_errors_of(hands))}


@pytest.mark.parametrize("head", [{}, {"root": "palm_middle", "denoiser": True}])
def test_scores_are_those_that_finetuning_reports(rendered, head):
    split, model = rendered.splits["val"], pose_model(**head)
    rows = predicted_rows(Crops(split, range(6), image_px=IMAGE_PX), model.network)
    expected = score_poses(
        rows.pop("output"),
        rows,
        image_px=IMAGE_PX,
        template=fit_template(rows["joints_m"]),
        root=model.root,
    )
    found = values(score_split(model, split, range(6), looking=Looking()))
    assert {name: found[name] for name in SHARED_SCORES} == pytest.approx(
        {name: expected[name] for name in SHARED_SCORES}
    )
    if head:
        assert found["denoised_epe_mm"] == pytest.approx(found["epe_mm"], rel=1e-3)


def test_finding_the_box_never_looks_at_the_true_keypoints(rendered):
    class Blinded:
        """Samples whose keypoints are somewhere else."""

        def __len__(self):
            return 2

        def __getitem__(self, index):
            sample = rendered.splits["val"][index]
            return replace(sample, keypoints_px=sample.keypoints_px + 500)

    model, looking = pose_model(), Looking(finds_box=True)
    seen = score_split(model, rendered.splits["val"], range(2), looking=looking)
    blinded = score_split(model, Blinded(), range(2), looking=looking)
    assert torch.equal(seen.predicted_px, blinded.predicted_px)


def test_errors_of_known_size_come_out():
    found = values(made_hands(shift_m=0.021))
    assert found["epe_2d_source_px"] == pytest.approx(5.0)
    assert found["epe_2d_px"] == pytest.approx(10.0)
    assert found["epe_2d_box_share"] == found["median_epe_2d_box_share"] == pytest.approx(0.1)
    assert found["root_epe_mm"] == found["epe_mm"] == pytest.approx(20.0)
    assert found["median_epe_mm"] == pytest.approx(21.0)
    assert found["pa_epe_mm"] < 10
    assert "denoised_epe_mm" not in found


def test_a_mirrored_hand_is_wrong_but_right_by_the_official_alignment():
    hands = made_hands()
    mirrored = hands.true_m * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    found = values(replace(hands, relative_m=mirrored, absolute_m=mirrored))
    assert found["pa_epe_mm"] > 1
    assert found["pa_epe_official_freihand_mm"] == pytest.approx(0.0, abs=1e-4)


def test_zeros_score_what_freihands_readme_says_of_them_by_its_formulas():
    hands = made_hands()
    zeros = torch.zeros_like(hands.true_m)
    found = values(replace(hands, relative_m=zeros, absolute_m=zeros))
    distance = hands.true_m.square().sum(-1).sqrt()
    spread = (hands.true_m - hands.true_m.mean(1, keepdim=True)).square().sum(-1).sqrt()
    assert found["epe_mm"] == pytest.approx(1000 * float(distance.mean()))
    assert found["pa_epe_official_freihand_mm"] == pytest.approx(1000 * float(spread.mean()))


def test_hands_without_depth_count_for_keypoints_alone():
    hands = made_hands(shift_m=0.021)
    flat = replace(hands, has_depth=torch.tensor([True, True, True, False]))
    counts = {score.name: score.count for score in scores_of(joint_errors_of(flat))}
    assert counts["epe_2d_px"] == 4
    assert counts["epe_mm"] == 3
    none = replace(hands, has_depth=torch.zeros(4, dtype=torch.bool))
    assert set(values(none)) == {
        "epe_2d_px",
        "epe_2d_source_px",
        "epe_2d_box_share",
        "median_epe_2d_px",
        "median_epe_2d_box_share",
        "pck_2d_fifth_of_box",
    }


def test_the_hand_box_is_that_of_annotated_keypoints():
    hands = made_hands()
    true_px = hands.true_px.clone()
    true_px[0, 5, 1] = 100.0  # taller than wide
    true_px[1, 6] = -500.0  # but not annotated
    valid = hands.valid.clone()
    valid[1, 6] = False
    assert box_sides_px(true_px, valid).tolist() == [100.0, 50.0, 50.0, 50.0]


def test_keypoints_within_a_fifth_of_the_box_are_right():
    hands = made_hands()
    off_px = torch.zeros(4, 21, 2, dtype=torch.float64)
    off_px[:, 5, 0] = 9.99
    off_px[:, 6, 1] = 10.01
    off_px[1, 7, 0] = -20.0
    found = values(replace(hands, predicted_px=hands.true_px + off_px))
    assert found["pck_2d_fifth_of_box"] == pytest.approx(1 - 5 / 84)
    unannotated = hands.valid.clone()
    unannotated[:, 6] = False
    found = values(replace(hands, predicted_px=hands.true_px + off_px, valid=unannotated))
    assert found["pck_2d_fifth_of_box"] == pytest.approx(1 - 1 / 80)


def test_parts_are_told_apart():
    hands = made_hands()
    moved = hands.true_m.clone()
    moved[0, [5, 6, 7, 8], 1] += 0.010
    kinds = joint_errors_of(replace(hands, absolute_m=moved))
    assert by_joint(kinds)["index_tip"]["epe_mm"] == pytest.approx(2.5)
    assert by_finger(kinds)["index"]["epe_mm"] == pytest.approx(2.5)
    assert by_finger(kinds)["thumb"]["epe_mm"] == pytest.approx(0.0)
    recordings = by_sequence(kinds, hands.sequences)
    assert list(recordings) == ["a", "b"]
    assert recordings["a"]["epe_mm"] == pytest.approx(40 / 21)
    assert recordings["b"]["epe_mm"] == pytest.approx(0.0)


def test_curves_are_shares_at_the_official_thresholds():
    curves = pck_curves(joint_errors_of(made_hands(shift_m=0.021)))
    assert len(curves.thresholds_mm) == 100
    assert curves.thresholds_mm[-1] == pytest.approx(50.0)
    shares = dict(zip(curves.thresholds_mm, curves.shares["epe_mm"], strict=True))
    assert min(shares.values()) == pytest.approx(1 / 21)  # the wrists are where they should be
    assert max(threshold for threshold, share in shares.items() if share < 1) < 21


def test_two_hands_of_a_picture_make_a_pair():
    hands = made_hands()
    moved = hands.absolute_m.clone()
    moved[1, 0, 0] += 0.007  # a left hand, so it lies 7 mm farther left
    moved[0, 0, 0] += 0.003
    sides = Sides(
        is_right=np.array([True, False, True, False]),
        picture=np.array([0, 0, 1, 2]),
        interacting=np.array([True, True, False, False]),
    )
    scores = {s.name: s for s in two_hand_scores(replace(hands, absolute_m=moved), sides)}
    assert scores["mrrpe_epe_mm"].value == pytest.approx(10.0)
    assert scores["mrrpe_epe_mm"].count == 1
    assert scores["mpjpe_epe_all_mm"].count == 4
    assert scores["mpjpe_epe_single_mm"].count == 2


def test_only_data_sets_that_know_two_hands_have_sides(rendered):
    assert sides_of(rendered.splits["val"], range(2)) is None
    assert not isinstance(rendered.splits["val"], FolderSplit)


def test_no_samples_are_refused(rendered):
    with pytest.raises(ValueError, match="at least one sample"):
        score_split(pose_model(), rendered.splits["val"], [], looking=Looking())


def test_a_pretrained_encoder_alone_is_refused():
    whole = pose_artifacts()
    encoder = Artifacts(tensors={"encoder": whole.tensors["encoder"]}, facts=whole.facts)
    with pytest.raises(ValueError, match=r"head is not there\. Give a finetuning stage"):
        load_pose_model(encoder, torch.device("cpu"))

"""Scores of a segmenter that says one part everywhere, against loops over the true masks."""

import numpy as np
import pytest
import torch

from hpe.evaluation import mask_model
from hpe.evaluation.mask_model import load_mask_model
from hpe.evaluation.scored_masks import score_masks
from hpe.evaluation.split_scores import Asked
from hpe.phases.phase import Artifacts
from tests.hpe.evaluation.one_part import LEFT_CLASS, RIGHT_CLASS, one_layer, one_part_artifacts
from tests.hpe.phases.scene_fakes import FakeMaskedSplit

SPLIT = FakeMaskedSplit(first=3, count=3)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small_network(monkeypatch):
    monkeypatch.setattr(mask_model, "build_segmenter", one_layer)


def asked(count=3, **more):
    return Asked(num_samples=count, device=CPU, **more)


def share_of(samples, part, hands, where):
    """IoU of a prediction of `part` everywhere with the truth, among some pixels."""
    both = union = 0
    for sample in samples:
        for hand in hands:
            chosen = where(sample, hand)
            both += int((sample.masks[hand][chosen] == part).sum())
            union += int(chosen.sum())
    return both, union


def test_parts_are_scored_over_both_hands_and_by_visibility():
    scored = score_masks(one_part_artifacts(), SPLIT, asked())
    samples = [SPLIT[number] for number in range(3)]
    everywhere = {
        "iou": lambda sample, hand: np.ones_like(sample.masks[hand], dtype=bool),
        "iou_visible": lambda sample, hand: (sample.masks[hand] == 0) | sample.visible[hand],
        "iou_occluded": lambda sample, hand: (sample.masks[hand] > 0) & ~sample.visible[hand],
    }
    for name, where in everywhere.items():
        predicted_for = {LEFT_CLASS: 0, RIGHT_CLASS: 1}
        for part, hand in predicted_for.items():
            both, union = share_of(samples, part, [hand], where)
            missed, _ = share_of(samples, part, [1 - hand], where)
            expected = both / (union + missed)
            assert scored.tables["parts"][str(part)][name] == pytest.approx(expected)
    ious = [row["iou"] for row in scored.tables["parts"].values()]
    by_name = {score.name: score for score in scored.scores}
    assert list(by_name) == ["miou", "miou_fg_pooled", "miou_visible", "miou_occluded"]
    assert by_name["miou_fg_pooled"].value == pytest.approx(np.mean(ious))
    assert by_name["miou"].count == 3


def test_s3s_mean_is_that_of_the_two_hands_of_each_image():
    scored = score_masks(one_part_artifacts(), SPLIT, asked())
    values = []
    for number in range(3):
        for mask, said in zip(SPLIT[number].masks, (LEFT_CLASS, RIGHT_CLASS), strict=True):
            large = [part for part in range(1, 17) if (mask == part).sum() >= 20]
            values.append(np.mean([(mask == said).mean() if p == said else 0 for p in large]))
    assert scored.scores[0].value == pytest.approx(np.mean(values))
    halves = [scored.tables["hands"][name]["miou"] for name in ("left", "right")]
    assert np.mean(halves) == pytest.approx(np.mean(values))


def test_masks_of_unknown_visibility_have_no_such_scores():
    scored = score_masks(one_part_artifacts(), FakeMaskedSplit(3, 2, has_visible=False), asked(2))
    assert [score.name for score in scored.scores] == ["miou", "miou_fg_pooled"]
    assert list(scored.tables["parts"]["1"]) == ["iou"]


def test_the_first_generator_is_scored_too():
    first = one_part_artifacts(section="network", phase="generator")
    expected = score_masks(one_part_artifacts(), SPLIT, asked())
    assert score_masks(first, SPLIT, asked()).scores == expected.scores


def test_what_cannot_be_scored_is_refused():
    artifacts = one_part_artifacts()
    with pytest.raises(ValueError, match="this split has images alone"):
        score_masks(artifacts, FakeMaskedSplit(0, 1, has_masks=False), asked(1))
    with pytest.raises(ValueError, match="leave --rotations and --mirrored out"):
        score_masks(artifacts, SPLIT, asked(rotations=2))
    with pytest.raises(ValueError, match="Give a stage of generator"):
        load_mask_model(Artifacts(facts=artifacts.facts), CPU)
    broken = Artifacts(tensors={"segmenter": {"x": torch.zeros(1)}}, facts=artifacts.facts)
    with pytest.raises(ValueError, match="the weights are not those of resnet18"):
        load_mask_model(broken, CPU)

"""The palm's centre in the wrist's place, and back."""

import pytest
import torch

from hpe.geometry.palm import root_valid, with_root, with_wrist

HANDS = torch.randn(3, 21, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("root", "knuckle"), [("palm", 5), ("palm_middle", 9)])
def test_the_palm_is_the_middle_between_wrist_and_knuckle(root, knuckle):
    joints = with_root(HANDS, root)
    assert torch.equal(joints[:, 0], (HANDS[:, 0] + HANDS[:, knuckle]) / 2)
    assert torch.equal(joints[:, 1:], HANDS[:, 1:])


@pytest.mark.parametrize("root", ["wrist", "palm", "palm_middle"])
def test_the_wrist_comes_back(root):
    torch.testing.assert_close(with_wrist(with_root(HANDS, root), root), HANDS)


def test_a_palm_is_annotated_where_both_its_ends_are():
    visible = torch.ones(3, 21, dtype=torch.bool)
    visible[1, 0] = visible[2, 5] = False
    assert root_valid(visible, "palm")[:, 0].tolist() == [True, False, False]
    assert root_valid(visible, "palm_middle")[:, 0].tolist() == [True, False, True]
    assert torch.equal(root_valid(visible, "wrist"), visible)
    assert torch.equal(root_valid(visible, "palm")[:, 1:], visible[:, 1:])

"""Masks and bodies in one photograph, against splits that know the same box."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hpe.augment.body_views import BodyViewConfig, build_body_view
from hpe.evaluation.body_model import load_body_model
from hpe.evaluation.boxes import Box
from hpe.evaluation.mask_model import MaskModel
from hpe.evaluation.scored_bodies import predicted_rows
from hpe.evaluation.single_body import centered_rectangle, predict_body
from hpe.evaluation.single_hand import Camera
from hpe.evaluation.single_masks import predict_masks
from hpe.evaluation.split_scores import Asked
from hpe.phases.body_rows import joints_mm_of
from hpe.phases.precision import Numerics
from tests.hpe.evaluation.untrained_bodies import HEIGHT_PX, WIDTH_PX, body_artifacts
from tests.hpe.phases.body_fakes import FakeBodies

CPU = torch.device("cpu")


class BrightLeft(nn.Module):
    """Says class 2 of the left hand where the picture is bright, the background elsewhere."""

    def forward(self, images):
        logits = torch.zeros(len(images), 34, *images.shape[2:])
        logits[:, 2] = images[:, 0] - 0.5
        logits[:, 17] = 1.0
        return logits


@pytest.fixture
def bright():
    return MaskModel(BrightLeft(), Numerics(CPU, "fp32", channels_last=False), image_px=32)


def test_masks_lie_where_they_are_in_the_photograph(bright):
    image = np.zeros((90, 120, 3), dtype=np.uint8)
    image[24:48, 60:90] = 255
    left, right = predict_masks(bright, image, Box(0.0, 0.0, 120.0, 90.0))
    assert left.shape == (90, 120)
    assert not right.any()
    inside = left[27:45, 63:87]
    assert (inside == 2).all()
    left[21:51, 57:93] = 0
    assert not left.any()


def test_nothing_is_said_outside_of_a_box(bright):
    image = np.full((90, 120, 3), 255, dtype=np.uint8)
    left, _ = predict_masks(bright, image, Box(10.0, 20.0, 40.0, 40.0))
    expected = np.zeros((90, 120), dtype=np.uint8)
    expected[20:60, 10:50] = 2
    assert (left == expected).all()


def test_a_box_alone_gives_what_a_labelled_sample_gives():
    model = load_body_model(body_artifacts(), CPU)
    split = FakeBodies(first=4, count=1)
    sample = split[0]
    camera = Camera(sample.intrinsics, assumed=False)
    body = predict_body(model, sample.image, Box(*sample.box_px.tolist()), camera)
    rows = predicted_rows(model, split, Asked(num_samples=1, device=CPU))
    size = {"width_px": WIDTH_PX, "height_px": HEIGHT_PX}
    joints_mm = joints_mm_of(rows["output"].double(), rows, **size)[0].numpy()
    np.testing.assert_allclose(body.joints_mm, joints_mm, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("size_px", [(96, 128), (64, 96), (128, 128), (128, 96)])
def test_who_knows_the_truth_says_it_in_patches_of_any_aspect(size_px, monkeypatch):
    width_px, height_px = size_px
    sample = FakeBodies(first=4, count=1)[0]
    make_view = build_body_view(BodyViewConfig(), width_px=width_px, height_px=height_px, seed=0)
    view = make_view(sample, np.random.default_rng(0))
    points = np.concatenate([view.keypoints_px / size_px - 0.5, view.depth[:, None]], axis=1)
    model = load_body_model(body_artifacts(), CPU)
    knowing = replace(model, width_px=width_px, height_px=height_px)
    monkeypatch.setattr(model.network, "forward", lambda _images: torch.from_numpy(points)[None])
    camera = Camera(sample.intrinsics, assumed=False)
    body = predict_body(knowing, sample.image, Box(*sample.box_px.tolist()), camera)
    np.testing.assert_allclose(body.depth_mm, sample.depth_mm, atol=1e-6)
    np.testing.assert_allclose(body.joints_mm, sample.joints_mm(), rtol=1e-9, atol=1e-6)


def test_a_box_of_another_aspect_grows_about_its_middle_to_3_by_4_then_to_the_patch():
    model = load_body_model(body_artifacts(), CPU)
    image = np.zeros((90, 80, 3), dtype=np.uint8)
    camera = Camera(np.diag([100.0, 100.0, 1.0]), assumed=True)
    body = predict_body(model, image, Box(30.0, 10.0, 20.0, 60.0), camera)
    assert (body.box.x, body.box.y) == (17.5, 6.25)
    assert (body.box.width, body.box.height) == (45, 67.5)
    assert body.joints_mm[0, 2] - body.depth_mm[0] == pytest.approx(100 * 1485 / 45)


@pytest.mark.parametrize(
    ("size", "expected"), [((400, 900), (300, 0, 300, 400)), ((800, 300), (0, 200, 300, 400))]
)
def test_the_rectangle_in_the_middle_is_as_large_as_fits(size, expected):
    box = centered_rectangle(height_px=size[0], width_px=size[1])
    assert (box.x, box.y, box.width, box.height) == pytest.approx(expected)

"""One hand by an encoder-decoder: what a labelled sample's scores see, and crops that move."""

import numpy as np
import pytest
import torch

from hpe.augment.crop import reference_square
from hpe.augment.geometric import robust_poses
from hpe.evaluation.axis_model import load_axis_model
from hpe.evaluation.boxes import HandCrop, crop_of_keypoints, is_near
from hpe.evaluation.single_axes import predict_hand_by_axes
from hpe.evaluation.single_hand import Camera
from hpe.geometry.camera import project
from hpe.phases.axis_scores import crops_in_pose, predicted_hands
from tests.hpe.evaluation.test_course_submission import SIDE_PX, artifacts


def model(**target):
    return load_axis_model(artifacts(**target), torch.device("cpu"))


def crop_of(sample):
    (x, y), half_side_px = reference_square(sample, "hand")
    return HandCrop((float(x), float(y)), half_side_px)


@pytest.mark.parametrize(("rotations", "mirrored"), [(1, False), (3, True)])
def test_a_crop_alone_gives_what_a_labelled_sample_gives(rendered, rotations, mirrored):
    split, net = rendered.splits["val"], model()
    sample = split[1]
    ways = {"rotations": rotations, "mirrored": mirrored}
    camera = Camera(sample.intrinsics, assumed=False)
    found = predict_hand_by_axes(
        net, sample.image, crop_of(sample), camera, refinements=0, **ways
    ).hand
    views = [
        predicted_hands(
            crops_in_pose(split, [1], image_px=SIDE_PX, frame="hand", pose=pose),
            net.points,
            net.space,
        )["hands_m"][0]
        for pose in robust_poses(**ways)
    ]
    expected = torch.stack(views).mean(dim=0).numpy()
    np.testing.assert_allclose(found.joints, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.keypoints_px, project(found.joints, sample.intrinsics))
    assert found.unit == "m"


def test_the_next_crop_is_around_the_hand_that_was_seen(rendered):
    sample, net = rendered.splits["val"][0], model()
    camera, first = Camera(sample.intrinsics, assumed=False), crop_of(sample)
    once = predict_hand_by_axes(net, sample.image, first, camera, refinements=0).hand
    around = crop_of_keypoints(once.keypoints_px, root="wrist")
    again = predict_hand_by_axes(net, sample.image, first, camera, refinements=1).hand
    assert again.limited is not is_near(around, first)
    assert again.crop == (first if again.limited else around)
    large = HandCrop(around.center_px, 1.5 * around.half_side_px)
    seen = predict_hand_by_axes(net, sample.image, large, camera, refinements=0).hand
    moved = predict_hand_by_axes(net, sample.image, large, camera, refinements=1).hand
    wanted = crop_of_keypoints(seen.keypoints_px, root="wrist")
    assert moved.crop == (wanted if is_near(wanted, large) else large)


def test_lengths_of_a_bone_become_metres_where_it_is_known(rendered):
    sample, net = rendered.splits["val"][0], model(unit="bone")
    camera = Camera(sample.intrinsics, assumed=False)
    looks = {"crop": crop_of(sample), "camera": camera, "refinements": 0}
    bones, metres = (
        predict_hand_by_axes(net, sample.image, bone_m=length, **looks) for length in (None, 0.03)
    )
    assert (bones.hand.unit, metres.hand.unit) == ("bone", "m")
    np.testing.assert_allclose(0.03 * bones.hand.joints, metres.hand.joints)
    assert bones.hand.as_json()["scale_bone"] == ["index_mcp", "index_pip"]
    means = (bones.mass * (np.arange(bones.mass.shape[-1]) + 0.5)).sum(-1) / bones.mass.shape[-1]
    np.testing.assert_allclose(means, bones.shares, rtol=1e-5)


def test_crops_and_millimetres_are_refused_where_they_mean_nothing(rendered):
    sample = rendered.splits["val"][0]
    camera, crop = Camera(sample.intrinsics, assumed=False), crop_of(sample)
    with pytest.raises(ValueError, match="takes no crop"):
        predict_hand_by_axes(model(frame="picture"), sample.image, crop, camera)
    with pytest.raises(ValueError, match="looks at a crop of the hand"):
        predict_hand_by_axes(model(), sample.image, None, camera)
    with pytest.raises(ValueError, match="millimetres by itself"):
        predict_hand_by_axes(model(), sample.image, crop, camera, bone_m=0.03)

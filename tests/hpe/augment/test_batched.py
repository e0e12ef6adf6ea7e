import dataclasses

import numpy as np
import pytest
import torch

from hpe.augment.backgrounds import Backgrounds
from hpe.augment.batched import SourceBatch, require_batchable, view_batch
from hpe.augment.composition import CompositionConfig
from hpe.geometry.camera import project
from hpe.phases.randomness import view_rng
from hpe.phases.views import training_composition

GEOMETRY = {
    "flip": {"enabled": True},
    "rotate": {"enabled": True, "max_deg": 180.0},
    "zoom": {"enabled": True, "max_factor": 1.6},
    "translate": {"enabled": True, "max_share": 0.1},
}
EXACT = ("sobel", "cut_out", "blur", "color_jitter", "hsv_jitter", "channel_gain", "color_drop")


def smooth_image(height, width, seed=0):
    """Return a picture without detail finer than a few pixels."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 9, 9)).astype(np.float32))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return fine[0].permute(1, 2, 0).clamp(0, 255).to(torch.uint8).numpy()


@pytest.fixture
def make_hands(make_sample):
    def make(count, *, height=140, width=160, focal_px=260.0, masked=False):
        hands = []
        for seed in range(count):
            image = smooth_image(height, width, seed)
            rows, columns = np.indices((height, width))
            mask = (rows % 50 < 40) & (columns % 60 < 45) if masked else None
            sample = make_sample(image=image, height=height, width=width, focal_px=focal_px)
            hands.append(dataclasses.replace(sample, foreground=mask))
        return hands

    return make


def batch_of(hands):
    masks = [hand.foreground for hand in hands]
    return SourceBatch(
        images=torch.from_numpy(np.stack([hand.image for hand in hands])),
        keypoints_px=np.stack([hand.keypoints_px for hand in hands]),
        intrinsics=np.stack([hand.intrinsics for hand in hands]),
        visible=np.stack([hand.visible for hand in hands]),
        foreground=None if masks[0] is None else torch.from_numpy(np.stack(masks)),
    )


def both(composition, hands):
    """Return the views made one by one and together, from equal generators."""
    rngs = [[view_rng((3, k), seed=7, view=1) for k in range(len(hands))] for _ in range(2)]
    alone = [composition(hand, rng) for hand, rng in zip(hands, rngs[0], strict=True)]
    return alone, view_batch(composition, batch_of(hands), rngs[1])


@pytest.mark.parametrize("operation", [None, "noise", "color_jitter", "cut_out"])
def test_the_same_generators_give_the_same_geometry_to_the_last_bit(make_hands, compose, operation):
    colour = {} if operation is None else {operation: {"enabled": True}}
    alone, batch = both(compose(GEOMETRY | colour), make_hands(6))
    for name in ("keypoints_px", "affine", "angle_deg", "zoom", "shift", "hsv_change"):
        np.testing.assert_array_equal([getattr(view, name) for view in alone], getattr(batch, name))
    np.testing.assert_allclose([view.intrinsics for view in alone], batch.intrinsics, rtol=1e-12)


def test_the_views_intrinsics_project_the_unturned_joints(make_hands, compose):
    hands = make_hands(4)
    _, batch = both(compose(GEOMETRY), hands)
    for row, hand in enumerate(hands):
        projected = project(hand.joints_m, batch.intrinsics[row])
        np.testing.assert_allclose(projected, batch.keypoints_px[row], atol=1e-9)


@pytest.mark.parametrize(
    ("focal_px", "image_px", "height"),
    [(130.0, 96, 140), (260.0, 64, 140), (900.0, 48, 420), (1800.0, 33, 840)],
    ids=["enlarging", "shrinking", "shrinking much", "halving first"],
)
def test_pixels_are_those_made_alone(make_hands, compose, focal_px, image_px, height):
    hands = make_hands(6, height=height, width=height + 20, focal_px=focal_px)
    alone, batch = both(compose(GEOMETRY, image_px=image_px), hands)
    difference = np.abs(np.stack([view.image for view in alone]).astype(int) - batch.images.numpy())
    assert difference.mean() < 0.6
    assert np.quantile(difference, 0.999) <= 4


def test_a_dot_lands_on_its_keypoint(make_hands, compose):
    (hand,) = make_hands(1, height=420, width=440, focal_px=800.0)
    joint = np.linalg.norm(hand.keypoints_px - hand.keypoints_px.mean(axis=0), axis=1).argmin()
    rows, columns = np.mgrid[:420, :440] + 0.5
    distance = np.square(np.stack([columns, rows], -1) - hand.keypoints_px[joint]).sum(axis=-1)
    dot = np.repeat(255 * np.exp(-distance / 200)[:, :, None], 3, axis=2).astype(np.uint8)
    hands = [dataclasses.replace(hand, image=dot)] * 8
    _, batch = both(compose(GEOMETRY), hands)
    weights = batch.images[..., 0].double().numpy()
    rows, columns = np.mgrid[:64, :64] + 0.5
    total = weights.sum(axis=(1, 2))
    centers = np.stack([(weights * axis).sum(axis=(1, 2)) / total for axis in (columns, rows)], 1)
    np.testing.assert_allclose(centers, batch.keypoints_px[:, joint], atol=0.2)


@pytest.mark.parametrize("operation", EXACT)
def test_colours_are_those_made_alone(make_hands, compose, operation):
    share = {"max_share": 0.6} if operation == "cut_out" else {}
    settings = {operation: {"enabled": True, "prob": 0.7, **share}}
    alone, batch = both(compose(settings), make_hands(12))
    views = np.stack([view.image for view in alone]).astype(int)
    difference = np.abs(views - batch.images.numpy())
    plain = both(compose(), make_hands(12))[1].images.numpy()
    changed = np.abs(views - plain).mean(axis=(1, 2, 3))
    assert 4 <= (changed > 0.5).sum() <= 11
    # Hues are whole steps of 2 degrees in 8 bits.
    most, mean = (14, 2.5) if operation in ("hsv_jitter", "color_jitter") else (4, 1.2)
    assert difference.mean() < mean
    assert np.quantile(difference, 0.99) <= most


def test_a_replaced_background_is_that_of_a_view_made_alone(make_hands, compose):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 80, 90, 3), dtype=np.uint8)
    settings = GEOMETRY | {"replace_background": {"enabled": True, "prob": 0.6}}
    composition = compose(settings, backgrounds=Backgrounds(pictures))
    alone, batch = both(composition, make_hands(8, masked=True))
    difference = np.abs(np.stack([view.image for view in alone]).astype(int) - batch.images.numpy())
    assert difference.mean() < 0.8
    assert np.quantile(difference, 0.99) <= 4


def test_a_sample_without_a_mask_keeps_its_background(make_hands, compose):
    bank = Backgrounds(np.zeros((1, 80, 80, 3), np.uint8))
    composition = compose({"replace_background": {"enabled": True}}, backgrounds=bank)
    hands = make_hands(2, masked=True)
    sources = dataclasses.replace(batch_of(hands), has_foreground=np.array([True, False]))
    views = view_batch(composition, sources, [np.random.default_rng(k) for k in (0, 1)])
    plain = view_batch(compose(), batch_of(hands), [np.random.default_rng(k) for k in (0, 1)])
    assert not torch.equal(views.images[0], plain.images[0])
    assert torch.equal(views.images[1], plain.images[1])


def test_noise_has_the_same_statistics(make_hands, compose):
    settings = {"noise": {"enabled": True, "prob": 1.0}}
    composition, plain = compose(settings), compose()
    hands = make_hands(1) * 60
    hands = [dataclasses.replace(h, image=np.full_like(h.image, 128)) for h in hands]
    alone, batch = both(composition, hands)
    flat = both(plain, hands[:1])[1].images[0].numpy().astype(float)
    by_one = np.array([(view.image - flat).std() for view in alone])
    together = (batch.images.numpy() - flat).std(axis=(1, 2, 3))
    np.testing.assert_allclose(by_one, together, atol=0.6)  # the deviations are the same draws
    assert len({image.numpy().tobytes() for image in batch.images}) == 60


@pytest.mark.slow
def test_a_whole_composition_has_the_same_statistics(make_hands):
    """After its noise a view's draws are others, so that only distributions can agree."""
    settings = GEOMETRY | {
        name: {"enabled": True, "prob": 0.5, "order": float(order)}
        for order, name in enumerate(("noise", *EXACT))
    }
    config = CompositionConfig.model_validate(settings)
    composition = training_composition(config, image_px=48, seed=0)
    alone, batch = both(composition, make_hands(8) * 60)
    one_by_one = np.stack([view.image for view in alone]).astype(float)
    together = batch.images.numpy().astype(float)
    for statistic in (np.mean, np.std):
        first, second = (statistic(views, axis=(1, 2, 3)) for views in (one_by_one, together))
        spread = np.hypot(first.std(), second.std()) / np.sqrt(480)
        assert abs(first.mean() - second.mean()) < 3.5 * spread
        levels = np.linspace(0.1, 0.9, 5)
        assert np.abs(np.quantile(first, levels) - np.quantile(second, levels)).max() < 12
    np.testing.assert_array_equal([view.affine for view in alone], batch.affine)
    changed = (batch.hsv_change != (1, 1, 1, 0)).any(axis=1)
    assert changed.mean() == pytest.approx(0.5, abs=0.08)
    factors = np.quantile(batch.hsv_change[changed, 2], (0, 0.5, 1))
    np.testing.assert_allclose(factors, (0.5, 0.75, 1.0), atol=0.06)


def test_a_view_does_not_depend_on_the_others_of_its_batch(make_hands, compose):
    settings = GEOMETRY | {name: {"enabled": True} for name in (*EXACT, "noise")}
    composition, hands = compose(settings), make_hands(5)
    together = view_batch(
        composition, batch_of(hands), [np.random.default_rng(k) for k in range(5)]
    )
    alone = view_batch(composition, batch_of(hands[3:4]), [np.random.default_rng(3)])
    difference = (together.images[3].int() - alone.images[0].int()).abs()
    assert difference.max() <= 1  # sums in another order


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"occlude": {"enabled": True}}, "occlude"), ({"control": "rand_augment"}, "control")],
)
def test_what_only_the_processor_makes_is_refused(settings, name):
    config = CompositionConfig.model_validate(settings)
    composition = training_composition(config, image_px=48, seed=0)
    with pytest.raises(ValueError, match=f"without {name}; switch that off, or augment on the cpu"):
        require_batchable(composition)


@pytest.mark.gpu
def test_a_cuda_device_makes_the_views_of_the_processor(make_hands, compose):
    settings = GEOMETRY | {name: {"enabled": True} for name in EXACT}
    composition, sources = compose(settings), batch_of(make_hands(6))
    there = dataclasses.replace(sources, images=sources.images.cuda())
    views = [
        view_batch(composition, batch, [np.random.default_rng(k) for k in range(6)])
        for batch in (sources, there)
    ]
    assert views[1].images.is_cuda
    difference = (views[0].images.int() - views[1].images.cpu().int()).abs().float()
    assert difference.mean() < 0.1
    np.testing.assert_array_equal(views[0].affine, views[1].affine)

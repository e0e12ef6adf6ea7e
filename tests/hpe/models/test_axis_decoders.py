import pytest
import torch
from torch.nn.functional import interpolate

from hpe.models.axis_decoders import (
    AXES,
    DecoderConfig,
    build_decoder,
    resampled,
)
from hpe.models.axis_towers import UpsamplingBlock

CHANNELS = (6, 10)
RESNET_CHANNELS = (512, 2048)  # of ResNet-50's and -101's pyramids
RESNET50_WEIGHTS, RESNET101_WEIGHTS = 23_508_032, 42_500_160  # without their classifiers
KINDS = ["f1", "f2", "f3", "f4", "regression", "lifted", "graph"]


def maps(side=2):
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(3, CHANNELS[0], 4 * side, 4 * side, generator=generator),
        torch.randn(3, CHANNELS[1], side, side, generator=generator),
    )


def decoder(seed=0, **settings):
    config = DecoderConfig.model_validate({"width": 8, "blocks": 3, **settings})
    return build_decoder(config, channels=CHANNELS, seed=seed).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_decoder_says_21_places_and_as_many_bins_as_its_towers_have_rows(kind):
    decoded = decoder(kind=kind)(*maps())
    assert decoded.shares.shape == (3, 21, 3)
    assert decoded.logits.shape == (3, 21, 3, 2 * 2**3 if kind.startswith("f") else 0)


def test_s2s_input_gives_112_bins_with_4_blocks_56_with_3_and_224_with_5():
    for blocks, bins in ((3, 56), (4, 112), (5, 224)):
        with torch.device("meta"):
            built = decoder(blocks=blocks)
            logits = built(torch.zeros(1, 6, 28, 28), torch.zeros(1, 10, 7, 7)).logits
        assert logits.shape[-1] == bins


def test_places_are_the_means_of_the_distributions():
    decoded = decoder()(*maps())
    mass = decoded.logits.double().exp()
    mass = mass / mass.sum(-1, keepdim=True)
    expected = sum(mass[..., i] * (i + 0.5) / 16 for i in range(16))
    torch.testing.assert_close(decoded.shares.double(), expected)
    shifted = decoder(compat="s2")(*maps()).shares
    torch.testing.assert_close(decoded.shares - shifted, torch.full((3, 21, 3), 0.5 / 16))


def test_x_follows_columns_and_y_rows_and_z_has_a_tower_of_its_own():
    built = decoder()
    turned = [m.transpose(-1, -2) for m in maps()]
    for block in built.towers["xy"].blocks:  # kernels that treat rows and columns alike
        block.widen.weight.data = (
            block.widen.weight.data + block.widen.weight.data.transpose(-1, -2)
        ) / 2
    built.axes["y"].load_state_dict(built.axes["x"].state_dict())
    upright, swapped = built(*maps()).logits, built(*turned).logits
    torch.testing.assert_close(upright[:, :, 0], swapped[:, :, 1])
    torch.testing.assert_close(upright[:, :, 1], swapped[:, :, 0])
    before = upright
    for weight in built.towers["z"].parameters():
        weight.data.zero_()
    after = built(*maps()).logits
    assert torch.equal(before[:, :, :2], after[:, :, :2])
    assert not torch.equal(before[:, :, 2], after[:, :, 2])


@pytest.mark.parametrize("kind", ["f1", "f2", "lifted", "graph"])
def test_only_what_merges_looks_at_the_fine_maps(kind):
    built = decoder(kind=kind)
    fine, coarse = maps()
    said, after = built(fine, coarse), built(fine + 1, coarse)
    seen = "plane" if kind in ("lifted", "graph") else "shares"
    same = torch.equal(getattr(said, seen), getattr(after, seen))
    assert same == (kind in ("f1", "graph"))


def test_a_light_tower_is_dense_nowhere():
    dense, light = (decoder(lite=lite) for lite in (False, True))
    assert dense.towers["xy"].blocks[0].widen.weight.shape == (10, 8, 4, 4)
    assert light.towers["xy"].blocks[0].widen.weight.shape == (10, 1, 4, 4)


def test_a_block_doubles_the_sides_and_normalises_after_the_relu():
    block = UpsamplingBlock(4, 5, dense=False).train()
    out = block(torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(0)))
    assert out.shape == (8, 5, 6, 6)
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(5), atol=1e-5, rtol=0)


def test_other_bins_are_interpolated_along_the_axis():
    features = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    expected = interpolate(features, size=20, mode="linear", align_corners=False)
    torch.testing.assert_close(resampled(features, 20), expected)
    assert resampled(features, 8) is features
    assert decoder(bins=20)(*maps()).logits.shape[-1] == 20


def test_a_regression_starts_from_the_mean_pose():
    built = decoder(kind="regression")
    mean = torch.rand(21, 3, generator=torch.Generator().manual_seed(0))
    built.start_from(mean)
    torch.testing.assert_close(built(*maps()).shares, mean.expand(3, -1, -1))


def test_weights_depend_on_the_seed_alone():
    first = decoder(seed=1).state_dict()
    torch.manual_seed(9)
    again, other = decoder(seed=1).state_dict(), decoder(seed=2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["axes.x.weight"], other["axes.x.weight"])


def test_s2s_final_decoder_is_two_towers_of_known_layers():
    with torch.device("meta"):
        built = build_decoder(DecoderConfig(), channels=(56, 448), seed=0)
    dense = 448 * 128 * 16 + 128 + 2 * 128
    separable = 128 * 16 + 128 + 128 * 128 + 128 + 2 * 128
    heads = len(AXES) * (128 * 21 + 21)
    count = sum(weight.numel() for weight in built.parameters())
    assert count == 2 * (dense + 3 * separable) + heads


@pytest.mark.parametrize(
    ("kind", "encoder_weights", "printed", "tolerance"),
    [  # of F2 and F3 not every layer is known
        ("f2", RESNET101_WEIGHTS, 52.0, 0.9),
        ("f3", RESNET50_WEIGHTS, 25.8, 0.6),
        ("f4", RESNET101_WEIGHTS, 44.7, 0.05),
    ],
)
def test_s2s_networks_have_about_as_many_weights_as_it_prints(
    kind, encoder_weights, printed, tolerance
):
    with torch.device("meta"):
        built = build_decoder(DecoderConfig(kind=kind), channels=RESNET_CHANNELS, seed=0)
    count = encoder_weights + sum(weight.numel() for weight in built.parameters())
    assert count / 1e6 == pytest.approx(printed, abs=tolerance)


def test_settings_that_a_decoder_does_not_read_do_not_tell_it_apart():
    assert DecoderConfig(dropout_prob=0.1).canonical() == DecoderConfig()
    assert DecoderConfig(kind="f4", dropout_prob=0.1).canonical().dropout_prob == 0.1
    assert DecoderConfig(kind="regression", width=3).canonical() == DecoderConfig(kind="regression")
    assert DecoderConfig(beta=3.0).canonical() == DecoderConfig()
    assert DecoderConfig(kind="lifted", beta=3.0, bins=9).canonical().model_dump() == {
        **DecoderConfig(kind="lifted").model_dump(),
        "beta": 3.0,
    }
    graph = DecoderConfig(kind="graph", width=3)
    assert DecoderConfig(kind="graph", width=3, blocks=2, compat="s2").canonical() == graph


def test_refuses_to_merge_maps_that_do_not_meet():
    DecoderConfig(kind="f2").require_input(64)
    DecoderConfig(kind="f1").require_input(50)
    with pytest.raises(ValueError, match=r"image_px must be a multiple of 32 .*=f2.* got 50"):
        DecoderConfig(kind="f2").require_input(50)
    with pytest.raises(ValueError, match=r"decoder/blocks must be at least 2 .*=lifted.* got 1"):
        DecoderConfig(kind="lifted", blocks=1).require_input(64)

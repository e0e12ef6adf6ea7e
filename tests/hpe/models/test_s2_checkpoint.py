"""S2's networks under our names say what S2's description says they do."""

import pytest
import torch

from hpe.geometry.skeleton import AIT_FROM_FREIHAND
from hpe.models.axis_decoders import build_decoder
from hpe.models.encoder_decoder import EncoderDecoder
from hpe.models.encoders import build_encoder
from hpe.models.s2_checkpoint import PLACES, network_of_s2
from tests.hpe.models.s2_module import ENCODER, s2_module

TABLE = {
    "towers.xy": "model.decoder.xy_tower",
    "towers.z": "model.decoder.z_tower",
    **{f"axes.{axis}": f"model.decoder.heatmap_{axis}" for axis in "xyz"},
}


@pytest.fixture(scope="module")
def s2():
    return s2_module()


def taken_over(found):
    encoder = build_encoder(ENCODER, seed=0)
    decoder = build_decoder(found.decoder_config, channels=encoder.pyramid_channels, seed=0)
    encoder.load_state_dict(found.encoder)
    decoder.load_state_dict(found.decoder)
    return EncoderDecoder(encoder, decoder).eval()


@pytest.mark.slow
def test_the_network_says_what_s2s_does_with_joints_in_our_order(s2):
    encoder, decoder, state = s2
    found = network_of_s2(state)
    assert (found.encoder_name, dict(found.places)) == (ENCODER.name, TABLE)
    assert (found.decoder_config.width, found.decoder_config.blocks) == (4, 2)
    assert list(found.encoder) == list(encoder.state_dict())
    assert all(torch.equal(found.encoder[n], t) for n, t in encoder.state_dict().items())
    maps = torch.rand(2, 320, 3, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = decoder(maps)
        shares = taken_over(found).decoder(maps[:, :40], maps).shares
    assert (expected[0] - expected[1]).abs().amax(dim=0).min() > 1e-3
    torch.testing.assert_close(shares[:, list(AIT_FROM_FREIHAND)], expected)


def renamed(state, before, after):
    return {name.replace(before, after): tensor for name, tensor in state.items()}


@pytest.mark.slow
def test_a_table_says_what_names_do_not(s2):
    _, _, state = s2
    unclear = renamed(renamed(state, "xy_tower", "first"), "z_tower", "second")
    with pytest.raises(ValueError, match=r"axes is which.*--names.*begin with model.decoder.first"):
        network_of_s2(unclear)
    table = TABLE | {"towers.xy": "model.decoder.first", "towers.z": "model.decoder.second"}
    plain, tabled = network_of_s2(state), network_of_s2(unclear, table)
    assert all(torch.equal(plain.decoder[name], t) for name, t in tabled.decoder.items())
    swapped = network_of_s2(
        unclear, table | {"towers.xy": table["towers.z"]} | {"towers.z": table["towers.xy"]}
    )
    name = "towers.xy.blocks.0.widen.weight"
    assert torch.equal(swapped.decoder[name], plain.decoder[name.replace("xy", "z")])


@pytest.mark.slow
def test_what_does_not_fit_is_refused_by_its_name_and_never_left_out_by_itself(s2):
    _, _, state = s2
    with_loss = state | {"loss.sigma": torch.ones(3)}
    with pytest.raises(ValueError, match=r"1 tensors have no place in ours: loss\.sigma"):
        network_of_s2(with_loss)
    assert network_of_s2(with_loss, left_out=["loss."]).places == TABLE
    short = {n: t for n, t in state.items() if n != "model.decoder.heatmap_y.weight"}
    with pytest.raises(ValueError, match="axes is which"):
        network_of_s2(short)
    norm = "model.decoder.z_tower.6.running_var"
    with pytest.raises(ValueError, match=r"missing towers\.z\.blocks\.1\.norm\.running_var"):
        network_of_s2({n: t for n, t in state.items() if n != norm})
    wide = state | {"model.net._bn0.weight": torch.ones(7)}
    with pytest.raises(ValueError, match=r"another shape trunk\.bn1\.weight"):
        network_of_s2(wide)
    with pytest.raises(ValueError, match=r"blocks, this one has 15"):
        network_of_s2({n: t for n, t in state.items() if "_blocks.15." not in n})
    with pytest.raises(ValueError, match=f"for each of {', '.join(PLACES)}"):
        network_of_s2(state, {"tower": "model.decoder.xy_tower"})


@pytest.mark.slow
def test_an_order_that_names_do_not_tell_is_asked_for_layer_by_layer(s2):
    _, _, state = s2
    words = renamed(state, "xy_tower.2.", "xy_tower.last.norm.")
    with pytest.raises(ValueError, match=r"order of .*xy_tower\.6, .*last\.norm cannot be told"):
        network_of_s2(words)
    tower = "model.decoder.xy_tower"
    layers = {"0.widen": "0", "0.norm": "last.norm", "1.widen": "3", "1.mix": "4", "1.norm": "6"}
    table = {f"towers.xy.blocks.{ours}": f"{tower}.{theirs}" for ours, theirs in layers.items()}
    others = {place: name for place, name in TABLE.items() if place != "towers.xy"}
    found, plain = network_of_s2(words, table | others), network_of_s2(state)
    assert all(torch.equal(plain.decoder[name], t) for name, t in found.decoder.items())


@pytest.mark.slow
def test_a_head_that_nothing_reads_may_be_missing(s2):
    _, _, state = s2
    bare = {
        n: t
        for n, t in state.items()
        if not n.startswith(("model.net._conv_head", "model.net._bn1", "model.net._fc"))
    }
    found = network_of_s2(bare)
    assert not found.encoder["trunk.conv_head.weight"].any()
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        one, other = (taken_over(n)(images).shares for n in (found, network_of_s2(state)))
    assert torch.equal(one, other)

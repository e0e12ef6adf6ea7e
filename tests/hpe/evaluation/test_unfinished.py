"""Networks from the states of phases in training are those that the phases would leave."""

import pytest
import torch

from hpe.evaluation.unfinished import artifacts_of_state
from hpe.phases.body_config import BodyPoseConfig
from hpe.phases.body_pose import body_pose
from hpe.phases.encoder_decoder_config import EncoderDecoderConfig
from hpe.phases.lift import lift
from hpe.phases.lift_config import LiftConfig
from hpe.phases.phase import PhaseInputs
from hpe.phases.segmentation_config import GeneratorConfig, PairedConfig
from tests.hpe.evaluation.untrained_bodies import ENCODER, HEAD, HEIGHT_PX, WIDTH_PX
from tests.hpe.phases.body_fakes import fake_bodies


def test_a_body_network_in_training_is_the_one_that_it_would_leave():
    config = BodyPoseConfig(
        encoder=ENCODER,
        head=HEAD,
        width_px=WIDTH_PX,
        height_px=HEIGHT_PX,
        epochs=2,
        batch_size=4,
        steps_per_epoch=1,
    )
    inputs = PhaseInputs(data=fake_bodies(), parents={}, seed=0, device=torch.device("cpu"))
    phase = body_pose(config, inputs)
    report = next(phase)
    expected, found = report.artifacts(), artifacts_of_state("body_pose", config, report.state())
    phase.close()
    for group in ("encoder", "head"):
        assert set(found.tensors[group]) == set(expected.tensors[group])
        for name, tensor in expected.tensors[group].items():
            assert torch.equal(found.tensors[group][name], tensor)
    assert {name: expected.facts[name] for name in found.facts} == found.facts


def test_a_lifting_network_in_training_is_the_one_that_it_would_leave():
    config = LiftConfig.model_validate({"epochs": 2, "batch_size": 4, "network": {"width": 8}})
    inputs = PhaseInputs(data=fake_bodies(), parents={}, seed=0, device=torch.device("cpu"))
    phase = lift(config, inputs)
    report = next(phase)
    expected, found = report.artifacts(), artifacts_of_state("lift", config, report.state())
    phase.close()
    for name, tensor in expected.tensors["lifter"].items():
        assert torch.equal(found.tensors["lifter"][name], tensor)
    assert {name: expected.facts[name] for name in found.facts} == found.facts


@pytest.mark.parametrize(
    ("phase", "config", "section"),
    [("generator", GeneratorConfig(), "network"), ("paired", PairedConfig(), "segmenter")],
)
def test_a_segmenter_goes_by_the_name_that_its_phase_leaves_it_under(phase, config, section):
    state = {"segmenter": {"w": torch.ones(2)}, "metrics": {"val/miou": 0.5}}
    found = artifacts_of_state(phase, config, state)
    assert torch.equal(found.tensors[section]["w"], torch.ones(2))
    assert found.facts["phase"] == phase
    assert found.facts[section]["encoder"] == "resnet18"


def test_states_without_the_whole_network_are_refused():
    with pytest.raises(ValueError, match="a stage of encoder_decoder is used once it has ended"):
        artifacts_of_state("encoder_decoder", EncoderDecoderConfig(), {})

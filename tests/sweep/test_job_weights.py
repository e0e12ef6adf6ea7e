"""Given weights must fit the arms that are run, whatever the study's own settings say."""

import json

import pytest
import torch
from safetensors.torch import save_file

from hpe.models.mask_discriminators import build_discriminator
from hpe.models.s3_checkpoint import G1, D
from sweep import network_weights
from sweep.job import make_job
from sweep.options import parse_options
from sweep.study_file import load_study

OUTLINES = {"xception": {"w": torch.Size([3])}}
"""In the place of what networks of these encoders hold, which takes seconds to find out."""


@pytest.fixture(autouse=True)
def _light_outlines(monkeypatch):
    def outline(config):
        return OUTLINES.get(config.encoder, {"other": torch.Size([1])})

    monkeypatch.setattr(network_weights, "outline", outline)


@pytest.fixture
def converted(tmp_path):
    """Return S3's first generator and discriminator, as `sweep/convert.py` writes them."""
    path = tmp_path / "s3.safetensors"
    facts = {
        "network": G1.model_dump(mode="json"),
        "discriminator": D.model_dump(mode="json"),
    }
    judge = build_discriminator(D, seed=0).state_dict()
    tensors = {f"discriminator.{name}": tensor for name, tensor in judge.items()}
    save_file({"network.w": torch.zeros(3), **tensors}, path, {"facts": json.dumps(facts)})
    return path


def record_of(study):
    return {"kind": "study", "study": study}


def job_of(name, converted, tmp_path, *more):
    given = f"generator={converted}"
    places = ["--runs-dir", str(tmp_path / "runs"), "--data-dir", str(tmp_path)]
    options = parse_options([name, "--from-weights", given, *places, *more])
    study = load_study(name, size="full")
    return make_job(study, options, tracking_uri="sqlite:////nowhere/mlflow.db")


@pytest.mark.parametrize(
    ("name", "arm"), [("paper_s3", "s3"), ("segmentation_ladder", "adversarial")]
)
def test_s3s_own_networks_stand_for_the_generator_of_its_arm(name, arm, converted, tmp_path):
    job = job_of(name, converted, tmp_path, "--size", "full", "--arm", arm)
    assert list(job.scope.arms) == [arm]
    artifacts = job.weights["generator"].artifacts
    assert artifacts.facts["network"]["encoder"] == "xception"
    assert set(artifacts.tensors) == {"network", "discriminator"}


def test_of_arms_that_differ_in_the_generator_the_first_one_is_run(converted, tmp_path):
    job = job_of("paper_s3", converted, tmp_path, "--size", "full")
    assert list(job.scope.arms) == ["s3"]
    assert job.scope.notices[0].endswith("in which they differ: heard.")


def test_an_arm_left_out_now_that_was_run_alone_keeps_nothing_from_going_on(converted, tmp_path):
    job = job_of("paper_s3", converted, tmp_path, "--size", "full")
    recorded = job.study.model_dump(mode="json")
    heard = load_study("paper_s3", size="full").arms["heard"].model_dump(mode="json")
    job.refuse_changed([record_of({**recorded, "arms": {**recorded["arms"], "heard": heard}})])
    with pytest.raises(ValueError, match="arms/gone/baseline: s3 -> "):
        job.refuse_changed([record_of({**recorded, "arms": {"gone": {"baseline": "s3"}}})])


def test_an_arm_that_the_weights_do_not_fit_is_named(converted, tmp_path):
    with pytest.raises(ValueError, match=r"arms/heard: its discriminator/compat is 's3'"):
        job_of("paper_s3", converted, tmp_path, "--size", "full", "--arm", "heard")


def test_an_arm_without_the_phase_leaves_the_study_what_it_is(converted, tmp_path):
    found = [
        job_of("segmentation_ladder", converted, tmp_path, "--size", "full", "--arm", arm).weights
        for arm in ("unet", "adversarial")
    ]
    assert found[0]["generator"].artifacts.facts == found[1]["generator"].artifacts.facts
    assert found[0]["generator"].source == found[1]["generator"].source

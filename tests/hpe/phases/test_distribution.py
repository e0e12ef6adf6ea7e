import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hpe.phases import distribution, mask_run
from hpe.phases.body_config import BodyPoseConfig
from hpe.phases.body_pose import body_pose
from hpe.phases.contrastive_terms import contrastive_terms
from hpe.phases.encoder_decoder import encoder_decoder
from hpe.phases.encoder_decoder_config import EncoderDecoderConfig
from hpe.phases.finetune import finetune
from hpe.phases.finetune_config import FinetuneConfig

SCRIPT = Path(__file__).with_name("one_of_two_ranks.py")


@pytest.fixture(scope="module")
def script():
    """The script's settings and inputs, which the single process shares."""
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        spec = importlib.util.spec_from_file_location("one_of_two_ranks", SCRIPT)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return module


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two processes computed."""
    folder = tmp_path_factory.mktemp("ranks")
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), str(rank)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    errors = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    return [load_file(folder / f"{rank}.safetensors") for rank in (0, 1)]


@pytest.mark.slow
def test_two_processes_keep_the_images_of_which_one_would_be_surest(ranks):
    assert [rank["labelled.levels"].tolist() for rank in ranks] == [[90], [80]]
    for rank in ranks:
        assert float(rank["labelled.confidence"]) == pytest.approx(85)


@pytest.mark.slow
def test_two_processes_make_the_encoder_decoder_step_of_one(script, ranks, make_inputs):
    config = EncoderDecoderConfig.model_validate(script.ENCODER_DECODER)
    report = next(encoder_decoder(config, make_inputs(partly_visible=True)))
    moment = report.state()["optimizer"]["state"][0]["exp_avg"]
    metrics = torch.tensor(list(report.metrics.values()), dtype=torch.float64)
    for rank in ranks:
        torch.testing.assert_close(rank["axes.weight"], moment, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(rank["axes.metrics"], metrics, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_two_processes_that_train_towers_stay_one_network(ranks):
    assert torch.equal(ranks[0]["tower.weight"], ranks[1]["tower.weight"])


@pytest.mark.slow
def test_two_processes_make_the_body_step_of_one_and_score_as_it_does(script, ranks):
    report = next(body_pose(BodyPoseConfig.model_validate(script.BODY_POSE), script.body_inputs()))
    moments = script.moments_of(report)
    metrics = torch.tensor(list(report.metrics.values()), dtype=torch.float64)
    assert {"val/mpjpe_mm", "val/pckh_50"} <= set(report.metrics)
    assert moments.any()
    for rank in ranks:
        torch.testing.assert_close(rank["bodies.moments"], moments, rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(rank["bodies.metrics"], metrics, rtol=1e-4, atol=1e-3)


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one_with_segmenter_and_discriminator(
    script, ranks, monkeypatch
):
    monkeypatch.setattr(mask_run, "build_segmenter", script.light_segmenter)
    report = script.segmentation_report()
    metrics = torch.tensor(list(report.metrics.values()), dtype=torch.float64)
    for name, optimizer in (("moments", "optimizer"), ("discriminator", "discriminator_optimizer")):
        moments = script.moments_of(report, optimizer)
        assert moments.any()
        for rank in ranks:
            torch.testing.assert_close(rank[f"masks.{name}"], moments, rtol=1e-3, atol=1e-6)
    for rank in ranks:
        torch.testing.assert_close(rank["masks.metrics"], metrics, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_two_processes_that_train_volumes_stay_one_network(ranks):
    assert torch.equal(ranks[0]["volumes.weight"], ranks[1]["volumes.weight"])


@pytest.mark.slow
def test_two_processes_make_the_finetuning_step_of_one(script, ranks, make_inputs):
    config = FinetuneConfig.model_validate(script.FINETUNE)
    report = next(finetune(config, make_inputs(partly_visible=True)))
    moments = report.state()["optimizer"]["state"]
    metrics = torch.tensor(list(report.metrics.values()), dtype=torch.float64)
    for rank in ranks:
        torch.testing.assert_close(rank["head.weight"], moments[0]["exp_avg"], rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(rank["head.bias"], moments[1]["exp_avg"], rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(rank["metrics"], metrics, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_two_processes_learn_the_same_denoiser_and_heatmaps(ranks):
    for name in ("denoiser.weight", "heatmap.weight"):
        assert ranks[0][name].any()
        assert torch.equal(ranks[0][name], ranks[1][name])


@pytest.mark.slow
def test_two_processes_share_their_negatives(script, ranks):
    network = script.projection()
    batch = script.view_pairs()
    terms = contrastive_terms(network(batch["image"].flatten(0, 1)), batch, script.BOTH_TERMS)
    terms["train/loss"].backward()
    for rank in ranks:
        torch.testing.assert_close(rank["contrastive.loss"], terms["train/loss"].detach())
        torch.testing.assert_close(rank["contrastive.grad"], network.weight.grad)


@pytest.mark.slow
def test_rows_and_means_of_two_processes_come_together(ranks):
    for rank in ranks:
        assert rank["rows"].tolist() == [0, 1, 2, 3, 4]
        assert rank["mean"].item() == 0.5


@pytest.mark.slow
def test_every_process_scores_with_the_statistics_of_the_first(ranks):
    for rank in ranks:
        assert rank["norm.mean"].tolist() == [1.0, 1.0]
        assert rank["norm.batches"].item() == 3


def test_a_single_process_changes_nothing():
    rows = torch.arange(4.0)
    module = torch.nn.Linear(1, 1)
    assert distribution.own_rows([1, 2]) == [1, 2]
    assert distribution.batch_of_all_ranks(rows) is rows
    assert distribution.in_original_order(rows, total=4) is rows
    assert distribution.mean_over_ranks({"x": 1.5}) == {"x": 1.5}
    assert distribution.data_parallel(module) is module


def test_refuses_a_batch_the_processes_cannot_share(monkeypatch):
    monkeypatch.setattr(distribution, "world_size", lambda: 3)
    with pytest.raises(ValueError, match="multiple of the number of workers, got 8 for 3"):
        distribution.require_divisible(8)

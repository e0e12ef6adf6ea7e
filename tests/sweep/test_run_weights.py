"""Weights that stand for the first phases of a plan."""

import json

import pytest
import torch
from safetensors.torch import save_file

from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.torchvision_format import torchvision_from_encoder
from hpe.phases.catalog import PHASES
from hpe.phases.phase import Artifacts
from sweep.folders import RunsDir
from sweep.journal import Journal
from sweep.points import searched_point
from sweep.study import Study
from sweep.weights import find_weights, parse_from_weights
from tests.sweep.recorded_trials import trial_record
from trainables.stages import StageStore

NARROW = EncoderConfig(width=8)


def make_point(**settings):
    study = Study(
        name="mine",
        question="Which?",
        data={"name": "rendered_hands"},
        plan=["pretrain", "finetune"],
        settings={"pretrain/encoder/width": 8, **settings},
        objective={"metric": "finetune/val/root_epe_mm"},
    )
    return searched_point(study, {}, PHASES)


@pytest.fixture
def runs(tmp_path):
    return RunsDir(tmp_path / "runs")


@pytest.fixture
def encoder():
    return build_encoder(NARROW, seed=1).state_dict()


def found(reference, runs, *, uri="sqlite:////nowhere/mlflow.db", **settings):
    points = {"pretrain": [make_point(**settings)]}
    return find_weights({"pretrain": str(reference)}, points, runs=runs, tracking_uri=uri)[
        "pretrain"
    ]


def refusal(reference, runs, **settings):
    with pytest.raises(ValueError) as refused:
        found(reference, runs, **settings)
    prefix = f"from_weights pretrain={reference}: "
    assert str(refused.value).startswith(prefix)
    return str(refused.value).removeprefix(prefix)


def commit(runs, encoder, phase="pretrain"):
    artifacts = Artifacts(tensors={"encoder": encoder}, facts={"encoder": NARROW.model_dump()})
    return StageStore(runs.stages).import_weights(artifacts, phase=phase, source={"name": phase})


def assert_same(artifacts, encoder):
    assert set(artifacts.tensors["encoder"]) == set(encoder)
    assert all(torch.equal(artifacts.tensors["encoder"][name], encoder[name]) for name in encoder)


@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_a_file_of_an_encoders_tensors_becomes_a_stage(prefix, runs, encoder, tmp_path):
    path = tmp_path / "encoder.safetensors"
    save_file({f"{prefix}{name}": tensor for name, tensor in encoder.items()}, path)
    weights = found(path, runs)
    assert not runs.root.exists()
    store = StageStore(runs.stages)
    key = weights.stage_key(store)
    assert_same(store.artifacts(key), encoder)
    assert store.manifest(key)["stage"]["phase"] == "pretrain"
    assert found(path, runs).stage_key(store) == key


def test_a_reports_best_weights_bring_their_facts(runs, encoder, tmp_path):
    path = tmp_path / "best_weights.safetensors"
    tensors = {f"encoder.{name}": tensor for name, tensor in encoder.items()}
    facts = {"encoder": NARROW.model_dump(), "image_px": 48}
    save_file({**tensors, "head.bias": torch.zeros(3)}, path, {"facts": json.dumps(facts)})
    store = StageStore(runs.stages)
    artifacts = store.artifacts(found(path, runs).stage_key(store))
    assert artifacts.facts == facts
    assert set(artifacts.tensors) == {"encoder", "head"}


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "encoder.", "state_dict.", "backend_model."])
def test_a_resnet_under_torchvisions_names_becomes_a_stage(prefix, runs, tmp_path):
    resnet = build_encoder(EncoderConfig(name="resnet18"), seed=1).state_dict()
    path = tmp_path / "resnet18.safetensors"
    theirs = torchvision_from_encoder(resnet, num_classes=1000)
    save_file({f"{prefix}{name}": tensor for name, tensor in theirs.items()}, path)
    weights = found(path, runs, **{"pretrain/encoder/name": "resnet18"})
    store = StageStore(runs.stages)
    artifacts = store.artifacts(weights.stage_key(store))
    assert_same(artifacts, resnet)
    assert artifacts.facts["encoder"] == {"name": "resnet18"}
    message = refusal(path, runs, **{"pretrain/encoder/name": "resnet50"})
    assert message.startswith("its encoder/name is 'resnet18', the study's is 'resnet50'; set")


@pytest.mark.parametrize("length", [8, 64])
def test_a_stage_is_named_by_its_key_or_the_start_of_it(length, runs, encoder):
    key = commit(runs, encoder)
    assert found(key[:length], runs).key == key


def test_a_stages_folder_of_other_runs_is_brought_in(runs, encoder, tmp_path):
    elsewhere = RunsDir(tmp_path / "elsewhere")
    key = commit(elsewhere, encoder)
    weights = found(elsewhere.stages / key, runs)
    store = StageStore(runs.stages)
    assert_same(store.artifacts(weights.stage_key(store)), encoder)


def test_a_trial_of_a_study_stands_for_its_stage(runs, encoder):
    key = commit(runs, encoder)
    folder = runs.study("other")
    folder.root.mkdir(parents=True)
    stage = {
        "label": "pretrain",
        "key": key,
        "phase": "pretrain",
        "epochs": 1,
        "config": {},
        "seed": 0,
    }
    trial = trial_record(0, [stage])
    with Journal(folder.journal) as journal:
        journal.open()
        journal.append([trial])
    assert found("other/0", runs).key == key
    assert refusal("other/1", runs) == "other has no trial 1; it has 0."
    assert refusal("another/0", runs) == f"{runs.root} has no study 'another'."


def test_what_is_nowhere_is_refused_with_what_can_be_given(runs):
    assert refusal("nothing.safetensors", runs).startswith(
        "there is no such file, stage folder, or stage in"
    )
    assert "give a .safetensors file, a stage's key, <study>/<trial number>" in refusal("x", runs)


def test_a_file_that_is_not_safetensors_is_refused_unread(runs, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.zeros(1)}, path)
    assert refusal(path, runs).startswith("this is not a .safetensors file (")


def test_another_encoder_is_refused_with_what_to_set(runs, encoder, tmp_path):
    key = commit(runs, encoder)
    message = refusal(key, runs, **{"pretrain/encoder/width": 16})
    assert message == "its encoder/width is 8, the study's is 16; set the study's to 8."
    path = tmp_path / "encoder.safetensors"
    save_file(encoder, path)
    assert refusal(path, runs, **{"pretrain/encoder/width": 16}).startswith(
        "these are not the weights of small_resnet (width 16): of another shape are "
    )
    save_file({"a": torch.zeros(1)}, path)
    message = refusal(path, runs)
    assert "it lacks" in message
    assert "it has besides a" in message


def test_a_stage_of_another_phase_is_refused(runs, encoder):
    key = commit(runs, encoder, phase="finetune")
    assert refusal(key, runs) == f"stage {key[:12]} is of phase finetune, pretrain is needed."


def test_a_run_id_without_a_store_is_refused(runs):
    assert refusal("0" * 32, runs).startswith("there is no MLflow store at sqlite:////nowhere")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["pretrain"], "--from-weights pretrain: must be PHASE=FILE or PHASE=RUN, such as"),
        (["=x"], "--from-weights =x: must be PHASE=FILE"),
        (["pretrain="], "--from-weights pretrain=: must be PHASE=FILE"),
        (["a=x", "a=y"], "--from-weights a=y: a was given before; keep one."),
    ],
)
def test_the_option_must_name_a_phase_once(texts, message):
    with pytest.raises(ValueError) as refused:
        parse_from_weights(texts)
    assert str(refused.value).startswith(message)


def test_the_option_is_split_at_the_first_sign():
    assert parse_from_weights(["pretrain=a=b.safetensors"]) == {"pretrain": "a=b.safetensors"}


def test_a_stage_that_was_set_aside_does_not_answer_to_its_key(runs, encoder):
    key = commit(runs, encoder)
    aside = runs.stages / f"{key}.corrupt-0a1b2c3d"
    (runs.stages / key).rename(aside)
    assert "there is no such file" in refusal(key[:12], runs)
    assert aside.exists()


@pytest.mark.parametrize(
    ("facts", "words"), [("[1]", "must be a JSON object"), ("{", "facts.json beside it")]
)
def test_facts_that_are_none_are_refused(facts, words, runs, encoder, tmp_path):
    path = tmp_path / "encoder.safetensors"
    save_file(encoder, path, metadata={"facts": facts})
    assert words in refusal(path, runs)

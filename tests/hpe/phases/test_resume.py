"""Stop after any epoch, write the state, read it in a fresh phase, finish: nothing may differ."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from hpe.phases.catalog import PHASES
from hpe.phases.state import join_state, split_state

AUGMENT = {"rotate": {"enabled": True}, "color_jitter": {"enabled": True}}
COMMON = {"epochs": 3, "batch_size": 4, "image_px": 36, "encoder": {"width": 4}}
PRETRAIN = {
    **COMMON,
    "augment": AUGMENT,
    "projection": {"hidden": 8, "out": 8},
    "loss": {"equivariant_weight": 0.5},
    "probe": {"labels": 10, "val_samples": 6, "every": 2},
}
FINETUNE = {**COMMON, "steps_per_epoch": 2}
WIDE_BOX = {"low": [-400.0, -400.0, 100.0], "high": [400.0, 400.0, 2000.0]}

MAPS = {"loss": {"invariant_weight": 0.0, "equivariant_weight": 1.0}}
HYBRID1 = {
    "weight": 1.0,
    "hidden": 8,
    "own_views": True,
    "balance": "learned",
    "augment": {"rotate": {"enabled": True}, "hsv_jitter": {"enabled": True}},
}

CASES = {
    "pretrain": ("pretrain", PRETRAIN),
    "pretrain pairwise": (
        "pretrain",
        {
            **PRETRAIN,
            "loss": {"invariant_weight": 0.0},
            "relative": {"weight": 1.0, "hidden": 8, "compat": "s0"},
        },
    ),
    "pretrain hybrid1, a step's negatives": (
        "pretrain",
        {
            **PRETRAIN,
            "loss": {"negatives": "step"},
            "accumulate": 2,
            "relative": HYBRID1,
        },
    ),
    "pretrain points, beside relations": (
        "pretrain",
        {
            **PRETRAIN,
            "projection": {"hidden": 8, "out": 8, "kind": "points"},
            "relative": {"weight": 0.1, "hidden": 8},
        },
    ),
    "pretrain maps": (
        "pretrain",
        {**PRETRAIN, **MAPS, "projection": {"hidden": 8, "out": 8, "kind": "maps"}},
    ),
    "pretrain bf16, accumulating": (
        "pretrain",
        {**PRETRAIN, "precision": "bf16", "accumulate": 2},
    ),
    "pretrain lars, peclr": (
        "pretrain",
        {
            **PRETRAIN,
            "loss": {"invariant_weight": 0.0, "equivariant_weight": 1.0, "undo": "peclr"},
            "optimizer": {"name": "lars", "warmup_epochs": 1},
            "channels_last": False,
        },
    ),
    "finetune": ("finetune", FINETUNE),
    "finetune bf16, accumulating, augmented": (
        "finetune",
        {**FINETUNE, "precision": "bf16", "accumulate": 2, "augment": AUGMENT},
    ),
    "finetune frozen": ("finetune", {**FINETUNE, "train_encoder": False, "score_test": True}),
    "finetune heatmap of the palm, denoised": (
        "finetune",
        {**FINETUNE, "head": {"kind": "heatmap", "hidden": 8, "root": "palm", "denoiser": True}},
    ),
    "finetune mlp, frozen, denoised": (
        "finetune",
        {**FINETUNE, "train_encoder": False, "head": {"kind": "mlp", "denoiser": True}},
    ),
    "encoder_decoder": (
        "encoder_decoder",
        {
            **FINETUNE,
            "decoder": {"width": 4, "blocks": 2, "kind": "f4"},
            "target": WIDE_BOX,
            "augment": AUGMENT,
            "accumulate": 2,
            "loss": {"points_weight": 0.5, "distribution_weight": 0.5},
            "optimizer": {"name": "adam", "schedule": "multistep", "milestones": [1, 2]},
        },
    ),
    "encoder_decoder lifted": (
        "encoder_decoder",
        {
            **FINETUNE,
            "image_px": 64,
            "decoder": {"width": 4, "blocks": 2, "kind": "lifted"},
            "target": WIDE_BOX,
            "accumulate": 2,
        },
    ),
    "encoder_decoder bf16, frozen, robust": (
        "encoder_decoder",
        {
            **FINETUNE,
            "decoder": {"kind": "regression"},
            "target": WIDE_BOX,
            "train_encoder": False,
            "precision": "bf16",
            "robust": {"rotations": 2, "mirrored": True},
        },
    ),
    "rehearsal": (
        "rehearse_last",
        {"epochs": 3, "load": {"state_bytes": 64, "noise": 0.1, "rest_s": 0.003, "steps": 3}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_resumed_phase_equals_the_uninterrupted_one(case, make_inputs, drain, tmp_path):
    name, raw = CASES[case]
    spec = PHASES[name]
    config = spec.config.model_validate(raw)

    reports, whole = drain(spec.run(config, make_inputs()), each=save_in(tmp_path))
    for stop in (1, 2, 3):
        torch.manual_seed(stop)  # whatever the process did meanwhile
        resumed, end = drain(spec.run(config, make_inputs(), resume=read_from(tmp_path, stop)))
        assert [r.metrics for r in resumed] == [r.metrics for r in reports[stop:]]
        assert end.facts == whole.facts
        for group, tensors in whole.tensors.items():
            for key, value in tensors.items():
                assert torch.equal(value, end.tensors[group][key]), (stop, group, key)


def save_in(folder):
    def save(report):
        tensors, skeleton = split_state(report.state())
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            folder / f"{report.epoch}.safetensors",
        )
        (folder / f"{report.epoch}.json").write_text(json.dumps(skeleton, allow_nan=False))

    return save


def read_from(folder, epoch):
    skeleton = json.loads((folder / f"{epoch}.json").read_text())
    return join_state(load_file(folder / f"{epoch}.safetensors"), skeleton)

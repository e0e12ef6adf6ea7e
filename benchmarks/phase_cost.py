"""Core-seconds of pretraining and finetuning at quickstart's settings, and where they go.

Run from the repository's root: `python benchmarks/phase_cost.py [--pretrain-epochs 6]`. One thread;
times are those of the process (not the wall clock), medians of several repeats.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import torch

from hpe.data.rendered_hands import (
    RenderedHandsConfig,
    open_rendered_hands,
    prepare_rendered_hands,
)
from hpe.metrics.template import fit_template
from hpe.models.encoders import build_encoder
from hpe.models.heads import PoseHead
from hpe.phases.evaluation import EvaluationSet
from hpe.phases.finetune import finetune
from hpe.phases.finetune_config import FinetuneConfig
from hpe.phases.labelled import Crops
from hpe.phases.loaders import epoch_draws, load
from hpe.phases.phase import Phase, PhaseInputs
from hpe.phases.precision import EncodedHead, Numerics
from hpe.phases.pretrain import pretrain
from hpe.phases.pretrain_config import PretrainConfig
from hpe.phases.probe import Probe
from hpe.phases.view_pairs import ViewPairs
from hpe.phases.views import training_composition

UNLABELLED = 4000  # quickstart's; fewer are rendered here and costs scaled up
STEPS = 7
REPEATS = 3
DATA = RenderedHandsConfig(image_px=96, unlabelled=STEPS * 128, train=600, val=400, test=1)
AUGMENT = {
    "rotate": {"enabled": True},
    "zoom": {"enabled": True},
    "translate": {"enabled": True},
    "color_jitter": {"enabled": True},
    "replace_background": {"enabled": True},
}
PRETRAIN = PretrainConfig.model_validate(
    {
        "epochs": REPEATS + 1,
        "batch_size": 128,
        "image_px": 48,
        "augment": AUGMENT,
        "precision": "bf16",
        "probe": {"every": 0},
    }
)
FINETUNE = FinetuneConfig.model_validate(
    {
        "epochs": REPEATS + 1,
        "steps_per_epoch": 10,
        "batch_size": 64,
        "image_px": 48,
        "label_fraction": 0.5,
        "precision": "bf16",
    }
)


def main() -> None:
    """Render a little data, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pretrain-epochs", type=int, default=6)
    parser.add_argument("--finetune-steps", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        prepare_rendered_hands(DATA, Path(folder), processes=1, progress=lambda *_: None)
        data = open_rendered_hands(DATA, Path(folder))
        inputs = PhaseInputs(data=data, parents={}, seed=0, device=torch.device("cpu"))
        epoch_s = print_pretraining(inputs)
        step_s = print_finetuning(inputs)
    total_s = arguments.pretrain_epochs * epoch_s + arguments.finetune_steps * step_s
    print(
        f"a trial of {arguments.pretrain_epochs} pretraining epochs and "
        f"{arguments.finetune_steps} finetuning steps, scores of every epoch apart: {total_s:.1f} s"
    )


def print_pretraining(inputs: PhaseInputs) -> float:
    """Print the cost of a pretraining epoch; return it, its probe included."""
    scale = UNLABELLED // PRETRAIN.batch_size / STEPS
    composition = training_composition(PRETRAIN.augment, image_px=PRETRAIN.image_px, seed=0)
    pairs = ViewPairs(inputs.data.splits["unlabelled"], composition, seed=0)
    views_s = scale * repeated(lambda: make_views(pairs))
    epoch_s = scale * epochs(pretrain(PRETRAIN, inputs))
    numerics = Numerics(inputs.device, PRETRAIN.precision, PRETRAIN.channels_last)
    encoder = numerics.placed(build_encoder(PRETRAIN.encoder, seed=0))
    probe = Probe(
        inputs.data,
        PRETRAIN.probe,
        image_px=PRETRAIN.image_px,
        workers=0,
        limit_batches=None,
    )
    probe_s = repeated(lambda: probe.scores(encoder, numerics))
    print(f"pretraining, core-seconds per epoch of {UNLABELLED} samples")
    print(f"  augmentation        {views_s:7.2f}")
    print(f"  forward, backward   {epoch_s - views_s:7.2f}")
    print(f"  probe               {probe_s:7.2f}")
    return epoch_s + probe_s


def print_finetuning(inputs: PhaseInputs) -> float:
    """Print the cost of a finetuning step, encoder trainable and frozen; return the former."""
    scores_s = {}
    steps_s = {}
    for trainable in (True, False):
        config = FINETUNE.model_copy(update={"train_encoder": trainable})
        scores_s[trainable] = evaluation(inputs, config)
        epoch_s = epochs(finetune(config, inputs))
        steps_s[trainable] = (epoch_s - scores_s[trainable]) / (config.steps_per_epoch or 1)
    print(f"finetuning on {len(inputs.data.splits['val'])} validation samples, core-seconds")
    print("                      trainable   frozen")
    print(f"  step of {FINETUNE.batch_size}           {steps_s[True]:9.4f} {steps_s[False]:8.4f}")
    print(f"  evaluation          {scores_s[True]:9.4f} {scores_s[False]:8.4f}")
    return steps_s[True]


def make_views(pairs: ViewPairs) -> None:
    """Make the views of an epoch, and nothing else."""
    draws = epoch_draws(len(pairs.split), seed=0, epoch=0, batch_size=PRETRAIN.batch_size)
    for _ in load(pairs, draws, workers=0):
        pass


def evaluation(inputs: PhaseInputs, config: FinetuneConfig) -> float:
    """Return the core-seconds of scoring the validation split."""
    numerics = Numerics(inputs.device, config.precision, config.channels_last)
    encoder = build_encoder(config.encoder, seed=0)
    network = numerics.placed(EncodedHead(encoder, PoseHead(encoder.feature_dim), numerics))
    split = inputs.data.splits["val"]
    crops = Crops(inputs.data.splits["train"], range(100), image_px=config.image_px)
    template = fit_template(crops.rows()["joints_m"])
    scored = EvaluationSet(
        split,
        num_samples=len(split),
        image_px=config.image_px,
        workers=0,
        encoder_is_frozen=not config.train_encoder,
    )
    return repeated(lambda: scored.scores(network, template))


def epochs(phase: Phase) -> float:
    """Return the median core-seconds of a phase's epochs after the first."""
    next(phase)
    seconds = [core_seconds(lambda: next(phase)) for _ in range(REPEATS)]
    phase.close()
    return median(seconds)


def repeated(action: Callable[[], object]) -> float:
    """Return the median core-seconds of an action, after a first run."""
    action()
    return median(core_seconds(action) for _ in range(REPEATS))


def core_seconds(action: Callable[[], object]) -> float:
    """Return the process time that an action takes."""
    start = time.process_time()
    action()
    return time.process_time() - start


if __name__ == "__main__":
    main()

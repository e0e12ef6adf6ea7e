"""S2's experiments by their names, for a study's arms to start from.

A baseline says what its experiment is about; the one with `_full` adds how it was trained: encoder
with ImageNet weights, 224 px, batch, Adam at 1e-4, epochs, and what S2 does its own way: colours
that its EfficientNets get as they are (its ResNets get them normalised here), views of whole
pictures about their middle, targets of the camera as it is, bins counted from their edge, and a
translation that is the same every time.

Known of f014 to f016 and s003 to s005 is that they regularise ResNets with standard deviations of 1
or 2 in batches of 8 to 24; which has which, and that both losses weigh 0.5, is taken here. Known of
e004 is that one random augmentation applies per sample; TrivialAugment does so with operations of
its own. Of f023 (a graph network) and f026 (lifted heatmaps) the decoders are known in part
(`hpe.models.graph_decoder`, `hpe.models.lifted_decoder`) and how f026 weighs its losses; that they
turn as their neighbours do, and that f026's heatmaps have a cell per pixel, is taken here. f025
differs from f022 in nothing that is known, and of s006 nothing is.
"""

from collections.abc import Iterator
from typing import Any

from search_spaces.published_augmentations import CONTROL_ARMS, S2_AUGMENTATIONS, Settings, composed
from search_spaces.published_training import Baseline, with_full

PHASE = "encoder_decoder"

EVERY = ("rotation", "scale", "random_translation", "horizontal_flip", "color_jitter")
TRAINING: Settings = {
    f"{PHASE}/image_px": 224,
    f"{PHASE}/batch_size": 32,
    f"{PHASE}/epochs": 500,
    f"{PHASE}/encoder/init": "imagenet",
    f"{PHASE}/target/frame": "picture",
    f"{PHASE}/target/camera": "own",
    f"{PHASE}/decoder/compat": "s2",
    f"{PHASE}/optimizer/name": "adam",
    f"{PHASE}/optimizer/lr": 1e-4,
    f"{PHASE}/optimizer/weight_decay": 0.0,
    f"{PHASE}/optimizer/schedule": "constant",
}
SCHEDULE: Settings = {
    f"{PHASE}/epochs": 145,
    f"{PHASE}/optimizer/schedule": "multistep",
    f"{PHASE}/optimizer/milestones": [100.0, 140.0],
    f"{PHASE}/optimizer/factor": 0.1,
}
FIXED_TRANSLATION: Settings = {f"{PHASE}/augment/translate/fixed": True}
REGULARISED_AS_WRITTEN: Settings = {
    f"{PHASE}/loss/divergence": "as_published",
    f"{PHASE}/loss/softening": "as_published",
}


def encoder_decoder_baselines() -> Iterator[tuple[str, Baseline]]:
    """Yield S2's experiments, each with `_full`."""
    yield from _regularised()
    yield from _efficient()
    yield from _lifted()
    yield from _submitted()
    yield from _series()


def _regularised() -> Iterator[tuple[str, Baseline]]:
    """Yield the ResNets whose distributions are regularised, and their decoder without bins."""
    for name, decoder, depth, std, batch in (
        ("f014", "f2", 101, 1.0, 8),
        ("f015", "f3", 50, 1.0, 16),
        ("f016", "f4", 101, 1.0, 24),
        ("s003", "f2", 101, 2.0, 8),
        ("s004", "f3", 50, 2.0, 16),
        ("s005", "f4", 101, 2.0, 24),
    ):
        yield from with_full(
            f"s2_{name}",
            f"S2, {name}: decoder {decoder.upper()}, distributions regularised to {std:g} bins",
            {
                **_decoder(kind=decoder),
                f"{PHASE}/loss/points_weight": 0.5,
                f"{PHASE}/loss/distribution_weight": 0.5,
                f"{PHASE}/loss/std_bins": std,
            },
            TRAINING,
            REGULARISED_AS_WRITTEN,
            _encoder(f"resnet{depth}"),
            {f"{PHASE}/batch_size": batch},
        )
    yield from with_full(
        "s2_regression",
        "S2: a plain ResNet to 63 numbers",
        _decoder(kind="regression"),
        TRAINING,
        {f"{PHASE}/decoder/compat": "none"},
        _encoder("resnet50"),
    )


def _efficient() -> Iterator[tuple[str, Baseline]]:
    """Yield f017 to f031: EfficientNets of all sizes before two towers."""
    turned = composed(("rotation",), phase=PHASE, of=S2_AUGMENTATIONS)
    bone = {f"{PHASE}/target/unit": "bone"}
    for name, about, settings, encoder in (
        ("f017", "EffPose, bone-normalised", {**_decoder(), **bone}, "b6"),
        ("f018", "EffLitePose, bone-normalised", {**_decoder(lite=True), **bone}, "b6"),
        ("f019", "EffPose, bone-normalised, turned", {**_decoder(), **bone, **turned}, "b6"),
        (
            "f020",
            "EffLitePose, bone-normalised, turned",
            {**_decoder(lite=True), **bone, **turned},
            "b6",
        ),
        ("f021", "EffPose in millimetres, turned", {**_decoder(), **turned}, "b6"),
        ("f022", "EffPose with a smaller encoder", {**_decoder(), **turned}, "b3"),
        ("f024", "EffPose of width 512", {**_decoder(width=512), **turned}, "b3"),
        ("f025", "EffPose of width 128", {**_decoder(width=128), **turned}, "b3"),
        ("f027", "EffPose with the smallest encoder", {**_decoder(), **turned}, "b0"),
        ("f028", "EffPose of width 64", {**_decoder(width=64), **turned}, "b3"),
        ("f030", "EffPose with its final encoder", {**_decoder(), **turned}, "b4"),
        ("f031", "EffPose of 3 blocks, 56 bins", {**_decoder(blocks=3), **turned}, "b5"),
    ):
        yield from with_full(
            f"s2_{name}",
            f"S2, {name}: {about}",
            settings,
            TRAINING,
            _efficientnet(encoder),
        )


def _lifted() -> Iterator[tuple[str, Baseline]]:
    """Yield what finds joints in the view first."""
    turned = composed(("rotation",), phase=PHASE, of=S2_AUGMENTATIONS)
    heatmaps = {
        f"{PHASE}/decoder/beta": 100.0,
        f"{PHASE}/loss/heatmap_weight": 1e4,
        f"{PHASE}/loss/plane_weight": 1.0,
        f"{PHASE}/loss/heatmap_std_cells": 3.0,
    }
    for name, about, settings, depth in (
        ("f023", "a graph network to the plane, another to space", _decoder(kind="graph"), 50),
        (
            "f026",
            "heatmaps, lifted to space",
            {**_decoder(kind="lifted", blocks=5), **heatmaps},
            34,
        ),
    ):
        yield from with_full(
            f"s2_{name}",
            f"S2, {name}: {about}",
            {**settings, **turned},
            TRAINING,
            {f"{PHASE}/decoder/compat": "none"},
            _encoder(f"resnet{depth}"),
        )


def _submitted() -> Iterator[tuple[str, Baseline]]:
    """Yield what is trained by the final schedule, or with every augmentation."""
    turned = composed(("rotation",), phase=PHASE, of=S2_AUGMENTATIONS)
    every = composed(EVERY, phase=PHASE, of=S2_AUGMENTATIONS)
    final = {**TRAINING, **SCHEDULE}
    b3, b4, b6 = (_efficientnet(size) for size in ("b3", "b4", "b6"))
    moved = FIXED_TRANSLATION
    yield from with_full(
        "s2_f029", "S2, f029: every augmentation", {**_decoder(), **every}, TRAINING, moved, b3
    )
    yield from with_full(
        "s2_f032", "S2, f032: every augmentation", {**_decoder(), **every}, TRAINING, moved, b4
    )
    yield from with_full(
        "s2_f033", "S2, f033: the model it submitted, turned", {**_decoder(), **turned}, final, b4
    )
    yield from with_full(
        "s2_f034",
        "S2, f034: as submitted, with every augmentation",
        {**_decoder(), **every},
        final,
        moved,
        b4,
    )
    yield from with_full(
        "s2_e003", "S2, e003: every augmentation", {**_decoder(), **every}, TRAINING, moved, b6
    )
    one = {f"{PHASE}/augment/{path}": v for path, v in CONTROL_ARMS["trivial_augment"].items()}
    yield from with_full(
        "s2_e004", "S2, e004: one random operation per view", {**_decoder(), **one}, TRAINING, b3
    )


def _series() -> Iterator[tuple[str, Baseline]]:
    """Yield what is left of the s-series."""
    turned = composed(("rotation",), phase=PHASE, of=S2_AUGMENTATIONS)
    b4 = _efficientnet("b4")
    yield from with_full(
        "s2_s002", "S2, s002: 5 blocks, 224 bins", {**_decoder(blocks=5), **turned}, TRAINING, b4
    )
    yield from with_full(
        "s2_s007",
        "S2, s007: a trial of the schedule, rates that step down",
        {**_decoder(), **turned},
        TRAINING,
        SCHEDULE,
        {f"{PHASE}/epochs": 500},
        b4,
    )


def _decoder(**settings: Any) -> dict[str, Any]:
    return {f"{PHASE}/decoder/{name}": v for name, v in {"kind": "f1", **settings}.items()}


def _encoder(name: str) -> Settings:
    return {f"{PHASE}/encoder/name": name}


def _efficientnet(size: str) -> Settings:
    """Return an EfficientNet as S2 has it, on pictures that are not normalised."""
    return _encoder(f"s2_efficientnet_{size}")

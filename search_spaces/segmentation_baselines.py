"""S3's segmentation GAN and the ladder of steps that led to it, as its report lists them.

S3 trains G1 (a U-Net) and a discriminator D on images with masks, G2 (a U-Net++) on what G1 says of
images without, then on those with masks while D judges it, and the last two once more. D was given
class ids, so that G2 had no gradient from it; `heard` is the same with soft masks, which give it
one, and `unpaired_masks` lets D learn on with masks that belong to no image, which S3 had and left
unused, held back by R1 with Mescheder et al.'s gamma (2018): without it D wins, and what G2 hears
of it drowns the masks. Without pseudo-labels the phase `paired` comes twice in place of the two
rounds, so that every step trains G2 on masks for as many epochs and ends in the same label.

A name with `one_round` is the first round alone, of plan generator, pseudo_labels, paired, or what
is left of it; it is what `search_spaces.segmentation` searches.

As everywhere, `_full` adds how it was trained. S3 does not say which encoder its first U-Net had;
the package's default, a ResNet-34, is taken. Its code has one Adam for G2, whose rate falls to
1.5e-4 with the first paired step and stays there, and its weights came from ImageNet.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from search_spaces.published_augmentations import Settings
from search_spaces.published_training import Baseline, with_full

G1, LABELS, PAIRED = "generator", ("pseudo_labels", "pseudo_labels_2"), ("paired", "paired_2")
PUBLISHED_EPOCHS = {G1: 100, LABELS[0]: 15, PAIRED[0]: 55, LABELS[1]: 5, PAIRED[1]: 65}
FIRST_RATE, LATER_RATE = 2.5e-4, 1.5e-4

_UNET: Settings = {"architecture": "unet"}
_UNETPLUSPLUS: Settings = {"architecture": "unetplusplus"}
_ALONE: Settings = {"region_weight": 0.0, "ce_weight": 1.0, "adversarial_weight": 0.0}
_CE: Settings = {**_ALONE, "class_weights": "uniform"}
_WEIGHTED_CE: Settings = {**_ALONE, "class_weights": "s3"}
_DICE: Settings = {"class_weights": "s3", "ce_weight": 0.35, "region_weight": 0.65}
_SUPERVISED: Settings = {**_DICE, "adversarial_weight": 0.0}
_ADVERSARIAL: Settings = {
    "class_weights": "s3",
    "ce_weight": 0.9 * 0.35,
    "region_weight": 0.9 * 0.65,
    "adversarial_weight": 0.1,
}
_S3_DISCRIMINATOR: Settings = {"kind": "s3", "compat": "s3"}
_HEARD_DISCRIMINATOR: Settings = {"kind": "s3", "masks": "soft"}
_LEARNS_ON: Settings = {"trains": True, "real_masks": "unpaired", "r1_weight": 10.0}
_AUGMENTATION: Settings = {
    "translate_share": 0.01,
    "scale_std": 0.01,
    "rotate_std_deg": 5.0,
    "rotate_prob": 0.6,
    "flip_prob": 0.5,
    "gain_share": 0.01,
}
_FIRST_UNET: Settings = {"encoder": "resnet34", "weights": "imagenet"}
_G1_NETWORK: Settings = {"encoder": "xception", "weights": "imagenet"}
_G2_NETWORK: Settings = {"encoder": "timm-regnety_032", "weights": "imagenet"}


def segmentation_baselines() -> Iterator[tuple[str, Baseline]]:
    """Yield the ladder in two rounds and in one."""
    for rounds in (2, 1):
        yield from _supervised(rounds)
        yield from _with_generator(rounds)


def _supervised(rounds: int) -> Iterator[tuple[str, Baseline]]:
    steps = {
        "unet": ("a U-Net by cross-entropy alone", _UNET, _CE, _FIRST_UNET),
        "unetplusplus": ("a U-Net++ by cross-entropy alone", _UNETPLUSPLUS, _CE, _G2_NETWORK),
        "weighted_ce": ("the same with class weights", _UNETPLUSPLUS, _WEIGHTED_CE, _G2_NETWORK),
        "dice": ("the same with Dice beside", _UNETPLUSPLUS, _SUPERVISED, _G2_NETWORK),
    }
    labels = PAIRED[:rounds]
    for name, (about, network, loss, encoder) in steps.items():
        yield from with_full(
            f"{_prefix(rounds)}_{name}",
            f"S3, {_rounds(rounds)}: {about}",
            {**_below(labels[:1], "segmenter", network), **_below(labels, "loss", loss)},
            _training(labels),
            _below(labels[:1], "segmenter", encoder),
        )


def _with_generator(rounds: int) -> Iterator[tuple[str, Baseline]]:
    labelled, paired = LABELS[:rounds], PAIRED[:rounds]
    silent = {**_generator(_S3_DISCRIMINATOR), **_pseudo_labels(labelled)}
    heard = {**_generator(_HEARD_DISCRIMINATOR), **_pseudo_labels(labelled)}
    learns_on = _below(paired, "adversary", _LEARNS_ON)
    steps: Mapping[str, tuple[str, Settings]] = {
        "pseudo_labels": (
            "no adversary, G2 on G1's labels too",
            {**silent, **_below(paired, "loss", _SUPERVISED)},
        ),
        "": ("as published", {**silent, **_below(paired, "loss", _ADVERSARIAL)}),
        "heard": (
            "with an adversary whose gradient reaches G2",
            {**heard, **_below(paired, "loss", _ADVERSARIAL)},
        ),
        "unpaired_masks": (
            "with an adversary that learns on, from masks without images",
            {**heard, **_below(paired, "loss", _ADVERSARIAL), **learns_on},
        ),
    }
    for name, (about, settings) in steps.items():
        yield from with_full(
            f"{_prefix(rounds)}_{name}".rstrip("_"),
            f"S3, {_rounds(rounds)}: {about}",
            settings,
            _training((G1, *labelled, *paired)),
            _below((G1,), "network", _G1_NETWORK),
            _below(labelled[:1], "segmenter", _G2_NETWORK),
        )
    yield from with_full(
        f"{_prefix(rounds)}_no_pseudo_labels",
        f"S3, {_rounds(rounds)}: the adversary alone, no pseudo-labels",
        {
            **_generator(_S3_DISCRIMINATOR),
            **_below(paired[:1], "segmenter", _UNETPLUSPLUS),
            **_below(paired, "loss", _ADVERSARIAL),
        },
        _training((G1, *paired)),
        _below((G1,), "network", _G1_NETWORK),
        _below(paired[:1], "segmenter", _G2_NETWORK),
    )


def _generator(discriminator: Settings) -> dict[str, Any]:
    return {
        **_below((G1,), "network", _UNET),
        **_below((G1,), "loss", {"class_weights": "s3", "ce_weight": 1.0, "region_weight": 0.0}),
        **_below((G1,), "discriminator", discriminator),
    }


def _pseudo_labels(labels: tuple[str, ...]) -> dict[str, Any]:
    return {
        **_below(labels[:1], "segmenter", _UNETPLUSPLUS),
        **_below(labels, "loss", _DICE),
        **{f"{label}/keep_share": 0.5 for label in labels},
    }


def _training(labels: tuple[str, ...]) -> dict[str, Any]:
    """Return how S3 trained these phases, whatever they are about."""
    settings: dict[str, Any] = {}
    falls = LABELS[0] in labels  # S3's rate does, once G2 has been trained on pseudo-labels
    for label in labels:
        first = label in (G1, LABELS[0]) or not falls
        settings |= {
            f"{label}/image_px": 128,
            f"{label}/epochs": PUBLISHED_EPOCHS[label],
            f"{label}/batch_size": 32 if label in LABELS else 16,
            f"{label}/optimizer/lr": FIRST_RATE if first else LATER_RATE,
        }
    return {**settings, **_below(labels, "augment", _AUGMENTATION)}


def _below(labels: tuple[str, ...], section: str, settings: Settings) -> dict[str, Any]:
    return {
        f"{label}/{section}/{name}": value for label in labels for name, value in settings.items()
    }


def _prefix(rounds: int) -> str:
    return "s3" if rounds == 2 else "s3_one_round"


def _rounds(rounds: int) -> str:
    return "two rounds" if rounds == 2 else "one round"

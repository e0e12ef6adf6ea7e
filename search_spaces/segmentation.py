"""What is searched of the segmentation GAN."""

from search_spaces.loss_weights import SimplexWeights
from search_spaces.parameters import Choice, Constants, Part, Parts, Real


def _weights_of(label: str) -> Part:
    """Return the balance of cross-entropy, loss on regions and adversary, and class weights."""
    loss = f"{label}/loss"
    return Parts(
        (
            SimplexWeights(
                (f"{loss}/ce_weight", f"{loss}/region_weight", f"{loss}/adversarial_weight")
            ),
            Choice(f"{loss}/class_weights", ("uniform", "s3", "s3_alternative")),
            Choice(f"{loss}/region", ("dice", "jaccard")),
        )
    )


_RAMPS = Parts(
    (
        Real("paired/loss/region_ramp/start", 0.0, 2.0),
        Real("paired/loss/adversarial_ramp/start", 0.0, 1.0),
        Real("paired/loss/adversarial_ramp/to_epoch", 0.0, 10.0),
        Constants({"paired/loss/region_ramp/to_epoch": 4.0}),
    )
)
"""Regions count more or less at first, and the adversary's voice rises; after 4 epochs, or those
that are searched, the weights are what they are."""

_AUGMENTATION = Parts(
    tuple(
        Real(f"paired/augment/{name}", 0.0, most)
        for name, most in (
            ("translate_share", 0.1),
            ("scale_std", 0.2),
            ("rotate_std_deg", 30.0),
            ("gain_share", 0.3),
        )
    )
)
"""From none to well beyond S3's 0.01, 0.01, 5 degrees and 0.01."""

SEGMENTATION = Parts(
    (
        _weights_of("paired"),
        _RAMPS,
        _AUGMENTATION,
        Real("pseudo_labels/keep_share", 0.25, 1.0),
        Choice(
            "pseudo_labels/segmenter/encoder",
            ("timm-regnety_032", "resnet18", "mobilenet_v2", "tu-mobilenetv3_small_050"),
        ),
        Constants({"paired/adversary/trains": True}),
        Real("paired/adversary/optimizer/lr", 2.5e-5, 2.5e-3, log=True),
    )
)
"""Nothing of G1's, so that all trials of a seed share it; D learns on, at a searched rate."""

LAST_LOSS = _weights_of("paired_2")
"""Nothing but the last phase's loss: all that comes before is trained once per seed."""

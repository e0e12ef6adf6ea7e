"""Segmentation networks by name: decoders of segmentation-models-pytorch on any of its encoders."""

import importlib
import warnings
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any

import torch
from pydantic import Field, model_validator
from torch import nn

from hpe.config import Config
from hpe.data.hand_masks import NUM_CLASSES
from hpe.models.seeding import seeded_weights
from hpe.models.torchvision_on_cpu import import_timm
from hpe.names import nearest

ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {
        "unet": "Unet",
        "unetplusplus": "UnetPlusPlus",
        "manet": "MAnet",
        "linknet": "Linknet",
        "fpn": "FPN",
        "pspnet": "PSPNet",
        "deeplabv3": "DeepLabV3",
        "deeplabv3plus": "DeepLabV3Plus",
        "pan": "PAN",
        "upernet": "UPerNet",
        "segformer": "Segformer",
        "dpt": "DPT",
    }
)
"""Name -> the package's class."""

WITH_DECODER_CHANNELS = frozenset({"unet", "unetplusplus", "manet"})
WELL_KNOWN = frozenset(
    {
        "xception",
        "timm-regnety_032",
        "resnet18",
        "resnet34",
        "mobilenet_v2",
        "tu-mobilenetv3_small_050",
    }
)
"""Encoders that need not be looked for: settings are checked in places that build no network."""

STRIDE = 32  # of the deepest maps, where decoders that meet them again need whole pixels
TIMM, TIMM_ONCE = "tu-", "timm-"
WEIGHTS_OF_TIMM = "imagenet"  # the package takes a yes or no for timm's encoders


class SegmenterConfig(Config):
    """Settings of a segmentation network.

    Attributes:
        architecture: One of `ARCHITECTURES`.
        encoder: The package's name of it, such as `xception` or `resnet18`, or `tu-` and the name
            of one of timm's, such as `tu-regnety_032`; `timm-` likewise, as in S3's time.
        weights: Starting weights of the encoder by name, downloaded once; none by default.
        decoder_channels: Of the decoder's five stages, the deepest first; None for the
            package's. Few of them make a network light enough for a CPU.
    """

    architecture: str = "unet"
    encoder: str = "resnet18"
    weights: str | None = None
    decoder_channels: tuple[int, ...] | None = Field(None, min_length=5, max_length=5)

    @model_validator(mode="after")
    def _exists(self) -> "SegmenterConfig":
        if self.architecture not in ARCHITECTURES:
            raise ValueError(
                f"architecture must be one of {', '.join(ARCHITECTURES)}, got "
                f"{self.architecture!r}{nearest(self.architecture, ARCHITECTURES)}"
            )
        if self.encoder not in WELL_KNOWN:
            _require_encoder(self.encoder)
        if self.decoder_channels is not None:
            if self.architecture not in WITH_DECODER_CHANNELS:
                raise ValueError(
                    f"decoder_channels are settings of {', '.join(sorted(WITH_DECODER_CHANNELS))}, "
                    f"got {list(self.decoder_channels)} for {self.architecture}; leave them out"
                )
            if min(self.decoder_channels) < 1:
                raise ValueError(
                    f"decoder_channels must be at least 1, got {list(self.decoder_channels)}"
                )
        return self


def require_whole_maps(image_px: int) -> None:
    """Refuse a side that the networks cannot halve five times.

    Raises:
        ValueError: If it is not a multiple of 32.
    """
    if image_px % STRIDE:
        raise ValueError(
            f"image_px must be a multiple of {STRIDE}, as segmentation networks halve it five "
            f"times, got {image_px}; 64 and 128 are"
        )


def build_segmenter(config: SegmenterConfig, *, seed: int) -> nn.Module:
    """Build a network on the CPU whose random weights depend on the seed alone.

    It goes from images in [0, 1], taken as they are, without mean and deviation, as in S3, to
    logits of 17 classes for each pixel and hand: 34 channels, the left hand's first. Its weights
    have the package's names, as in S3's checkpoints.

    Raises:
        ValueError: If the encoder does not go with the architecture, or has no weights of that
            name.
        FileNotFoundError: If the weights can be neither found nor downloaded.
    """
    smp = import_segmentation_models()
    options: dict[str, Any] = {}
    if config.decoder_channels is not None:
        options["decoder_channels"] = config.decoder_channels
    with seeded_weights(seed), warnings.catch_warnings():
        # `timm-` is an older spelling of `tu-`, in which S3's networks were published.
        warnings.filterwarnings("ignore", "`timm-` encoders are deprecated", DeprecationWarning)
        try:
            network: nn.Module = getattr(smp, ARCHITECTURES[config.architecture])(
                encoder_name=config.encoder,
                encoder_weights=_weights(config),
                in_channels=3,
                classes=2 * NUM_CLASSES,
                **options,
            )
        except OSError as error:
            raise FileNotFoundError(
                f"no weights {config.weights!r} for {config.encoder}: they are not in the local "
                f"cache and cannot be downloaded ({error}). Leave weights out, or give a trained "
                "network with --from-weights."
            ) from error
        except (KeyError, NotImplementedError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"{config.architecture} cannot be built on {config.encoder} with weights="
                f"{config.weights!r}: {error}"
            ) from error
    return network


def import_segmentation_models() -> ModuleType:
    """Import segmentation-models-pytorch; it takes seconds, as timm does."""
    import_timm()
    return importlib.import_module("segmentation_models_pytorch")


def outline(config: SegmenterConfig) -> dict[str, torch.Size]:
    """Return name and shape of every weight of a network with these settings."""
    network = build_segmenter(config.model_copy(update={"weights": None}), seed=0)
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def _weights(config: SegmenterConfig) -> str | bool | None:
    if config.weights is None or not _is_timms(config.encoder):
        return config.weights
    if config.weights != WEIGHTS_OF_TIMM:
        raise ValueError(
            f"weights of timm's encoders are {WEIGHTS_OF_TIMM!r}, others go into the encoder's "
            f"name (tu-<model>.<weights>), got {config.weights!r} for {config.encoder}."
        )
    return True


def _is_timms(encoder: str) -> bool:
    return encoder.startswith((TIMM, TIMM_ONCE))


def _require_encoder(name: str) -> None:
    own = import_segmentation_models().encoders.get_encoder_names()
    known = {*own, *(f"{TIMM}{model}" for model in import_timm().list_models())}
    model = name.partition(".")[0]  # what follows a point names weights of timm's
    spellings = {model}
    if model.startswith(TIMM_ONCE):
        rest = model.removeprefix(TIMM_ONCE)
        spellings |= {f"{TIMM}{rest}", f"{TIMM}tf_{rest}"}
    if not spellings & known:
        raise ValueError(
            f"encoder must be one of segmentation-models-pytorch's ({', '.join(own[:3])}, ...), or "
            f"{TIMM} and the name of one of timm's, got {name!r}{nearest(name, known)}"
        )

"""Several data sets of bodies as one, such as Human3.6M and MPII half and half."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hpe.config import Config
from hpe.data.h36m import H36mConfig
from hpe.data.mixture import require_sources
from hpe.data.mpii import MpiiConfig
from hpe.data.rendered_bodies import RenderedBodiesConfig

BodySourceData = Annotated[
    H36mConfig | MpiiConfig | RenderedBodiesConfig, Field(discriminator="name")
]


class BodySourceConfig(Config):
    """A data set in a mixture.

    Attributes:
        data: Its settings.
        weight: Its share of what is drawn in training, whatever its size, relative to the other
            sources' weights.
    """

    data: BodySourceData
    weight: float = Field(1.0, gt=0)


class BodyMixtureConfig(Config):
    """Which data sets of bodies to mix; the default is what S4 was trained on, half and half.

    S4 trained on the validation parts too; nothing that is scored on is trained on here.

    Attributes:
        sources: Name -> data set.
        train_on: Sources whose labels are trained on.
        score_on: Sources to validate and test on, each sample once whatever the weights.
    """

    name: Literal["body_mixture"] = "body_mixture"
    sources: dict[str, BodySourceConfig] = Field(
        default_factory=lambda: {
            "h36m": BodySourceConfig(data=H36mConfig()),
            "mpii": BodySourceConfig(data=MpiiConfig()),
        },
        min_length=1,
    )
    train_on: tuple[str, ...] = Field(("h36m", "mpii"), min_length=1)
    score_on: tuple[str, ...] = Field(("h36m",), min_length=1)

    @model_validator(mode="after")
    def _names_sources(self) -> "BodyMixtureConfig":
        require_sources(self)
        return self

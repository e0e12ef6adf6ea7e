"""A data set without samples, for phases that look at none."""

from pathlib import Path
from typing import Literal

from hpe.config import Config
from hpe.data.hands import HandData
from hpe.data.opened import SPLITS

DIGEST = "0" * 64
"""There are no samples that could change."""


class NoDataConfig(Config):
    """Settings of no data: none."""

    name: Literal["none"] = "none"


def open_no_data(config: NoDataConfig, _root: Path) -> HandData:
    """Return the empty splits; nothing is read."""
    return HandData(
        name=config.name,
        digest=DIGEST,
        splits=dict.fromkeys(SPLITS, ()),
        card={},
    )

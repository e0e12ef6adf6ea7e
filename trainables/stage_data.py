"""Open the data set that a stage names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpe.data.catalog import data_config, open_data
from hpe.data.opened import OpenedData


def open_stage_data(data: Mapping[str, Any]) -> OpenedData[Any]:
    """Open the data of a stage: `{"config": ..., "root": ...}` of `Stage.data`."""
    return open_data(data_config(data["config"]), Path(data["root"]))

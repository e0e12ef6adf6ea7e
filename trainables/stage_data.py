"""Open the data set that a stage names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpe.data.catalog import data_config, open_data
from hpe.data.opened import OpenedData
from trainables.data_copy import bring_data


def open_stage_data(data: Mapping[str, Any]) -> OpenedData[Any]:
    """Open the data of a stage, `Stage.data`, which may first have to come to this machine.

    Args:
        data: `config`, `root` and `digest`; also `storage`, if it lies in remote storage.
    """
    root = Path(data["root"])
    if "storage" in data:
        bring_data(data["storage"], root)
    return open_data(data_config(data["config"]), root)

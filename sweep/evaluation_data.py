"""The data set that a network is scored on: the study's own or another, official labels or not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hpe.config import Config
from hpe.data.catalog import data_config, data_root, open_data, prepare_data
from hpe.data.opened import OpenedData

FINAL = "final"


@dataclass(frozen=True)
class EvaluationData:
    """A data set that is ready to be opened.

    Attributes:
        config: Its settings.
        root: Its folder.
    """

    config: Config
    root: Path

    def open(self) -> OpenedData[Any]:
        """Open it."""
        return open_data(self.config, self.root)


def chosen_settings(
    text: str | None, of_study: Mapping[str, Any] | None, *, final: bool
) -> dict[str, Any]:
    """Return the settings of the data set to score on.

    Args:
        text: What `--data` says: a name, or settings as YAML, `{name: freihand, versions: [gs]}`.
        of_study: The settings of the study that the network is from; used where nothing is said.
        final: Score on the official labels. Nothing else does, whatever the study's settings say.

    Raises:
        ValueError: If nothing says which data set, or it has no official labels to score on.
    """
    if text is None:
        if of_study is None:
            raise ValueError(
                "no study is known for these weights: say with --data what to score them on, such "
                "as --data freihand."
            )
        settings = dict(of_study)
    else:
        parsed = yaml.safe_load(text)
        settings = {"name": parsed} if isinstance(parsed, str) else parsed
        if not isinstance(settings, dict):
            raise ValueError(f"--data must be a name or settings, {{name: ...}}; got {text}.")
    return _with_final(settings, final=final)


def ready_data(
    settings: Mapping[str, Any],
    *,
    data_dir: Path | None,
    made_dir: Path,
    processes: int,
    progress: Callable[[int, int], None],
) -> EvaluationData:
    """Make a data set ready: check its files, or render it where it is made here.

    Raises:
        ValueError: If its settings or files are not what they must be.
    """
    config = data_config(settings)
    root = data_root(config, data_dir=data_dir, made_dir=made_dir)
    prepare_data(config, root, processes=processes, progress=progress)
    return EvaluationData(config, root)


def _with_final(settings: Mapping[str, Any], *, final: bool) -> dict[str, Any]:
    config = data_config(settings)
    if "sources" in type(config).model_fields:
        if final:
            raise ValueError(
                "--final scores on the official labels of one data set: say with --data which of "
                "the mixture's."
            )
        raw = config.model_dump(mode="json")
        for source in raw["sources"].values():
            if FINAL in source["data"]:
                source["data"][FINAL] = False
        return raw
    if FINAL in type(config).model_fields:
        return {**settings, FINAL: final}
    if final:
        raise ValueError(f"--final: {settings['name']} has no official labels that are held back.")
    return dict(settings)

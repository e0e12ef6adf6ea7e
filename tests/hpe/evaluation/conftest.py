"""Rendered hands to look at."""

from pathlib import Path

import pytest

from hpe.data.hands import HandData
from hpe.data.rendered_hands import (
    RenderedHandsConfig,
    open_rendered_hands,
    prepare_rendered_hands,
)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory) -> HandData:
    """A handful of rendered hands."""
    root: Path = tmp_path_factory.mktemp("rendered")
    config = RenderedHandsConfig(image_px=96, unlabelled=1, train=1, val=6, test=1)
    prepare_rendered_hands(config, root, processes=1, progress=lambda _done, _total: None)
    return open_rendered_hands(config, root)

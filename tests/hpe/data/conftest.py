import pytest

from hpe.data.rendered_hands import (
    RenderedHandsConfig,
    open_rendered_hands,
    prepare_rendered_hands,
)


@pytest.fixture(scope="session")
def rendered_right_hands(tmp_path_factory):
    """Six rendered hands, as samples, for writing in a data set's layout."""
    folder = tmp_path_factory.mktemp("renders")
    config = RenderedHandsConfig(image_px=96, unlabelled=1, train=6, val=1, test=1, seed=5)
    prepare_rendered_hands(config, folder, processes=1, progress=lambda done, total: None)
    split = open_rendered_hands(config, folder).splits["train"]
    return [split[index] for index in range(len(split))]

import re
from pathlib import Path

import pytest

from hpe.config import Config
from hpe.data.catalog import DATA_SETS, data_config, data_root, open_data, prepare_data
from hpe.data.freihand import FreiHandConfig
from hpe.data.opened import SPLITS, OpenedData
from hpe.data.rendered_hands import RenderedHandsConfig

TINY = {"image_px": 16, "unlabelled": 1, "train": 1, "val": 1, "test": 1}


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_name_gives_its_default_settings(name):
    config = data_config({"name": name})
    assert type(config) is DATA_SETS[name].config
    assert config.name == name


def test_settings_are_taken_over():
    assert data_config({"name": "rendered_hands", "image_px": 64}).image_px == 64


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"name": "frehand"},
            r"data/name: there is no data set 'frehand'; did you mean 'freihand'",
        ),
        (
            {},
            r"data/name: there is no data set None; data sets are rendered_hands, .*none\.",
        ),
        (
            {"name": "freihand", "val_shar": 0.1},
            r"data/val_shar: freihand has no such setting; did you mean 'val_share'.*its settings",
        ),
        ({"name": "freihand", "val_share": 2}, r"data/val_share: .*less than 1, got 2\."),
        (
            {"name": "freihand", "versions": ["green"]},
            r"data/versions/0: input should be 'gs', .* got 'green'\.",
        ),
        (
            {"name": "rendered_hands", "train": 0, "seed": "x"},
            r"data/train: .*got 0\.\ndata/seed: .*got 'x'\.",
        ),
    ],
)
def test_bad_settings_are_refused_with_path_value_and_rule(raw, message):
    with pytest.raises(ValueError, match=message):
        data_config(raw)


def test_each_recipe_of_rendered_hands_has_a_folder_of_its_own():
    def root(**settings):
        config = RenderedHandsConfig(**settings)
        return data_root(config, data_dir=None, made_dir=Path("made"))

    assert root() == root()
    assert root().parent == Path("made")
    assert re.fullmatch(r"rendered_hands-[0-9a-f]{12}", root().name)
    assert root() != root(seed=1)


def test_rendered_hands_go_where_data_is_kept():
    root = data_root(RenderedHandsConfig(), data_dir=Path("kept"), made_dir=Path("made"))
    assert root.parent == Path("kept")


def test_freihand_is_looked_for_inside_a_folder_of_data_sets(tmp_path):
    def root():
        return data_root(FreiHandConfig(), data_dir=tmp_path, made_dir=Path("made"))

    assert root() == tmp_path
    (tmp_path / "freihand_dataset").mkdir()
    assert root() == tmp_path / "freihand_dataset"


def test_freihand_must_be_brought():
    with pytest.raises(ValueError, match=r"freihand is not made here: .*--data-dir"):
        data_root(FreiHandConfig(), data_dir=None, made_dir=Path("made"))


def test_a_missing_freihand_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"looked for training_K\.json.*found no such folder"):
        prepare_data(
            FreiHandConfig(), tmp_path / "none", processes=1, progress=lambda done, total: None
        )


def test_no_data_leaves_nothing_on_disk_and_opens_empty(tmp_path):
    config = data_config({"name": "none"})
    root = data_root(config, data_dir=None, made_dir=tmp_path)
    prepare_data(config, root, processes=1, progress=lambda done, total: None)
    data = open_data(config, root)
    assert list(tmp_path.iterdir()) == []
    assert {name: len(split) for name, split in data.splits.items()} == dict.fromkeys(SPLITS, 0)
    assert data.digest == open_data(config, tmp_path / "elsewhere").digest


def test_refuses_settings_of_no_data_set(tmp_path):
    with pytest.raises(TypeError, match="settings of a data set are needed, got Config"):
        open_data(Config(), tmp_path)


@pytest.mark.slow
def test_rendered_hands_are_prepared_and_opened(tmp_path):
    config = data_config({"name": "rendered_hands"} | TINY)
    told = []
    prepare_data(
        config, tmp_path, processes=1, progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (4, 4)
    data = open_data(config, tmp_path)
    assert isinstance(data, OpenedData)
    assert set(data.splits) == set(SPLITS)

"""The few samples that a study is tried on before its data is there."""

import pytest

from hpe.data.catalog import data_config, open_data
from sweep.data_fit import split_sizes
from sweep.pricing.material import make_material, shrunk

NARROW = {
    "name": "rendered_hands",
    "image_px": 16,
    "unlabelled": 8,
    "train": 6,
    "val": 4,
    "test": 4,
}
WIDE = {**NARROW, "unlabelled": 16, "train": 1, "val": 1, "test": 1, "seed": 1}
MIXTURE = {
    "name": "mixture",
    "sources": {"narrow": {"data": NARROW}, "wide": {"data": WIDE, "weight": 3.0}},
    "train_on": ["narrow"],
    "score_on": ["narrow"],
}
FEW = {"unlabelled": 6, "train": 3, "val": 2, "test": 2}


def test_of_a_mixture_each_source_gives_its_share():
    small = shrunk(data_config(MIXTURE), FEW)
    assert split_sizes(small) == FEW
    assert [small.sources[name].data.unlabelled for name in ("narrow", "wide")] == [2, 4]
    assert small.sources["wide"].data.train == 1
    assert small.sources["wide"].weight == 3.0


@pytest.mark.parametrize("data", [NARROW, MIXTURE], ids=["one data set", "mixture"])
def test_a_few_samples_are_made_and_tell_what_making_all_takes(data, tmp_path):
    config, told = data_config(data), []
    material = make_material(
        config, FEW, folder=tmp_path, processes=1, advance=lambda *far: told.append(far)
    )
    assert material.tried_sizes == FEW
    assert material.sizes == split_sizes(config)
    assert not material.is_the_studys
    assert material.prepare_s > 0
    assert material.prepare_bytes > sum(f.stat().st_size for f in tmp_path.rglob("*.npy"))
    opened = open_data(data_config(material.data["config"]), tmp_path)
    assert {split: len(samples) for split, samples in opened.splits.items()} == FEW
    assert opened.digest == material.data["digest"]
    assert told

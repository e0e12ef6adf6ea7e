from dataclasses import dataclass

import numpy as np
import pytest

from hpe.data.catalog import awaits_making, data_config, data_root, open_data, prepare_data
from hpe.data.hands import HandData, flat_sample
from hpe.data.mixture import MixtureConfig, mix
from hpe.data.opened import SPLITS
from hpe.data.weights import sampling_weights, weighted_pass

RENDERED = {"name": "rendered_hands", "image_px": 16, "unlabelled": 4, "val": 1, "test": 1}


@dataclass(frozen=True)
class Numbers:
    """Samples whose picture is of one grey level, two to an id."""

    level: int
    unique_ids: np.ndarray

    def __len__(self):
        return len(self.unique_ids)

    def __getitem__(self, index):
        return flat_sample(
            np.full((4, 4, 3), self.level, np.uint8),
            np.arange(42.0).reshape(21, 2),
            visible=np.ones(21, dtype=bool),
            unique_id=int(self.unique_ids[index]),
        )


def fake(level, sizes):
    """Return data whose splits hold as many photographs as said, each twice."""
    splits, first = {}, 0
    for name in ("train", "val", "test"):
        ids = np.repeat(np.arange(first, first + sizes[name]), 2)
        splits[name], first = Numbers(level, ids), first + sizes[name]
    splits["unlabelled"] = splits["train"]
    return HandData(name=f"grey{level}", digest=str(level), splits=splits, card={"level": level})


OPENED = {
    "freihand": fake(10, {"train": 5, "val": 2, "test": 3}),
    "youtube_hands": fake(20, {"train": 45, "val": 7, "test": 9}),
}


def levels(split):
    return [int(split[index].image[0, 0, 0]) for index in range(len(split))]


def test_the_default_is_pretrained_on_two_sources_and_scored_on_one():
    data = mix(MixtureConfig(), OPENED)
    assert set(data.splits) == set(SPLITS)
    assert levels(data.splits["unlabelled"]) == [10] * 10 + [20] * 90
    assert levels(data.splits["train"]) == [10] * 10
    assert levels(data.splits["val"]) == [10] * 4
    assert levels(data.splits["test"]) == [10] * 6
    assert data.card["counts"] == {name: len(data.splits[name]) for name in data.card["counts"]}


def test_unique_ids_of_sources_never_meet_and_stay_apart_by_split():
    data = mix(MixtureConfig(score_on=("freihand", "youtube_hands")), OPENED)
    ids = {name: data.splits[name].unique_ids for name in ("unlabelled", "val", "test")}
    assert [len(set(part)) for part in ids.values()] == [50, 9, 12]
    assert len(set(np.concatenate(list(ids.values())))) == 50 + 9 + 12
    for name, part in ids.items():
        split = data.splits[name]
        assert [split[k].unique_id for k in range(len(split))] == part.tolist()


def test_sources_have_equal_mass_in_training_by_default_and_scoring_takes_each_sample_once():
    both = ("freihand", "youtube_hands")
    data = mix(MixtureConfig(train_on=both, score_on=both), OPENED)
    for name in ("unlabelled", "train"):
        weights = sampling_weights(data.splits[name])
        assert weights[:10].sum() == pytest.approx(weights[10:].sum())
        drawn, _ = weighted_pass(weights, np.random.default_rng(0))
        assert abs((drawn < 10).sum() - 50) <= 1
    assert sampling_weights(data.splits["val"]) is None
    assert sampling_weights(data.splits["test"]) is None


def test_weights_are_shares_of_the_draws():
    config = {"data": {"name": "freihand"}, "weight": 3}
    sources = {"freihand": config, "youtube_hands": {"data": {"name": "youtube_hands"}}}
    weights = sampling_weights(mix(MixtureConfig(sources=sources), OPENED).splits["unlabelled"])
    assert weights[:10].sum() / weights.sum() == pytest.approx(0.75)


def test_one_source_alone_is_drawn_evenly():
    sources = {"freihand": {"data": {"name": "freihand"}}}
    splits = mix(MixtureConfig(sources=sources), OPENED).splits
    assert sampling_weights(splits["unlabelled"]) is None
    assert sampling_weights(splits["train"]) is None


def test_the_order_in_which_sources_are_written_does_not_matter():
    def mixed(*names):
        sources = {name: {"data": {"name": name}} for name in names}
        return mix(MixtureConfig(sources=sources), OPENED)

    one, other = mixed("freihand", "youtube_hands"), mixed("youtube_hands", "freihand")
    assert one.digest == other.digest
    assert levels(one.splits["unlabelled"]) == levels(other.splits["unlabelled"])


def test_the_digest_follows_sources_weights_and_roles():
    both = ("freihand", "youtube_hands")
    changed = OPENED | {"youtube_hands": HandData("", "other", OPENED["freihand"].splits, {})}
    heavy = {"freihand": {"data": {"name": "freihand"}, "weight": 2}}
    default = MixtureConfig()
    digests = {
        mix(default, OPENED).digest,
        mix(default, changed).digest,
        mix(MixtureConfig(sources=default.sources | heavy), OPENED).digest,
        mix(MixtureConfig(train_on=both), OPENED).digest,
        mix(MixtureConfig(score_on=both), OPENED).digest,
    }
    assert len(digests) == 5


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"sources": {"a": {"data": {"name": "freihand"}}}},
            r"train_on must name sources, each once; these are a, and train_on has freihand",
        ),
        ({"score_on": ["freihand", "freihand"]}, "score_on must name sources, each once"),
        (
            {"sources": {"a": {"data": {"name": "freihand", "val_share": 2}}}},
            r"data/sources/a/data/freihand/val_share: .*less than 1, got 2",
        ),
        ({"sources": {"a": {"data": {"name": "mixture"}}}}, r"data/sources/a/data: .*'freihand'"),
        ({"sources": {}}, "data/sources: .*at least 1"),
    ],
)
def test_refuses_roles_and_sources_that_are_none(raw, message):
    with pytest.raises(ValueError, match=message):
        data_config({"name": "mixture"} | raw)


def test_a_source_that_must_be_brought_is_asked_for(tmp_path):
    with pytest.raises(ValueError, match=r"freihand is not made here: .*--data-dir"):
        data_root(MixtureConfig(), data_dir=None, made_dir=tmp_path)


def test_settings_survive_json():
    config = data_config({"name": "mixture"})
    assert data_config(config.model_dump(mode="json")) == config


@pytest.mark.slow
def test_sources_are_prepared_and_opened_where_they_would_lie_alone(tmp_path):
    raw = {
        "name": "mixture",
        "sources": {
            "near": {"data": RENDERED | {"train": 2}},
            "far": {"data": RENDERED | {"train": 6, "seed": 1}, "weight": 2},
        },
        "train_on": ["near", "far"],
        "score_on": ["near"],
    }
    config = data_config(raw)
    root = data_root(config, data_dir=None, made_dir=tmp_path)
    assert awaits_making(config, root)
    prepare_data(config, root, processes=1, progress=lambda done, total: None)
    assert not awaits_making(config, root)
    near = config.sources["near"].data
    alone = open_data(near, data_root(near, data_dir=None, made_dir=tmp_path))
    data = open_data(config, root)
    assert data.card["sources"]["near"] == alone.card
    assert [len(data.splits[name]) for name in SPLITS] == [8, 8, 1, 1]
    np.testing.assert_array_equal(data.splits["val"][0].image, alone.splits["val"][0].image)

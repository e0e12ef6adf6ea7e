"""Bodies with depth and bodies in 2D, mixed half and half whatever their numbers."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from hpe.data.bodies import BodyData, BodySample
from hpe.data.body_mixture import BodyMixtureConfig
from hpe.data.catalog import data_config, open_data, prepare_data, task_of
from hpe.data.mixture import mix
from hpe.data.weights import sampling_weights


@dataclass(frozen=True)
class Bodies:
    """Samples that say whether they have depth, and nothing else."""

    has_depth: bool
    unique_ids: np.ndarray

    def __len__(self):
        return len(self.unique_ids)

    def __getitem__(self, index):
        return BodySample(
            image=np.zeros((4, 4, 3), np.uint8),
            keypoints_px=np.zeros((17, 2)),
            depth_mm=np.zeros(17),
            visible=np.ones(17, bool),
            has_depth=self.has_depth,
            intrinsics=np.eye(3),
            pelvis_mm=np.zeros(3),
            box_px=np.array([0.0, 0.0, 4.0, 4.0]),
            unique_id=int(self.unique_ids[index]),
        )


def fake(name, *, has_depth, train, val):
    splits = {
        "train": Bodies(has_depth, np.arange(train)),
        "val": Bodies(has_depth, train + np.arange(val)),
    }
    splits |= {"unlabelled": splits["train"], "test": splits["val"]}
    return BodyData(name=name, digest=name, splits=splits, card={})


OPENED = {
    "h36m": fake("h36m", has_depth=True, train=90, val=4),
    "mpii": fake("mpii", has_depth=False, train=10, val=6),
}


def test_half_of_what_is_trained_on_is_of_either_source():
    split = mix(BodyMixtureConfig(), OPENED).splits["train"]
    weights = sampling_weights(split)
    has_depth = np.array([split[index].has_depth for index in range(len(split))])
    assert weights[has_depth].sum() / weights.sum() == pytest.approx(0.5)


def test_only_the_source_with_depth_is_scored_and_ids_are_apart():
    data = mix(BodyMixtureConfig(), OPENED)
    assert all(body.has_depth for body in data.splits["val"])
    trained = [body.unique_id for body in data.splits["train"]]
    assert len(set(trained)) == 100
    assert not set(trained) & {body.unique_id for body in data.splits["val"]}


def test_scores_are_made_on_what_the_scored_sources_say():
    words = {"val": "scored on S8", "test": "scored on S11"}
    card = {**OPENED["h36m"].card, "protocol": words}
    opened = {**OPENED, "h36m": replace(OPENED["h36m"], card=card)}
    told = mix(BodyMixtureConfig(), opened).card["protocol"]
    assert told == {"val": "h36m: scored on S8", "test": "h36m: scored on S11"}
    assert mix(BodyMixtureConfig(), OPENED).card["protocol"] == {}


def test_names_that_are_no_source_are_refused():
    with pytest.raises(ValueError, match="score_on must name sources, each once"):
        BodyMixtureConfig(score_on=("coco",))


def test_a_mixture_of_renders_is_made_and_opened_by_the_catalog(tmp_path):
    tiny = {"name": "rendered_bodies", "image_px": 32}
    tiny |= dict.fromkeys(("unlabelled", "train", "val", "test"), 1)
    raw = {
        "name": "body_mixture",
        "sources": {"a": {"data": tiny}, "b": {"data": {**tiny, "seed": 1}, "weight": 3.0}},
        "train_on": ["a", "b"],
        "score_on": ["a"],
    }
    config = data_config(raw)
    assert task_of(config) == "body_pose"
    prepare_data(config, tmp_path, processes=1, progress=lambda done, total: None)
    data = open_data(config, tmp_path)
    assert data.card["counts"] == {"unlabelled": 2, "train": 2, "val": 1, "test": 1}
    assert data.card["weights"] == {"a": 1.0, "b": 3.0}

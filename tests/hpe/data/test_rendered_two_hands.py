"""Rendered scenes of two hands: whole masks, what is seen of them, and disjoint splits."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from hpe.data import rendered_two_hands
from hpe.data.hand_masks import NUM_PARTS, UNPAIRED_MASKS, SegmentationData
from hpe.data.opened import SPLITS
from hpe.data.render.two_hands import scene as two_hands_scene
from hpe.data.render.two_hands.scene import PEOPLE, draw_scene, masks_of, picture_and_masks_of
from hpe.data.rendered_two_hands import (
    PARTS,
    RenderedTwoHandsConfig,
    is_rendered,
    open_rendered_two_hands,
    prepare_rendered_two_hands,
    scene_variety,
)
from hpe.data.splits import unique_ids

TINY = RenderedTwoHandsConfig(image_px=32, unlabelled=2, unpaired_masks=2, train=12, val=2, test=1)


def made(config: RenderedTwoHandsConfig, folder: Path) -> list[tuple[int, int]]:
    """Render a data set and return what progress was told."""
    told: list[tuple[int, int]] = []
    prepare_rendered_two_hands(
        config, folder, processes=1, progress=lambda done, total: told.append((done, total))
    )
    return told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tiny data set in it."""
    folder = tmp_path_factory.mktemp("two_hands")
    made(TINY, folder)
    return folder


@pytest.fixture(scope="module")
def data(folder: Path) -> SegmentationData:
    """Return the opened tiny data set."""
    return open_rendered_two_hands(TINY, folder)


def scene_of(index: int, split: str = "train"):
    """Return a scene of the tiny data set."""
    return draw_scene(scene_variety(split), image_px=32, seed=0, split=split, index=index)


def test_each_split_has_what_it_should_of_every_sample(data):
    has = {
        name: {
            (s.image is not None, s.masks is not None, s.visible is not None)
            for s in (split[index] for index in range(len(split)))
        }
        for name, split in data.splits.items()
    }
    paired = {(True, True, True)}
    assert has == {
        "unlabelled": {(True, False, False)},
        "train": paired,
        "val": paired,
        "test": paired,
        UNPAIRED_MASKS: {(False, True, False)},
    }
    assert data.card["counts"] == {
        "unlabelled": 2, "train": 12, "val": 2, "test": 1, UNPAIRED_MASKS: 2
    }  # fmt: skip


def test_samples_have_keys_and_ids_of_their_own(data):
    samples = [split[index] for split in data.splits.values() for index in range(len(split))]
    assert len({sample.key for sample in samples}) == len(samples)
    assert sorted(sample.unique_id for sample in samples) == list(range(19))
    ids = np.concatenate([unique_ids(split) for split in data.splits.values()])
    assert ids.tolist() == [sample.unique_id for sample in samples]


def test_what_is_seen_is_a_part_of_the_whole_mask_and_of_one_hand_alone(data):
    for index in range(12):
        sample = data.splits["train"][index]
        assert sample.masks.max() <= NUM_PARTS
        assert not np.any(sample.visible & (sample.masks == 0))
        assert not np.any(sample.visible.all(axis=0))


def test_most_scenes_hide_a_good_part_of_a_hand(data):
    samples = [data.splits["train"][index] for index in range(12)]
    whole = np.array([(sample.masks > 0).sum(axis=(1, 2)) for sample in samples])
    seen = np.array([sample.visible.sum(axis=(1, 2)) for sample in samples])
    hidden = (1 - seen / whole).max(axis=1)
    assert np.mean(hidden > 0.1) > 0.6


def test_a_whole_mask_does_not_depend_on_the_other_hand():
    scene = scene_of(3)
    left, right = scene.hands
    away = right.moved(np.array([0.0, 0.0, 5.0]))
    apart = two_hands_scene.TwoHandScene(**{**vars(scene), "hands": (left, away)})
    np.testing.assert_array_equal(masks_of(scene)[0], masks_of(apart)[0])
    assert not np.array_equal(masks_of(scene)[1], masks_of(apart)[1])


def test_the_nearer_hand_is_the_one_that_is_seen():
    scene = scene_of(3)
    left, right = (hand.moved(-hand.joints_m.mean(axis=0)) for hand in scene.hands)
    before = np.array([0.0, 0.0, 0.5])
    behind = np.array([0.0, 0.0, 1.5])
    for front, (left_m, right_m) in enumerate([(before, behind), (behind, before)]):
        hands = (left.moved(left_m), right.moved(right_m))
        moved = two_hands_scene.TwoHandScene(**{**vars(scene), "hands": hands})
        _, found = picture_and_masks_of(moved)
        both = (found.masks > 0).all(axis=0)
        assert both.any()
        assert found.visible[front][both].mean() > 0.9  # but for its blurred outline
        assert found.visible[1 - front][both].mean() < 0.1


def test_scenes_are_the_same_whatever_was_drawn_before(data):
    rgb, hands = picture_and_masks_of(scene_of(11))
    sample = data.splits["train"][11]
    np.testing.assert_array_equal(sample.image, rgb)
    np.testing.assert_array_equal(sample.masks, hands.masks)
    np.testing.assert_array_equal(sample.visible, hands.visible)


def test_no_person_is_in_two_splits():
    people = [
        {(people.pool, people.first + number) for number in range(people.count)}
        for people in PEOPLE.values()
    ]
    assert len(set.union(*people)) == sum(map(len, people))
    assert list(PEOPLE) == [*SPLITS, UNPAIRED_MASKS]
    drawn = {scene_of(index, UNPAIRED_MASKS).person for index in range(4)}
    assert all(256 <= person < 384 for person in drawn)


def test_every_class_has_a_name():
    assert len(PARTS) == len(set(PARTS)) == NUM_PARTS
    assert PARTS[:4] == ("palm", "thumb metacarpal", "thumb proximal", "thumb distal")
    assert PARTS[15] == "little distal"


def test_rendering_goes_on_where_it_ended_and_tells_of_all_packs(
    tmp_path, folder, data, monkeypatch
):
    rows = 0
    chunk_rows = rendered_two_hands._chunk_rows

    def ends_early(config, chunk):
        nonlocal rows
        if chunk.split == "val":
            raise KeyboardInterrupt
        rows += chunk.rows
        return chunk_rows(config, chunk)

    monkeypatch.setattr(rendered_two_hands, "_chunk_rows", ends_early)
    with pytest.raises(KeyboardInterrupt):
        made(TINY, tmp_path)
    assert not is_rendered(tmp_path)
    assert rows == 14
    with pytest.raises(ValueError, match="no finished data"):
        open_rendered_two_hands(TINY, tmp_path)

    monkeypatch.setattr(rendered_two_hands, "_chunk_rows", chunk_rows)
    told = made(TINY, tmp_path)
    assert told[0] == (2, 19)
    assert (14, 19) in told
    assert told[-1] == (19, 19)
    assert is_rendered(tmp_path)
    assert open_rendered_two_hands(TINY, tmp_path).digest == data.digest
    assert made(TINY, tmp_path)[-1] == (19, 19)


def test_a_folder_of_other_settings_is_refused(folder):
    other = TINY.model_copy(update={"seed": 1})
    with pytest.raises(ValueError, match="settings/seed: 0, not 1"):
        open_rendered_two_hands(other, folder)


def test_a_split_travels_to_loader_processes_without_its_pixels(data):
    split = data.splits["train"]
    sent = pickle.dumps(split)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent)[5].masks, split[5].masks)  # noqa: S301


def test_refuses_an_index_that_is_not_there(data):
    with pytest.raises(IndexError, match="sample 2 of 2"):
        data.splits["val"][2]

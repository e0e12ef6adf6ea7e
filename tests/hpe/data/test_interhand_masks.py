"""S3's layout of InterHand2.6M with masks: written from renders, read by the real loader."""

import json
import multiprocessing
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from hpe.data.catalog import data_config, open_data, prepare_data
from hpe.data.hand_masks import UNPAIRED_MASKS, MaskedSample
from hpe.data.interhand_masks import (
    SUBMISSION,
    InterHandMasksConfig,
    open_interhand_masks,
    prepare_interhand_masks,
)
from hpe.data.opened import SPLITS, UnreadableSample
from hpe.data.render.two_hands.scene import draw_scene, picture_and_masks_of
from hpe.data.rendered_two_hands import scene_variety
from tests.hpe.data.segmentation_lmdb import encoded, encoded_masks, write_layout, write_store

PX = 32
STRICT = InterHandMasksConfig(max_bad_share=0)


def rendered(split: str, number: int) -> MaskedSample:
    """Return a rendered scene under a path as InterHand2.6M has them."""
    scene = draw_scene(scene_variety(split), image_px=PX, seed=0, split=split, index=number)
    rgb, hands = picture_and_masks_of(scene)
    return MaskedSample(
        image=rgb,
        masks=hands.masks,
        visible=None,
        key=f"{split}/Capture0/ROM/cam400002/image{number}",
        unique_id=number,
    )


def drawn(split: str, number: int, hands: tuple[int, int] = (1, 1)) -> MaskedSample:
    """Return noise with masks, as quick as it gets."""
    rng = np.random.default_rng(number)
    masks = rng.integers(0, 17, (2, PX, PX), dtype=np.uint8)
    return MaskedSample(
        image=rng.integers(0, 256, (PX, PX, 3), dtype=np.uint8),
        masks=masks * np.array(hands, np.uint8)[:, None, None],
        visible=None,
        key=f"{split}/Capture0/ROM/cam400002/image{number}",
        unique_id=number,
    )


def prepared(root: Path, config: InterHandMasksConfig = STRICT):
    """Prepare and open a data set."""
    prepare_interhand_masks(config, root, processes=1, progress=lambda _done, _total: None)
    return open_interhand_masks(config, root)


def few(root: Path, num_train: int = 6, **more) -> list[MaskedSample]:
    """Write a small data set and return its training samples."""
    train = [drawn("train", number) for number in range(num_train)]
    write_layout(
        root,
        train=train,
        val=[drawn("val", 50)],
        unlabelled=[drawn("train", 60), drawn("train", 61)],
        **more,
    )
    return train


def rewrite_masks(
    root: Path, *, masks=(), without: set[str] = frozenset(), **changed: bytes
) -> None:
    """Write the masks of `few` anew, some left out, some changed."""
    samples = [*(drawn("train", number) for number in range(6)), drawn("val", 50), *masks]
    values = {
        f"{number}__{side}": data
        for number, sample in enumerate(samples, start=70)
        for side, data in encoded_masks(sample).items()
    }
    for name in ("data.mdb", "lock.mdb"):
        (root / "segm_train_val_mp.lmdb" / name).unlink()
    kept = {key: value for key, value in values.items() if key not in without}
    write_store(root / "segm_train_val_mp.lmdb", kept | changed)


@pytest.fixture(scope="module")
def scenes() -> dict[str, list[MaskedSample]]:
    """Return rendered scenes by what they are written as."""
    return {
        "train": [rendered("train", number) for number in range(4)],
        "val": [rendered("val", 0)],
        "unlabelled": [rendered("train", 10)],
        "submission": [rendered("test", 0)],
        "masks": [rendered("train", 20)],
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, scenes) -> Path:
    """Return a folder in S3's layout with the rendered scenes in it."""
    root = tmp_path_factory.mktemp("s3") / "InterHand2.6M"
    write_layout(root, **scenes)
    return root


def test_renders_in_s3s_layout_come_back_bit_for_bit(root, scenes):
    config = data_config({"name": "interhand_masks", "test_share": 0})
    prepare_data(config, root, processes=1, progress=lambda _done, _total: None)
    data = open_data(config, root)
    assert set(data.splits) == {*SPLITS, SUBMISSION, UNPAIRED_MASKS}
    written = {**scenes, SUBMISSION: scenes["submission"], UNPAIRED_MASKS: scenes["masks"]}
    for split in ("train", "val", "unlabelled", SUBMISSION, UNPAIRED_MASKS):
        assert len(data.splits[split]) == len(written[split])
        for number, expected in enumerate(written[split]):
            found = data.splits[split][number]
            if split == UNPAIRED_MASKS:
                assert found.image is None
            else:
                assert found.key == expected.key
                np.testing.assert_array_equal(found.image, expected.image)
            if split in ("unlabelled", SUBMISSION):
                assert found.masks is None
            else:
                np.testing.assert_array_equal(found.masks, expected.masks)
            assert found.visible is None
    assert data.splits["test"][0].key == scenes["val"][0].key
    assert data.card["counts"]["train"] == 4


def test_every_sample_has_an_id_of_its_own_but_those_that_test_validates(root):
    data = prepared(root)
    ids = [split[n].unique_id for split in data.splits.values() for n in range(len(split))]
    assert len(set(ids)) == len(ids) == 8


def test_the_square_is_the_box_enlarged_about_its_centre(root):
    data = prepared(root)
    np.testing.assert_allclose(data.splits["train"][0].crop_px, [16.0, 16.0, 1.25 * 16.0])


def test_masks_without_picture_are_looked_at_where_the_hands_are(tmp_path):
    sample = drawn("train", 80)
    sample.masks[:] = 0
    sample.masks[0, 4:10, 8:18] = 3
    sample.masks[1, 6:12, 8:10] = 16
    few(tmp_path, masks=[sample])
    found = prepared(tmp_path).splits[UNPAIRED_MASKS][0]
    np.testing.assert_array_equal(found.masks, sample.masks)
    np.testing.assert_allclose(found.crop_px, [13.0, 8.0, 1.25 * 10.0])


def test_test_is_a_share_of_the_moments_that_nothing_is_trained_on(tmp_path):
    few(tmp_path, num_train=20)
    data = prepared(tmp_path, InterHandMasksConfig(test_share=0.3))
    train, test = (
        {data.splits[name][n].key for n in range(len(data.splits[name]))}
        for name in ("train", "test")
    )
    assert (len(train), len(test)) == (14, 6)
    assert not train & test
    other = open_interhand_masks(InterHandMasksConfig(test_share=0.3, split_seed=1), tmp_path)
    assert test != {other.splits["test"][n].key for n in range(6)}
    assert other.digest != data.digest


def test_training_on_both_lists_is_written_on_the_card(tmp_path):
    few(tmp_path)
    data = prepared(tmp_path, InterHandMasksConfig(train_on="trainval", test_share=0))
    assert len(data.splits["train"]) == 7
    assert data.card["val_is_trained_on"]
    assert len(data.splits["unlabelled"]) == 2


def test_small_subsets_are_the_same_thousand_every_time(tmp_path, monkeypatch):
    monkeypatch.setattr("hpe.data.interhand_masks.MINI_SIZE", 3)
    few(tmp_path, num_train=8)
    config = InterHandMasksConfig(train_on="minitrain", unpaired="mini", test_share=0)
    keys = [
        [split[n].key for n in range(len(split))]
        for split in (prepared(tmp_path, config).splits["train"] for _ in range(2))
    ]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 3


def test_pictures_can_be_files_of_their_own(tmp_path):
    train = few(tmp_path)
    base = tmp_path / "InterHand2.6M_5fps_batch0" / "images"
    for sample in [*train, drawn("val", 50), drawn("train", 60), drawn("train", 61)]:
        path = base / f"{sample.key}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(sample.image[..., ::-1]))
    (tmp_path / "interhand.lmdb" / "data.mdb").unlink()
    (tmp_path / "datalist_stud_test.json").unlink()
    data = prepared(tmp_path, InterHandMasksConfig(images="files", test_share=0))
    found = data.splits["train"][2]
    np.testing.assert_array_equal(found.image, train[2].image)
    np.testing.assert_array_equal(found.masks, train[2].masks)
    assert found.key == train[2].key
    assert SUBMISSION not in data.splits


def test_a_store_may_be_one_file_instead_of_a_folder(tmp_path, scenes):
    write_layout(tmp_path / "folders", **scenes)
    train = few(tmp_path / "set")
    store = tmp_path / "set" / "interhand.lmdb"
    (store / "data.mdb").rename(tmp_path / "moved")
    (store / "lock.mdb").unlink()
    store.rmdir()
    (tmp_path / "moved").rename(store)
    data = prepared(tmp_path / "set")
    by_key = {sample.key: sample for sample in train}
    found = data.splits["train"][0]
    np.testing.assert_array_equal(found.image, by_key[found.key].image)


@pytest.mark.parametrize(
    ("hand_type", "accepted"), [("right", True), ("interacting", False), ("left", False)]
)
def test_only_a_hand_that_is_not_there_needs_no_mask(tmp_path, hand_type, accepted):
    train = few(tmp_path)
    entries = json.loads((tmp_path / "datalist_train_mp.json").read_text())
    entries[0]["hand_type"] = hand_type
    (tmp_path / "datalist_train_mp.json").write_text(json.dumps(entries))
    rewrite_masks(tmp_path, without={"70__l"})
    if not accepted:
        with pytest.raises(ValueError, match=r"1 of 6 pictures cannot be read.*\(no mask\)"):
            prepared(tmp_path)
        return
    data = prepared(tmp_path, InterHandMasksConfig(test_share=0))
    found = data.splits["train"][0].masks
    assert not found[0].any()
    np.testing.assert_array_equal(found[1], train[0].masks[1])


SMALL_MASK = encoded(np.zeros((PX, PX - 1, 3), np.uint8))
wrong_masks = pytest.mark.parametrize(
    ("mask", "fault"),
    [
        (encoded(np.full((PX, PX, 3), 16, np.uint8)), "mask of other labels"),
        (encoded(np.full((PX, PX, 3), 33, np.uint8)), "mask of other labels"),
        (encoded(np.zeros((PX, PX), np.uint16)), "mask cannot be decoded"),
        (b"", "mask cannot be decoded"),
        (SMALL_MASK, "mask of another size"),
    ],
    ids=["a right hand's", "too high", "16 bits", "empty", "size"],
)


@wrong_masks
def test_a_wrong_mask_without_picture_is_counted_and_left_out_by_budget(tmp_path, mask, fault):
    masks = [drawn("train", number) for number in range(80, 85)]
    few(tmp_path, masks=masks)
    rewrite_masks(tmp_path, masks=masks, **{"78__l": mask})
    with pytest.raises(ValueError, match=rf"1 of 5.*78 \({fault}\)"):
        prepared(tmp_path)
    data = prepared(tmp_path, InterHandMasksConfig(max_bad_share=0.2, test_share=0))
    assert data.card["left_out_pictures"] == {fault: 1}
    kept = [data.splits[UNPAIRED_MASKS][row].masks for row in range(4)]
    wanted = [sample.masks for sample in (masks[0], *masks[2:])]
    np.testing.assert_array_equal(kept, wanted)


@wrong_masks
def test_a_wrong_mask_of_a_left_hand_is_counted_and_left_out_by_budget(tmp_path, mask, fault):
    few(tmp_path)
    rewrite_masks(tmp_path, **{"72__l": mask})
    with pytest.raises(ValueError, match=rf"1 of 6 pictures.*image2\.jpg \({fault}\)"):
        prepared(tmp_path)
    data = prepared(tmp_path, InterHandMasksConfig(max_bad_share=0.2, test_share=0))
    assert len(data.splits["train"]) == 5
    assert data.card["left_out_pictures"] == {fault: 1}
    keys = [data.splits["train"][n].key[-1] for n in range(5)]
    assert keys == ["0", "1", "3", "4", "5"]


def change_entries(root: Path, **changes) -> None:
    """Change what the training list says of its second picture."""
    entries = json.loads((root / "datalist_train_mp.json").read_text())
    entries[1].update(changes)
    (root / "datalist_train_mp.json").write_text(json.dumps(entries))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"bbox": [1, 2, 0, 4]}, "no box"),
        ({"bbox": None}, "no box"),
        ({"bbox": ["a", 1, 2, 3]}, "no box"),
        ({"bbox": [[1], 1, 2, 3]}, "no box"),
        ({"img_path": ""}, "missing"),
        ({"img_path": "./data/InterHand2.6M/images/.."}, "missing"),
        ({"img_path": "./data/InterHand2.6M/images/train/other.jpg"}, "missing"),
        (
            {"img_path": "./data/InterHand2.6M/images/train/Capture0/ROM/cam400002/image60.jpg"},
            "no id",
        ),
    ],
    ids=["flat box", "no box", "no number", "lists", "no path", "no name", "no picture", "no id"],
)
def test_a_wrong_entry_is_counted_and_left_out_by_budget(tmp_path, change, fault):
    few(tmp_path)
    change_entries(tmp_path, **change)
    with pytest.raises(ValueError, match=rf"1 of 6 pictures.*\({fault}\)"):
        prepared(tmp_path)
    data = prepared(tmp_path, InterHandMasksConfig(max_bad_share=0.2, test_share=0))
    assert data.card["left_out_pictures"] == {fault: 1}


def test_a_list_of_something_else_is_refused(tmp_path):
    few(tmp_path)
    (tmp_path / "datalist_val_mp.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"datalist_val_mp\.json: no list of .* entry 0"):
        prepared(tmp_path)
    (tmp_path / "datalist_val_mp.json").write_text("[]")
    with pytest.raises(ValueError, match=r"datalist_val_mp\.json: must list at least one picture"):
        prepared(tmp_path)
    (tmp_path / "datalist_val_mp.json").write_text("{}")
    with pytest.raises(ValueError, match="must hold a list, got a dict"):
        prepared(tmp_path)


def test_a_picture_that_is_listed_twice_is_counted_and_left_out_by_budget(tmp_path):
    few(tmp_path)
    path = tmp_path / "datalist_train_mp.json"
    entries = json.loads(path.read_text())
    path.write_text(json.dumps([*entries, {**entries[2], "bbox": [0, 0, 4, 4]}]))
    with pytest.raises(ValueError, match=r"1 of 6 pictures.*image2\.jpg \(listed twice\)"):
        prepared(tmp_path)
    data = prepared(tmp_path, InterHandMasksConfig(max_bad_share=0.2, test_share=0))
    assert [data.splits["train"][n].key[-1] for n in range(5)] == ["0", "1", "3", "4", "5"]
    assert data.card["left_out_pictures"] == {"listed twice": 1}


def test_no_camera_of_a_moment_that_is_tested_on_is_among_the_pictures_without_masks(tmp_path):
    few(tmp_path)
    path = tmp_path / "datalist_train_complete.json"
    entries = json.loads(path.read_text())
    trained = json.loads((tmp_path / "datalist_train_mp.json").read_text())
    for entry, seen in zip(entries[6:], trained, strict=False):
        entry.update({name: seen[name] for name in ("capture", "frame")})
    path.write_text(json.dumps(entries))
    beside = {f"train/Capture0/ROM/cam400002/image{n}": n - 60 for n in (60, 61)}
    prepared(tmp_path)
    for seed in range(4):
        config = InterHandMasksConfig(test_share=0.5, split_seed=seed)
        splits = open_interhand_masks(config, tmp_path).splits
        tested = {int(splits["test"][n].key[-1]) for n in range(len(splits["test"]))}
        found = {splits["unlabelled"][n].key for n in range(len(splits["unlabelled"]))}
        assert found == {key for key, moment in beside.items() if moment not in tested}
    assert tested


@pytest.mark.parametrize(("train_on", "left"), [("train", 1), ("trainval", 2)])
def test_no_camera_of_a_moment_that_is_validated_on_is_either(tmp_path, train_on, left):
    few(tmp_path)
    path = tmp_path / "datalist_train_complete.json"
    entries = json.loads(path.read_text())
    (validated,) = json.loads((tmp_path / "datalist_val_mp.json").read_text())
    entries[-1].update({name: validated[name] for name in ("capture", "frame")})
    path.write_text(json.dumps(entries))
    splits = prepared(tmp_path, InterHandMasksConfig(train_on=train_on, test_share=0)).splits
    assert len(splits["unlabelled"]) == left


def test_lists_that_are_pickles_are_not_read_and_the_command_is_told(tmp_path):
    few(tmp_path)
    for name in ("datalist_train_mp", "path2id_val"):
        (tmp_path / f"{name}.json").rename(tmp_path / f"{name}.pt")
    command = rf"python sweep/convert\.py --trust {tmp_path}/"
    with pytest.raises(ValueError, match=f"{command}datalist_train_mp.pt; {command}path2id_val.pt"):
        prepared(tmp_path)


def test_a_folder_without_the_stores_is_refused_with_what_was_looked_for(tmp_path):
    few(tmp_path)
    (tmp_path / "segm_train_val_mp.lmdb" / "data.mdb").unlink()
    with pytest.raises(ValueError, match=r"missing segm_train_val_mp\.lmdb/data\.mdb"):
        prepared(tmp_path)


def test_a_file_that_is_no_lmdb_is_refused(tmp_path):
    few(tmp_path)
    (tmp_path / "interhand.lmdb" / "data.mdb").write_bytes(b"no such thing" * 1000)
    with pytest.raises(ValueError, match=r"interhand\.lmdb cannot be read as an LMDB"):
        prepared(tmp_path)


def fail(_source):
    """Do not parse."""
    raise AssertionError("the index should have served")


def test_a_kept_index_serves_until_a_file_changes(tmp_path, monkeypatch):
    few(tmp_path)
    before = prepared(tmp_path).digest
    entries = (tmp_path / "datalist_train_mp.json").read_text()
    monkeypatch.setattr("hpe.data.interhand_masks.parse_list", fail)
    assert open_interhand_masks(STRICT, tmp_path).digest == before
    monkeypatch.undo()
    (tmp_path / "datalist_train_mp.json").write_text(entries.replace('"ROM"', '"ROW"'))
    assert open_interhand_masks(STRICT, tmp_path).digest != before


def test_a_mask_that_is_gone_after_preparing_is_an_unreadable_sample(tmp_path):
    few(tmp_path)
    data = prepared(tmp_path)
    split = data.splits["train"]
    split.index.arrays["mask_id"][:] = b"99"
    with pytest.raises(UnreadableSample, match="masks 99: no mask"):
        split[0]


def first_mask(split) -> np.ndarray:
    """Return a mask, in whatever process this runs."""
    return split[0].masks


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_what_this_one_has_open(root, method):
    split = prepared(root).splits["train"]
    here = first_mask(split)
    with multiprocessing.get_context(method).Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(first_mask, (split,)), here)


def test_a_split_is_pickled_without_its_stores(root):
    split = prepared(root).splits["val"]
    sent = pickle.dumps(split)
    assert len(sent) < 20_000 < (root / "interhand.lmdb" / "data.mdb").stat().st_size
    np.testing.assert_array_equal(pickle.loads(sent)[0].image, split[0].image)  # noqa: S301


@pytest.mark.parametrize("bad", [{"test_share": 1.0}, {"margin": 0.5}, {"train_on": "all"}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValidationError):
        InterHandMasksConfig(**bad)


def test_pictures_are_rgb_though_opencv_writes_bgr(tmp_path):
    few(tmp_path)
    data = prepared(tmp_path)
    stored = data.splits["val"][0].image
    np.testing.assert_array_equal(stored, drawn("val", 50).image)
    assert not np.array_equal(stored, cv2.cvtColor(stored, cv2.COLOR_RGB2BGR))

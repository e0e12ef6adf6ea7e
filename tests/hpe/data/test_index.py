import os
import shutil

import cv2
import numpy as np
import pytest

from hpe.data.folder import FolderSplit, as_names
from hpe.data.hands import flat_sample, mirrored
from hpe.data.index import Source, left_out, read_index, whole_rows, write_index

NUM_PICTURES = 6


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "set" / "pictures" / "deep"
    folder.mkdir(parents=True)
    for number in range(NUM_PICTURES):
        grey = np.full((8, 8, 3), number, np.uint8)
        assert cv2.imwrite(str(folder / f"{number}.jpg"), grey)
    (tmp_path / "set" / "labels.json").write_text("labels")
    return tmp_path / "set"


def source_of(root, **made_as):
    return Source(
        data_set="A set",
        root=root,
        name="set",
        annotations=[root / "labels.json"],
        home_page="https://example.org",
        made_as=made_as,
    )


def parse():
    return {
        "picture": as_names([f"pictures/deep/{number}.jpg" for number in range(NUM_PICTURES)]),
        "unique_id": np.arange(NUM_PICTURES) // 2,
        "value": np.linspace(0, 1, NUM_PICTURES),
    }


def fail():
    raise AssertionError("the index should have served")


def rows():
    return np.arange(NUM_PICTURES)


def test_a_kept_index_is_the_one_that_was_made(root):
    made = read_index(source_of(root), parse)
    write_index(made)
    kept = read_index(source_of(root), fail)
    assert (kept.digest, kept.faults) == (made.digest, made.faults)
    assert kept.arrays.keys() == made.arrays.keys()
    for name, values in made.arrays.items():
        np.testing.assert_array_equal(kept.arrays[name], values)


def rewrite_annotations(root):
    (root / "labels.json").write_text("other labels")


def add_picture(root):
    (root / "pictures" / "deep" / "9.jpg").write_bytes(b"")


def replace_picture(root):
    path = root / "pictures" / "deep" / "3.jpg"
    path.unlink()
    path.write_bytes(b"no picture")


def remove_folder(root):
    shutil.rmtree(root / "pictures")


@pytest.mark.parametrize(
    "change", [rewrite_annotations, add_picture, replace_picture, remove_folder]
)
def test_an_index_is_made_anew_once_its_files_changed(root, change):
    write_index(read_index(source_of(root), parse))
    change(root)
    with pytest.raises(AssertionError, match="should have served"):
        read_index(source_of(root), fail)


def test_an_index_is_made_anew_under_other_settings(root):
    write_index(read_index(source_of(root, tips=1), parse))
    with pytest.raises(AssertionError, match="should have served"):
        read_index(source_of(root, tips=2), fail)


def test_a_cut_off_index_is_not_used(root):
    write_index(read_index(source_of(root), parse))
    path = source_of(root).path
    path.write_bytes(path.read_bytes()[:200])
    assert len(read_index(source_of(root), parse)) == NUM_PICTURES


def test_the_digest_follows_annotations_pictures_and_settings_and_not_the_place(root, tmp_path):
    def digest(folder=root, **made_as):
        return read_index(source_of(folder, **made_as), parse).digest

    digests = [digest()]
    assert digest(shutil.copytree(root, tmp_path / "copy")) == digests[0]
    digests.append(digest(format=2))
    rewrite_annotations(root)
    digests.append(digest())
    path = root / "pictures" / "deep" / "3.jpg"
    path.write_bytes(path.read_bytes() + b" ")
    digests.append(digest())
    path.write_bytes(b"x" * path.stat().st_size)  # as large, and broken
    digests.append(digest())
    assert len(set(digests)) == len(digests)


def test_broken_and_missing_pictures_are_left_out_within_the_budget_and_counted(root):
    replace_picture(root)
    (root / "pictures" / "deep" / "5.jpg").unlink()
    index = read_index(source_of(root), parse)
    assert whole_rows(index, rows(), max_bad_share=2 / 6).tolist() == [0, 1, 2, 4]
    assert left_out({"part": (index, rows())}) == {
        "left_out_pictures": {"no JPEG": 1, "missing": 1},
        "left_out_first": {
            "pictures/deep/3.jpg": "no JPEG",
            "pictures/deep/5.jpg": "missing",
        },
    }


def test_more_of_them_are_refused_with_counts_names_and_the_way_out(root):
    replace_picture(root)
    (root / "pictures" / "deep" / "5.jpg").unlink()
    index = read_index(source_of(root), parse)
    with pytest.raises(
        ValueError,
        match=r"2 of 6 pictures cannot be read, more than the share of 0\.3 .* "
        r"pictures/deep/3\.jpg \(no JPEG\), pictures/deep/5\.jpg \(missing\)\. Unpack .* raise "
        r"data/max_bad_share",
    ):
        whole_rows(index, rows(), max_bad_share=0.3)


def test_only_pictures_that_are_asked_for_count_against_the_budget(root):
    replace_picture(root)
    index = read_index(source_of(root), parse)
    assert whole_rows(index, np.array([0, 1, 4]), max_bad_share=0.0).tolist() == [0, 1, 4]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_stays_as_it_is(root):
    root.chmod(0o555)
    write_index(read_index(source_of(root), parse))
    assert not source_of(root).path.exists()
    root.chmod(0o755)


def test_progress_ends_with_all_pictures(root):
    told = []
    read_index(source_of(root), parse, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, NUM_PICTURES), (NUM_PICTURES, NUM_PICTURES)]


def read_flat(index, row):
    keypoints_px = np.linspace(0, 8, 42).reshape(21, 2)
    return flat_sample(
        np.full((8, 8, 3), row, np.uint8),
        keypoints_px,
        visible=np.arange(21) != 4,
        unique_id=int(index.arrays["unique_id"][row]),
    )


def test_a_split_moves_unique_ids_behind_those_of_other_parts(root):
    split = FolderSplit(read_index(source_of(root), parse), np.array([1, 4]), read_flat, 10)
    assert split.unique_ids.tolist() == [split[0].unique_id, split[1].unique_id] == [10, 12]
    with pytest.raises(IndexError):
        split[2]


def test_mirroring_twice_gives_the_sample_back_and_once_its_mirror_image(root):
    sample = read_flat(read_index(source_of(root), parse), 0)
    once, twice = mirrored(sample), mirrored(mirrored(sample))
    np.testing.assert_allclose(once.keypoints_px, sample.keypoints_px * [-1, 1] + [8, 0])
    projected = once.joints_m @ once.intrinsics.T
    np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], once.keypoints_px)
    np.testing.assert_allclose(twice.joints_m, sample.joints_m)
    np.testing.assert_allclose(twice.intrinsics, sample.intrinsics)

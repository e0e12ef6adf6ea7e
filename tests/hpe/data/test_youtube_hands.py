import json

import cv2
import numpy as np
import pytest

from hpe.data import youtube_hands
from hpe.data.mesh_joints import TIPS
from hpe.data.opened import SPLITS
from hpe.data.youtube_hands import (
    YoutubeHandsConfig,
    open_youtube_hands,
    prepare_youtube_hands,
)
from hpe.geometry.camera import project
from hpe.geometry.skeleton import MANO_FROM_FREIHAND

SIDE_PX = 32
IMAGES = {"train": 5, "val": 2, "test": 3}


def mesh_of(keypoints_px):
    """Return vertices of which `REGRESSOR` and `TIPS` make these keypoints."""
    vertices = np.full((778, 3), 1e3)
    mano = keypoints_px[list(MANO_FROM_FREIHAND)]
    vertices[: 2 * 16, :2] = np.repeat(mano[:16], 2, axis=0) + np.tile([[3, 0], [-3, 0]], (16, 1))
    vertices[list(TIPS), :2] = mano[16:]
    return vertices


REGRESSOR = np.zeros((16, 778))
for joint in range(16):
    REGRESSOR[joint, [2 * joint, 2 * joint + 1]] = 0.5


def keypoints_of(part, number):
    return np.random.default_rng([len(part), number]).uniform(2, SIDE_PX - 2, (21, 2))


def write_youtube(root, *, annotated_px=SIDE_PX):
    (root / "data").mkdir(parents=True)
    for part, count in IMAGES.items():
        pictures = []
        for number in range(count):
            picture = np.full((SIDE_PX, SIDE_PX, 3), 20 * number, np.uint8)
            picture[:, : SIDE_PX // 2, 2] += 100  # red on the left
            pictures.append(picture)
        hands = [keypoints_of(part, number) * annotated_px / SIDE_PX for number in range(count)]
        write_part(root, part, pictures, hands, [n % 2 == 1 for n in range(count)], annotated_px)
    np.savez(root / "mano_joint_regressor.npz", REGRESSOR)
    return root


def write_part(root, part, pictures, hands, is_left, annotated_px):
    images, annotations = [], []
    for number, (picture, keypoints_px) in enumerate(zip(pictures, hands, strict=True)):
        name = f"youtube/{part}{number}/video/frames/{number}.png"
        path = (root / "data" / name).with_suffix(".jpg")
        path.parent.mkdir(parents=True)
        assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
        images.append(
            {"name": name, "width": annotated_px, "height": annotated_px, "id": 7 + number}
        )
        annotations.append(
            {
                "vertices": mesh_of(keypoints_px).tolist(),
                "is_left": int(is_left[number]),
                "image_id": 7 + number,
                "id": number,
            }
        )
    content = {"images": images, "annotations": annotations}
    (root / "data" / f"youtube_{part}.json").write_text(json.dumps(content))


@pytest.fixture
def root(tmp_path):
    return write_youtube(tmp_path / "youtube_3d_hands")


def samples_of(data, *names):
    return [data.splits[name][k] for name in names for k in range(len(data.splits[name]))]


def test_offers_every_split_with_the_official_validation_part(root):
    data = open_youtube_hands(YoutubeHandsConfig(), root)
    assert {name: len(data.splits[name]) for name in SPLITS} == data.card["counts"]
    assert data.card["counts"] == {"unlabelled": 4, "train": 4, "val": 2, "test": 1}
    names = ("train", "val", "test")
    ids = [number for name in names for number in data.splits[name].unique_ids.tolist()]
    assert sorted(ids) == list(range(7))
    assert [sample.unique_id for sample in samples_of(data, *names)] == ids


def test_the_official_test_part_takes_part_only_when_final(root):
    data = open_youtube_hands(YoutubeHandsConfig(final=True), root)
    assert data.splits["val"].unique_ids.tolist() == [5, 6]
    assert data.splits["test"].unique_ids.tolist() == [7, 8, 9]


@pytest.mark.parametrize("annotated_px", [SIDE_PX, 2.5 * SIDE_PX])
def test_keypoints_are_the_meshes_at_the_frames_size_and_left_hands_are_mirrored(
    tmp_path, annotated_px
):
    root = write_youtube(tmp_path / "youtube", annotated_px=annotated_px)
    for sample in samples_of(open_youtube_hands(YoutubeHandsConfig(), root), "train", "test"):
        expected = keypoints_of("train", sample.unique_id)
        is_left = sample.unique_id % 2 == 1
        if is_left:
            expected[:, 0] = SIDE_PX - expected[:, 0]
        np.testing.assert_allclose(sample.keypoints_px, expected)
        np.testing.assert_allclose(project(sample.joints_m, sample.intrinsics), sample.keypoints_px)
        assert (sample.image[0, 2, 0] > sample.image[0, -3, 0]) != is_left
        assert not sample.has_depth


def test_a_frame_kept_under_its_png_name_is_found(root):
    jpg = next((root / "data" / "youtube" / "train0").rglob("*.jpg"))
    picture = np.full((SIDE_PX, SIDE_PX, 3), 77, np.uint8)
    assert cv2.imwrite(str(jpg.with_suffix(".png")), picture)
    jpg.unlink()
    samples = samples_of(open_youtube_hands(YoutubeHandsConfig(), root), "train", "test")
    (found,) = [sample for sample in samples if sample.unique_id == 0]
    assert (found.image == 77).all()


def test_videos_that_are_gone_are_left_out_within_the_budget(root):
    next((root / "data" / "youtube" / "train2").rglob("*.jpg")).unlink()
    with pytest.raises(ValueError, match=r"1 of 5 pictures cannot be read.*2\.jpg \(missing\)"):
        open_youtube_hands(YoutubeHandsConfig(), root)
    data = open_youtube_hands(YoutubeHandsConfig(max_bad_share=0.2), root)
    assert data.card["left_out_pictures"] == {"missing": 1}
    assert len(samples_of(data, "train", "test")) == IMAGES["train"] - 1


def test_the_digest_follows_what_the_regressor_holds_and_not_where_it_lies(root, monkeypatch):
    def digest(**settings):
        return open_youtube_hands(YoutubeHandsConfig(**settings), root).digest

    before = digest()
    prepare_youtube_hands(
        YoutubeHandsConfig(), root, processes=1, progress=lambda done, total: None
    )
    np.save(root / "same.npy", REGRESSOR)
    np.save(root / "other.npy", 0.5 * REGRESSOR)
    assert digest(regressor="other.npy") != before
    assert digest(tips=(744, 320, 443, 554, 671)) != before
    monkeypatch.setattr(youtube_hands, "_parse", None)  # the index knows
    assert digest(regressor="same.npy") == before


def test_refuses_a_folder_without_regressor(root):
    (root / "mano_joint_regressor.npz").unlink()
    with pytest.raises(ValueError, match=r"mano_joint_regressor\.npz must be a file.*16 x 778"):
        open_youtube_hands(YoutubeHandsConfig(), root)


@pytest.mark.parametrize("tips", [(1, 2, 3, 4, 4), (1, 2, 3, 4, 778)])
def test_refuses_tips_that_are_not_five_vertices(tips):
    with pytest.raises(ValueError, match=r"five different vertices in 0 \.\.\. 777"):
        YoutubeHandsConfig(tips=tips)


def test_refuses_annotations_of_another_form(root):
    path = root / "data" / "youtube_val.json"
    path.write_text(json.dumps({"images": [], "annotations": [{"vertices": [1, 2]}]}))
    with pytest.raises(ValueError, match=r"youtube_val\.json must hold images \(name, width"):
        open_youtube_hands(YoutubeHandsConfig(), root)


@pytest.mark.slow
def test_renders_come_back_and_left_twins_equal_their_right_ones(rendered_right_hands, tmp_path):
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "mano_joint_regressor.npz", REGRESSOR)
    pictures, hands = [], []
    for render in rendered_right_hands:
        pictures += [render.image[:, :, ::-1], render.image[:, ::-1, ::-1]]
        flipped = render.keypoints_px * [-1, 1] + [render.image.shape[1], 0]
        hands += [render.keypoints_px, flipped]
    side_px = pictures[0].shape[0]
    for part in ("train", "val"):
        write_part(
            tmp_path, part, pictures, hands, [False, True] * len(rendered_right_hands), side_px
        )
    data = open_youtube_hands(YoutubeHandsConfig(), tmp_path)
    for sample in samples_of(data, "train", "test"):
        render = rendered_right_hands[sample.unique_id // 2]
        np.testing.assert_allclose(sample.keypoints_px, render.keypoints_px)
        assert np.abs(sample.image.astype(int) - render.image).mean() < 6
        on_hand = cv2.dilate(render.foreground.astype(np.uint8), np.ones((5, 5)))
        u, v = sample.keypoints_px[render.visible].astype(int).T
        assert on_hand[v, u].mean() > 0.9

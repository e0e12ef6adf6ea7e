import json

import cv2
import numpy as np
import pytest

from hpe.augment.appearance import ColorDrop
from hpe.augment.composition import CompositionConfig, build_composition
from hpe.data.freihand import FreiHandConfig, open_freihand
from hpe.data.rendered_hands import (
    RenderedHandsConfig,
    open_rendered_hands,
    prepare_rendered_hands,
)

PHOTOGRAPHS = 3
BACKGROUNDS = ((30, 160, 60), (200, 40, 40), (40, 40, 200), (220, 210, 60))


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    """Rendered right hands at FreiHAND's size."""
    folder = tmp_path_factory.mktemp("renders")
    config = RenderedHandsConfig(
        image_px=224, unlabelled=1, train=PHOTOGRAPHS, val=1, test=1, seed=3
    )
    prepare_rendered_hands(config, folder, processes=1, progress=lambda done, total: None)
    split = open_rendered_hands(config, folder).splits["train"]
    return [split[index] for index in range(PHOTOGRAPHS)]


@pytest.fixture(scope="module")
def samples(renders, tmp_path_factory):
    """The renders written as FreiHAND's files, before four backgrounds, and read back."""
    root = tmp_path_factory.mktemp("freihand")
    rgb, mask = root / "training" / "rgb", root / "training" / "mask"
    rgb.mkdir(parents=True)
    mask.mkdir()
    for photograph, render in enumerate(renders):
        for version, colour in enumerate(BACKGROUNDS):
            picture = np.where(render.foreground[:, :, None], render.image, np.uint8(colour))
            write(rgb, version * PHOTOGRAPHS + photograph, picture[:, :, ::-1])
        write(mask, photograph, render.foreground.astype(np.uint8) * 255)
    for kind, values in (
        ("xyz", [render.joints_m.tolist() for render in renders]),
        ("K", [render.intrinsics.tolist() for render in renders]),
    ):
        (root / f"training_{kind}.json").write_text(json.dumps(values))
    splits = open_freihand(FreiHandConfig(), root).splits
    return [
        splits[name][index]
        for name in ("train", "val", "test")
        for index in range(len(splits[name]))
    ]


def write(folder, number, picture):
    assert cv2.imwrite(str(folder / f"{number:08d}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])


@pytest.mark.slow
def test_every_version_of_every_render_comes_back(samples):
    ids = [sample.unique_id for sample in samples]
    assert sorted(ids) == sorted([*range(PHOTOGRAPHS)] * 4)


@pytest.mark.slow
def test_keypoints_and_mask_are_the_renderers(renders, samples):
    for sample in samples:
        render = renders[sample.unique_id]
        np.testing.assert_allclose(sample.keypoints_px, render.keypoints_px, atol=0.05)
        assert (sample.foreground != render.foreground).mean() < 0.002  # masks are JPEG files


@pytest.mark.slow
def test_the_hand_is_the_same_in_every_version_and_the_background_is_not(renders, samples):
    for sample in samples:
        render = renders[sample.unique_id]
        inside = cv2.erode(render.foreground.astype(np.uint8), np.ones((9, 9))).astype(bool)
        difference = np.abs(sample.image[inside].astype(float) - render.image[inside])
        assert difference.mean() < 6
    backgrounds = {tuple(sample.image[~sample.foreground][0] // 16) for sample in samples}
    assert len(backgrounds) == len(BACKGROUNDS)


@pytest.mark.slow
def test_views_of_it_can_be_made(samples):
    config = CompositionConfig(color_drop=ColorDrop(enabled=True, prob=1.0))
    composition = build_composition(config, image_px=64)
    for sample in samples:
        view = composition(sample, np.random.default_rng(0))
        assert np.ptp(view.image, axis=2).max() == 0
        assert ((view.keypoints_px > 0) & (view.keypoints_px < 64)).all()

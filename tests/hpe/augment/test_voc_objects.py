import cv2
import numpy as np
import pytest

from hpe.augment.voc_objects import (
    palette_color,
    read_voc_objects,
    require_voc_layout,
    voc_files,
)

OBJECT = """<object><name>{name}</name>
<truncated>{truncated}</truncated><difficult>{difficult}</difficult>
<bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox>
</object>"""


def write_picture(folder, stem, objects, *, segmented=1, size=(120, 160)):
    """Write a picture in VOC's layout; each object's mask is its box without a rim of 2 px."""
    for name in ("Annotations", "JPEGImages", "SegmentationObject"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    image = np.zeros((*size, 3), np.uint8)
    masks = np.zeros((*size, 3), np.uint8)
    entries = []
    for number, settings in enumerate(objects, start=1):
        entry = {"name": "chair", "truncated": 0, "difficult": 0, **settings}
        left, top, right, bottom = entry["box"]
        image[top:bottom, left:right] = entry.get("color", (200, 60, 30))
        masks[top + 2 : bottom - 2, left + 2 : right - 2] = palette_color(number)
        entries.append(OBJECT.format(**entry))
    text = f"<annotation><segmented>{segmented}</segmented>{''.join(entries)}</annotation>"
    (folder / "Annotations" / f"{stem}.xml").write_text(text)
    cv2.imwrite(str(folder / "JPEGImages" / f"{stem}.jpg"), image[:, :, ::-1])
    cv2.imwrite(str(folder / "SegmentationObject" / f"{stem}.png"), masks[:, :, ::-1])


@pytest.mark.parametrize(
    ("index", "color"),
    [
        (0, (0, 0, 0)),
        (1, (128, 0, 0)),
        (2, (0, 128, 0)),
        (3, (128, 128, 0)),
        (4, (0, 0, 128)),
        (8, (64, 0, 0)),
        (15, (192, 128, 128)),
        (20, (0, 64, 128)),
        (255, (224, 224, 192)),
    ],
)
def test_the_palette_is_vocs(index, color):
    assert palette_color(index) == color


def test_an_object_is_its_box_at_half_size_with_a_weaker_border(tmp_path):
    write_picture(tmp_path, "2008_000001", [{"box": (20, 30, 100, 90)}])
    (cutout,) = read_voc_objects(tmp_path)
    assert cutout.shape == (30, 40, 4)
    np.testing.assert_allclose(cutout[15, 20], (200, 60, 30, 255), atol=4)
    assert cutout[15, 20, 3] == 255
    assert cutout[15, 0, 3] == 0  # the rim of 2 px that the mask leaves out
    assert cutout[15, 1, 3] == 192  # within the erosion's reach
    assert cutout[15, 4, 3] == 255


def test_the_eroded_border_is_as_wide_as_half_of_eight_pixels(tmp_path):
    write_picture(tmp_path, "a", [{"box": (20, 30, 100, 90)}])
    (cutout,) = read_voc_objects(tmp_path)
    row = cutout[15, :, 3]
    weak_px = 2 * ((row > 0) & (row < 255)).sum()  # at half size
    assert 7 <= weak_px <= 8 + 2


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "person"},
        {"difficult": 1},
        {"truncated": 1},
        {"box": (10, 10, 36, 36)},  # 22 x 22 px of mask, fewer than 500
    ],
    ids=["person", "difficult", "truncated", "small"],
)
def test_what_the_reference_leaves_out_is_left_out(tmp_path, settings):
    kept = {"box": (80, 60, 150, 110), "color": (10, 200, 10)}
    write_picture(tmp_path, "a", [{"box": (10, 10, 60, 60)} | settings, kept])
    (cutout,) = read_voc_objects(tmp_path)
    assert cutout.shape == (25, 35, 4)
    assert cutout[12, 17, 1] > 180


def test_pictures_without_instance_masks_are_left_out(tmp_path):
    write_picture(tmp_path, "a", [{"box": (10, 10, 60, 60)}], segmented=0)
    assert list(read_voc_objects(tmp_path)) == []


def test_objects_come_by_picture_and_by_place_in_it(tmp_path):
    for stem, width in (("b", 60), ("a", 40)):
        boxes = [{"box": (0, 0, width, 50)}, {"box": (80, 50, 80 + width + 8, 110)}]
        write_picture(tmp_path, stem, boxes)
    widths = [cutout.shape[1] for cutout in read_voc_objects(tmp_path)]
    assert widths == [20, 24, 30, 34]


def test_another_layout_is_refused_with_what_is_missing(tmp_path):
    (tmp_path / "JPEGImages").mkdir()
    with pytest.raises(FileNotFoundError, match="there is no Annotations, SegmentationObject"):
        require_voc_layout(tmp_path)


def test_a_mask_of_another_size_is_refused(tmp_path):
    write_picture(tmp_path, "a", [{"box": (10, 10, 60, 60)}])
    cv2.imwrite(str(tmp_path / "SegmentationObject" / "a.png"), np.zeros((60, 80, 3), np.uint8))
    with pytest.raises(ValueError, match=r"equally large, got \(160, 120\) and \(80, 60\)"):
        list(read_voc_objects(tmp_path))


def test_the_files_of_a_folder_are_those_that_objects_are_cut_out_of(tmp_path):
    write_picture(tmp_path, "2008_000001", [{"box": (20, 30, 100, 90)}])
    (tmp_path / "JPEGImages" / "2008_000002.jpg").write_bytes(b"a picture without a mask")
    (tmp_path / "Annotations" / "2008_000002.xml").write_text("<annotation/>")
    (tmp_path / "SegmentationObject" / "2008_000003.png").write_bytes(b"a mask of nothing")
    assert [path.relative_to(tmp_path).as_posix() for path in voc_files(tmp_path)] == [
        "Annotations/2008_000001.xml",
        "Annotations/2008_000002.xml",
        "JPEGImages/2008_000001.jpg",
        "SegmentationObject/2008_000001.png",
    ]


def test_a_folder_that_nothing_can_be_cut_out_of_is_refused_unread(tmp_path):
    write_picture(tmp_path, "2008_000001", [{"box": (20, 30, 100, 90)}])
    (tmp_path / "JPEGImages" / "2008_000001.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"pictures that are missing: 2008_000001\.jpg\."):
        voc_files(tmp_path)
    (tmp_path / "SegmentationObject" / "2008_000001.png").unlink()
    with pytest.raises(FileNotFoundError, match="no picture with both an annotation and a mask"):
        voc_files(tmp_path)

import gzip
import json

import cv2
import numpy as np
import pytest
import torch

from hpe.augment.geometric import robust_poses
from hpe.evaluation.axis_model import load_axis_model, predict_pictures
from hpe.evaluation.course_submission import (
    predict_test_pictures,
    read_test_pictures,
    write_test_predictions,
)
from hpe.geometry.axis_bins import S2_BOXES
from hpe.models.axis_decoders import DecoderConfig, build_decoder
from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.phases.axis_scores import crops_in_pose, predicted_hands
from hpe.phases.encoder_decoder_config import TargetConfig
from hpe.phases.phase import Artifacts

ENCODER = EncoderConfig(width=4)
DECODER = DecoderConfig(width=4, blocks=2)
SIDE_PX = 40


def artifacts(**target):
    encoder = build_encoder(ENCODER, seed=0)
    decoder = build_decoder(DECODER, channels=encoder.pyramid_channels, seed=0)
    for axis in decoder.axes.values():
        axis.weight.data.mul_(30)  # so that pictures make a difference
    return Artifacts(
        tensors={"encoder": encoder.state_dict(), "decoder": decoder.state_dict()},
        facts={
            "encoder": ENCODER.model_dump(mode="json"),
            "decoder": DECODER.model_dump(mode="json"),
            "target": TargetConfig(**target).model_dump(mode="json"),
            "image_px": SIDE_PX,
        },
    )


def model(**target):
    return load_axis_model(artifacts(**target), torch.device("cpu"))


@pytest.mark.parametrize("frame", ["principal_point", "picture"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_predicted_from_the_views_that_training_scores(rendered, frame, mirrored):
    split, net = rendered.splits["val"], model(frame=frame)
    samples = [split[index] for index in range(2)]
    found = predict_pictures(
        net,
        [sample.image for sample in samples],
        np.stack([sample.intrinsics for sample in samples]),
        rotations=3,
        mirrored=mirrored,
    )
    views = [
        predicted_hands(
            crops_in_pose(split, range(2), image_px=SIDE_PX, frame=frame, pose=pose),
            net.points,
            net.space,
        )["hands_m"]
        for pose in robust_poses(rotations=3, mirrored=mirrored)
    ]
    assert (views[0] - views[1]).abs().max() > 1e-4
    torch.testing.assert_close(found, torch.stack(views).mean(dim=0), rtol=1e-5, atol=1e-7)


def test_a_network_for_crops_of_hands_cannot_be_asked_about_pictures():
    picture = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(ValueError, match="train with target/frame=principal_point"):
        predict_pictures(model(), [picture], np.eye(3)[None])
    with pytest.raises(ValueError, match="lengths of a bone, whose length is not given"):
        predict_pictures(model(frame="picture", unit="bone"), [picture], np.eye(3)[None])


def test_what_is_no_encoder_decoder_is_refused():
    with pytest.raises(ValueError, match="missing: decoder, the fact target"):
        whole = artifacts()
        load_axis_model(
            Artifacts(
                tensors={"encoder": whole.tensors["encoder"]},
                facts={name: value for name, value in whole.facts.items() if name != "target"},
            ),
            torch.device("cpu"),
        )


def test_the_file_holds_millimetres_in_s2s_order(tmp_path):
    joints = torch.arange(21.0)[:, None].expand(21, 3) / 1000
    write_test_predictions(tmp_path / "test_preds.json.gz", joints[None].repeat(2, 1, 1))
    with gzip.open(tmp_path / "test_preds.json.gz", "rt") as file:
        written = json.load(file)
    wrist_knuckles_tips = [0, 1, 5, 9, 13, 17, 2, 6, 10, 14, 18, 3, 7, 11, 15, 19, 4, 8, 12, 16, 20]
    assert np.shape(written) == (2, 21, 3)
    assert [joint[0] for joint in written[1]] == pytest.approx(wrist_knuckles_tips)
    again = tmp_path / "again.json.gz"
    write_test_predictions(again, joints[None].repeat(2, 1, 1))
    assert again.read_bytes() == (tmp_path / "test_preds.json.gz").read_bytes()
    with pytest.raises(ValueError, match="must be finite"):
        write_test_predictions(again, joints[None] / 0)


def test_predictions_come_in_the_order_of_the_files(tmp_path):
    (tmp_path / "test").mkdir()
    rng = np.random.default_rng(0)
    for name in ("b", "a", "c", "d"):
        picture = cv2.resize(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8), (48, 48))
        assert cv2.imwrite(str(tmp_path / "test" / f"{name}.jpg"), picture)
    matrices = [[[90.0 + i, 0, 24], [0, 90.0 + i, 24], [0, 0, 1]] for i in range(2)]
    (tmp_path / "test_K.json").write_text(json.dumps(matrices))
    pictures = read_test_pictures(tmp_path)
    assert [path.stem for path in pictures.paths] == ["a", "b", "c", "d"]
    assert pictures.intrinsics[:, 0, 0].tolist() == [90, 91, 90, 91]
    net = model(frame="principal_point")
    hands = predict_test_pictures(net, pictures)
    from_file = cv2.cvtColor(cv2.imread(str(tmp_path / "test" / "c.jpg")), cv2.COLOR_BGR2RGB)
    alone = predict_pictures(net, [from_file], np.array(matrices[:1]))
    torch.testing.assert_close(hands[2:3], alone, rtol=1e-5, atol=1e-7)
    low, high = S2_BOXES["mm"].low[2], S2_BOXES["mm"].high[2]
    depth_mm = 1000 * hands[..., 2] * (2.5 * 48) / torch.tensor([90.0, 91, 90, 91])[:, None]
    assert ((low < depth_mm) & (depth_mm < high)).all()


def test_files_that_do_not_fit_together_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"missing: test_K\.json, test"):
        read_test_pictures(tmp_path)
    (tmp_path / "test").mkdir()
    (tmp_path / "test_K.json").write_text(json.dumps([np.eye(3).tolist()]))
    with pytest.raises(ValueError, match="got 0 and 1"):
        read_test_pictures(tmp_path)

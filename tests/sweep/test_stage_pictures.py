"""Pictures of what an encoder-decoder predicts while it trains, kept beside its stage."""

import cv2
import pytest
import torch

from hpe.phases.catalog import PHASES
from hpe.phases.encoder_decoder_config import EncoderDecoderConfig
from tests.hpe.phases.conftest import fake_data
from trainables.assignment import Assignment, Directive, Stage
from trainables.stages import PICTURES, StageStore
from trainables.training import Seat, train_stage

TINY = {
    "epochs": 4,
    "steps_per_epoch": 1,
    "batch_size": 4,
    "image_px": 36,
    "encoder": {"width": 4},
    "decoder": {"width": 4, "blocks": 2},
    "target": {"low": (-400.0, -400.0, 100.0), "high": (400.0, 400.0, 2000.0)},
}


class Desk:
    """Stops a stage after an epoch, and once the stage is begun again goes on."""

    def __init__(self, stop_after):
        self.stop_after = stop_after

    def begin(self, _epoch, _history):
        return Directive.CONTINUE

    def working(self, _beat, _on_batches):
        pass

    def report(self, epochs):
        return Directive.ABANDON if epochs[-1][0] == self.stop_after else Directive.CONTINUE

    def finish(self, _history):
        pass


def trained(root, *, stops=(0,), **changes):
    """Train, stopped and started again after each of these epochs; return store and key."""
    config = EncoderDecoderConfig.model_validate({**TINY, **changes})
    data, key = fake_data(), "a" * 64
    stage = Stage(
        key=key,
        label="encoder_decoder",
        phase="encoder_decoder",
        config=config.model_dump(mode="json"),
        parents={},
        data={"digest": data.digest, "root": str(root)},
        seed=3,
        epochs=config.epochs,
    )
    for stop in stops:
        train_stage(
            Assignment(trial=0, attempt=1, stage=stage),
            store=StageStore(root),
            phases=PHASES,
            open_data=lambda _: data,
            desk=Desk(stop),
            seat=Seat(0, 1, torch.device("cpu")),
            lineage={},
        )
    return StageStore(root), key


@pytest.mark.slow
def test_pictures_are_kept_as_often_as_asked_and_change_nothing(tmp_path):
    plain, key = trained(tmp_path / "plain")
    drawn, _ = trained(tmp_path / "drawn", stops=(3, 0), pictures_every=2)
    assert not (plain.folder(key) / PICTURES).exists()
    pictures = sorted((drawn.folder(key) / PICTURES).rglob("*.png"))
    assert [path.parent.name for path in pictures] == ["00002", "00004"]
    first, last = (cv2.imread(str(path)) for path in pictures)
    assert first.shape == last.shape
    assert (first != last).any()
    kept = {f"{PICTURES}/00002/predictions.png", f"{PICTURES}/00002/predictions.html"}
    assert kept <= set(drawn.manifest(key)["files"])
    assert drawn.pictures(key) == {n: drawn.folder(key) / PICTURES / f"0000{n}" for n in (2, 4)}
    assert plain.pictures(key) == {}
    one, other = plain.artifacts(key), drawn.artifacts(key)
    assert one.facts == other.facts
    for group, tensors in one.tensors.items():
        assert all(torch.equal(other.tensors[group][name], t) for name, t in tensors.items())

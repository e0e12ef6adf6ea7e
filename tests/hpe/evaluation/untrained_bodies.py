"""Untrained body networks, as a stage of body_pose leaves them."""

from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.volumetric import BodyHeadConfig, build_body_head
from hpe.phases.phase import Artifacts

ENCODER = EncoderConfig(width=4)
HEAD = BodyHeadConfig(depth=8, upsamplings=1, channels=8, hidden=16)
WIDTH_PX, HEIGHT_PX = 64, 96


def body_artifacts(**changes):
    config = HEAD.model_copy(update=changes)
    encoder = build_encoder(ENCODER, seed=3)
    head = build_body_head(config, encoder, seed=3)
    if config.on_maps:
        head.volumes.weight.data.mul_(2000)  # so that pictures make a difference
    else:
        head.last.weight.data.add_(0.01)
    return Artifacts(
        tensors={"encoder": encoder.state_dict(), "head": head.state_dict()},
        facts={
            "phase": "body_pose",
            "encoder": ENCODER.model_dump(mode="json"),
            "head": config.model_dump(mode="json"),
            "width_px": WIDTH_PX,
            "height_px": HEIGHT_PX,
        },
    )

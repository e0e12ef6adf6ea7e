"""Untrained body networks, as a stage of body_pose leaves them."""

from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.volumetric import BodyHeadConfig, build_body_head
from hpe.phases.phase import Artifacts

ENCODER = EncoderConfig(width=4)
HEAD = BodyHeadConfig(depth=8, upsamplings=1, channels=8)
WIDTH_PX, HEIGHT_PX = 64, 96


def body_artifacts():
    encoder = build_encoder(ENCODER, seed=3)
    head = build_body_head(HEAD, encoder, seed=3)
    head.volumes.weight.data.mul_(2000)  # so that pictures make a difference
    return Artifacts(
        tensors={"encoder": encoder.state_dict(), "head": head.state_dict()},
        facts={
            "phase": "body_pose",
            "encoder": ENCODER.model_dump(mode="json"),
            "head": HEAD.model_dump(mode="json"),
            "width_px": WIDTH_PX,
            "height_px": HEIGHT_PX,
        },
    )

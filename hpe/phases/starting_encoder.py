"""The encoder that a supervised phase starts from."""

from hpe.models.encoders import Encoder, EncoderConfig, build_encoder
from hpe.phases.phase import PhaseInputs


def starting_encoder(config: EncoderConfig, inputs: PhaseInputs) -> Encoder:
    """Return the pretrained encoder if there is one, else a fresh one.

    Raises:
        ValueError: If the pretrained encoder is another one than the settings say.
    """
    parent = inputs.parents.get("pretrain")
    if parent is None:
        return build_encoder(config, seed=inputs.seed)
    architecture = config.model_copy(update={"init": "random"})  # weights are about to be replaced
    for name, trained in parent.facts.get("encoder", {}).items():
        wanted = getattr(architecture, name)
        if name != "init" and trained != wanted:
            raise ValueError(
                f"encoder/{name} must be that of the pretrained weights, {trained!r}, got "
                f"{wanted!r}."
            )
    encoder = build_encoder(architecture, seed=inputs.seed)
    encoder.load_state_dict(parent.tensors["encoder"])
    return encoder

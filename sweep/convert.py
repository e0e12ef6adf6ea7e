"""`python sweep/convert.py --trust FILE --out NEW.safetensors`: checkpoints of other systems.

Encoders, S2's encoder-decoder, S3's segmentation networks (G1 with its discriminator to
NEW.safetensors, G2 to NEW.paired.safetensors) and S4's body network are known.

With `--out NEW.npz` it converts pickled annotations (Human3.6M's records and cameras) instead, and
without `--out` a pickled list (S3's) to JSON beside it.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":  # run as a file: the project is importable, its folder `sweep` is not
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != ROOT / "sweep")]

import numpy as np  # noqa: E402 - after the path is right
from safetensors import safe_open  # noqa: E402 - the same
from safetensors.torch import load_file  # noqa: E402 - after the path is right
from torch import Tensor  # noqa: E402 - the same

from hpe.config import Config  # noqa: E402 - the same
from hpe.geometry.axis_bins import Unit  # noqa: E402 - the same
from hpe.models.s2_checkpoint import (  # noqa: E402 - the same
    S2Network,
    is_s2_network,
    network_of_s2,
)
from hpe.models.s3_checkpoint import (  # noqa: E402 - the same
    G1,
    G2,
    D,
    S3Networks,
    is_s3_wrapper,
    networks_of_s3,
)
from hpe.models.s4_checkpoint import (  # noqa: E402 - the same
    S4Network,
    is_s4_network,
    network_of_s4,
)
from hpe.models.torchvision_format import (  # noqa: E402 - the same
    encoder_from_torchvision,
    is_torchvision,
    resnet_name,
)
from hpe.phases.encoder_decoder_config import TargetConfig  # noqa: E402 - the same
from hpe.tensor_file import save_tensors  # noqa: E402 - the same
from hpe.whole_file import replacing  # noqa: E402 - the same
from sweep.command import BAD_INPUT  # noqa: E402 - the same
from sweep.messages import Refused, refusing, shown_path  # noqa: E402 - the same
from sweep.s2_settings import read_names, unit_of_s2  # noqa: E402 - the same
from trainables.artifact_files import TENSORS  # noqa: E402 - the same

TRUNK = "trunk."
S3_PX = 128
S4_SIZES_PX = {64: (256, 256), 72: (288, 384)}
"""Depth of the volumes of S4's networks -> width and height of what they see."""
S2_PX = 224
RECORDS = ".npz"
READER = Path(__file__).with_name("unpickling.py")
TIMEOUT_S = 900


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        with refusing():
            told = _converted(options)
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return BAD_INPUT
    sys.stdout.write(f"{told}\n")
    return 0


def _converted(options: argparse.Namespace) -> str:
    """Convert to what the target's name says and return in words what was written."""
    source, target = options.trust, options.out
    if target is None:
        return convert_list(source)
    if target.suffix == RECORDS:
        return convert_records(source, target)
    return convert(source, target, names=options.names, unit=options.unit)


def convert(
    source: Path, target: Path, *, names: Path | None = None, unit: Unit | None = None
) -> str:
    """Write the networks of a checkpoint as safetensors and return in words what they are.

    Args:
        source: The checkpoint.
        target: A safetensors file.
        names: For S2's: a table of its decoder's names (`hpe.models.s2_checkpoint.PLACES`), JSON.
        unit: For S2's: what its joints are said in, where its hyper-parameters do not say.

    Raises:
        ValueError: If the checkpoint cannot be read, or holds no network that this project knows.
    """
    if target.suffix != TENSORS:
        raise ValueError(f"--out must end with {TENSORS}, got {target}.")
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "tensors.safetensors"
        _read(source, written)
        tensors: dict[str, Tensor] = load_file(written)
        with safe_open(written, "pt") as file:
            said = file.metadata() or {}
    if is_s2_network(tensors):
        places, left_out = ({}, []) if names is None else read_names(names)
        network = network_of_s2(tensors, places, left_out=left_out)
        return _write_s2(target, network, unit=unit_of_s2(said, unit))
    if names is not None or unit is not None:
        raise ValueError(f"--names and --unit are for S2's checkpoints; {source} is none.")
    if is_s3_wrapper(tensors):
        return _write_s3(target, networks_of_s3(tensors))
    if is_s4_network(tensors):
        return _write_s4(target, network_of_s4(tensors))
    encoder, facts = encoder_of(tensors)
    _write(target, {"encoder": encoder}, {"encoder": facts})
    name = facts.get("name", "an encoder of this project")
    return (
        f"written    {shown_path(target)}: {name}, {len(encoder)} of {len(tensors)} tensors\n"
        f"use it     --from-weights pretrain={shown_path(target)}"
    )


def _write_s2(target: Path, network: S2Network, *, unit: Unit) -> str:
    facts = {
        "phase": "encoder_decoder",
        "encoder": {"name": network.encoder_name},
        "decoder": _json(network.decoder_config),
        "target": _json(TargetConfig(frame="picture", camera="own", unit=unit)),
        "image_px": S2_PX,
    }
    _write(target, {"encoder": network.encoder, "decoder": network.decoder}, facts)
    places = ", ".join(f"{ours} from {theirs}" for ours, theirs in network.places.items())
    return (
        f"written    {shown_path(target)}: S2's network, {network.encoder_name} and a decoder of "
        f"{network.decoder_config.blocks} blocks, for whole pictures of {S2_PX} px, joints in "
        f"{unit}\n"
        f"taken      {places}\n"
        f"use it     evaluate.py or predict.py with {shown_path(target)}"
    )


def _write_s3(target: Path, networks: S3Networks) -> str:
    groups = {"network": networks.generator}
    facts: dict[str, Any] = {"phase": "generator", "image_px": S3_PX, "network": _json(G1)}
    beside = "; no discriminator is in it"
    if networks.discriminator is not None:
        groups["discriminator"] = networks.discriminator
        facts["discriminator"] = _json(D)
        beside = " and its discriminator"
    _write(target, groups, facts)
    told = (
        f"written    {shown_path(target)}: S3's first generator (unet on xception){beside}\n"
        f"use it     --from-weights generator={shown_path(target)}"
    )
    if networks.segmenter is None:
        return told
    second = target.with_name(f"{target.stem}.paired{TENSORS}")
    paired = {"phase": "paired", "image_px": S3_PX, "segmenter": _json(G2)}
    _write(second, {"segmenter": networks.segmenter}, paired)
    return (
        f"{told}\n"
        f"written    {shown_path(second)}: S3's second generator (unetplusplus on "
        f"{G2.encoder})\n"
        f"use it     --from-weights paired={shown_path(second)}, evaluate.py or predict.py\n"
        "left out   the optimizers' moments, which S3 does not save"
    )


def _write_s4(target: Path, network: S4Network) -> str:
    depth = network.head_config.depth
    if depth not in S4_SIZES_PX:
        raise ValueError(
            f"S4's volumes are {' or '.join(map(str, S4_SIZES_PX))} deep, which says what size of "
            f"view they are for; these are {depth} deep."
        )
    width_px, height_px = S4_SIZES_PX[depth]
    facts = {
        "phase": "body_pose",
        "encoder": {"name": network.encoder_name},
        "head": _json(network.head_config),
        "width_px": width_px,
        "height_px": height_px,
    }
    _write(target, {"encoder": network.encoder, "head": network.head}, facts)
    return (
        f"written    {shown_path(target)}: S4's network, {network.encoder_name} and volumes of "
        f"depth {depth}, for views of {width_px} x {height_px} px\n"
        f"use it     evaluate.py or predict.py with {shown_path(target)}"
    )


def _write(target: Path, groups: Mapping[str, Mapping[str, Tensor]], facts: Any) -> None:
    named = {
        f"{group}.{name}": tensor.contiguous()
        for group, tensors in groups.items()
        for name, tensor in tensors.items()
    }
    with replacing(target) as temporary:
        save_tensors(named, temporary, {"facts": json.dumps(facts)})


def _json(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json")


def convert_records(source: Path, target: Path) -> str:
    """Write pickled records as the columns of an .npz file and return in words what they are.

    Raises:
        ValueError: If the file cannot be read, or holds no records.
    """
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / f"records{RECORDS}"
        _read(source, written)
        with np.load(written, allow_pickle=False) as columns:
            names = sorted(columns.files)
            count = len(columns[names[0]]) if names else 0
        with replacing(target) as temporary:
            shutil.copyfile(written, temporary)
    return f"written    {shown_path(target)}: {count} records with {', '.join(names)}"


def convert_list(source: Path) -> str:
    """Write what a pickled list or dict holds as JSON beside it and return in words what it is.

    Raises:
        ValueError: If it cannot be read, or holds a checkpoint.
    """
    target = source.with_suffix(".json")
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "list.json"
        try:
            _read(source, written)
        except ValueError as error:
            raise ValueError(f"{error} For a checkpoint, give --out NEW{TENSORS}.") from None
        text = written.read_text()
    with replacing(target) as temporary:
        temporary.write_text(text)
    return f"written    {shown_path(target)}: {len(json.loads(text))} entries"


def encoder_of(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the state of an `Encoder`, and what is known of its settings.

    Raises:
        ValueError: If there is none.
    """
    if is_torchvision(tensors):
        encoder = encoder_from_torchvision(tensors)
        return encoder, {"name": resnet_name(encoder)}
    own = {name.removeprefix("encoder."): tensor for name, tensor in tensors.items()}
    encoder = {name: tensor for name, tensor in own.items() if name.startswith(TRUNK)}
    if not encoder:
        raise ValueError(
            "it holds no encoder: ResNets under torchvision's, PeCLR's or S0's names are known, "
            f"and this project's own; got {', '.join(list(tensors)[:3])}, ..."
        )
    return encoder, {}


def _read(source: Path, scratch: Path) -> None:
    """Let a process of its own read a pickle and write what it gives away to `scratch`."""
    if not source.is_file():
        raise ValueError(f"--trust {source}: there is no such file.")
    command = [sys.executable, "-I", str(READER), str(source.resolve()), str(scratch)]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, env={}, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"--trust {source}: reading it took over {TIMEOUT_S} s.") from None
    if ended.returncode != 0:
        last = ended.stderr.strip().splitlines()[-1:] or [f"it ended with {ended.returncode}"]
        raise ValueError(f"--trust {source}: it cannot be read: {last[0]}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python sweep/convert.py",
        description=__doc__,
        epilog="A checkpoint is a program, as every pickle is. It is read in a process of its own "
        "with little to work with, but as you: give files of people you trust "
        "(docs/evaluation.md).",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--trust",
        type=Path,
        required=True,
        metavar="FILE",
        help="a .ckpt, .pth(.tar), .pt or .pkl file",
    )
    add(
        "--out", type=Path, metavar="FILE", help="the .safetensors or .npz to write; none for lists"
    )
    add("--names", type=Path, metavar="FILE", help="S2: a table of names (docs/evaluation.md)")
    add("--unit", choices=("mm", "bone"), help="S2: what joints are said in, where it does not say")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""`python sweep/convert.py --trust FILE --out NEW.safetensors`: checkpoints of other systems.

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
from safetensors.torch import load_file, save_file  # noqa: E402 - after the path is right
from torch import Tensor  # noqa: E402 - the same

from hpe.models.torchvision_format import (  # noqa: E402 - the same
    encoder_from_torchvision,
    is_torchvision,
    resnet_name,
)
from hpe.whole_file import replacing  # noqa: E402 - the same
from sweep.command import BAD_INPUT  # noqa: E402 - the same
from sweep.messages import Refused, refusing, shown_path  # noqa: E402 - the same
from trainables.artifact_files import TENSORS  # noqa: E402 - the same

TRUNK = "trunk."
RECORDS = ".npz"
READER = Path(__file__).with_name("unpickling.py")
TIMEOUT_S = 900


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        with refusing():
            told = _converted(options.trust, options.out)
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return BAD_INPUT
    sys.stdout.write(f"{told}\n")
    return 0


def _converted(source: Path, target: Path | None) -> str:
    """Convert to what the target's name says and return in words what was written."""
    if target is None:
        return convert_list(source)
    if target.suffix == RECORDS:
        return convert_records(source, target)
    told = convert(source, target)
    return f"{told}\nuse it     --from-weights pretrain={shown_path(target)}"


def convert(source: Path, target: Path) -> str:
    """Write the encoder of a checkpoint as safetensors and return in words what it is.

    Raises:
        ValueError: If the checkpoint cannot be read, or holds no encoder that this project knows.
    """
    if target.suffix != TENSORS:
        raise ValueError(f"--out must end with {TENSORS}, got {target}.")
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "tensors.safetensors"
        _read(source, written)
        tensors: dict[str, Tensor] = load_file(written)
    encoder, facts = encoder_of(tensors)
    with replacing(target) as temporary:
        named = {f"encoder.{name}": tensor.contiguous() for name, tensor in encoder.items()}
        save_file(named, temporary, {"facts": json.dumps({"encoder": facts})})
    name = facts.get("name", "an encoder of this project")
    return f"written    {shown_path(target)}: {name}, {len(encoder)} of {len(tensors)} tensors"


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
    add("--trust", type=Path, required=True, metavar="FILE", help="a .ckpt, .pth, .pt or .pkl file")
    add(
        "--out", type=Path, metavar="FILE", help="the .safetensors or .npz to write; none for lists"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

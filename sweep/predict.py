"""`python sweep/predict.py <run> <images, folder or camera>`: what a network sees in pictures."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":  # run as a file: the project is importable, its folder `sweep` is not
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != ROOT / "sweep")]

import numpy as np  # noqa: E402 - after the path is right

from hpe.evaluation.boxes import crop_of_box  # noqa: E402 - the same
from hpe.evaluation.catalog import WITHOUT_PICTURES  # noqa: E402 - the same
from hpe.evaluation.inference import Photograph, turns_deg  # noqa: E402 - the same
from hpe.evaluation.onnx_export import export_onnx  # noqa: E402 - the same
from hpe.evaluation.onnx_networks import ONNX_NETWORKS  # noqa: E402 - the same
from hpe.evaluation.pose_model import PoseModel, best_device, load_pose_model  # noqa: E402 - the same
from hpe.evaluation.single_hand import (  # noqa: E402 - the same
    REFINEMENTS,
    PredictedHand,
    camera_for,
    predict_hand,
)
from hpe.phases.phase import Artifacts  # noqa: E402 - the same
from hpe.viz.hands import Image  # noqa: E402 - the same
from hpe.whole_file import write_text  # noqa: E402 - the same
from sweep.camera_loop import camera_loop, open_camera, show_in_window  # noqa: E402 - the same
from sweep.command import exit_code_of  # noqa: E402 - the same
from sweep.drawn_hand import FOCAL_ASSUMED, NOT_RECOGNISED, drawn_hand  # noqa: E402 - the same
from sweep.first_boxes import FirstBoxes, parse_box, read_boxes  # noqa: E402 - the same
from sweep.folders import RunsDir  # noqa: E402 - the same
from sweep.found_model import FINETUNE, find_model  # noqa: E402 - the same
from sweep.messages import shown_path  # noqa: E402 - the same
from sweep.picture_files import (  # noqa: E402 - the same
    picture_files,
    read_picture,
    say,
    write_picture,
)
from sweep.predicted_pictures import (  # noqa: E402 - the same
    ASKED_OF,
    SHOWN_PHASES,
    Looking,
    Pictures,
)

CAMERA = "camera"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    boxes = _first_boxes(options)
    if not options.sources and options.onnx is None:
        raise ValueError("give images, a folder of them or camera to look at, or --onnx FILE.")
    is_camera = options.sources[:1] == [CAMERA]
    paths = [] if is_camera else picture_files(options.sources)
    runs = RunsDir(options.runs_dir)
    uri = options.tracking_uri or runs.mlflow_uri
    found = find_model(options.run, runs=runs, tracking_uri=uri, epoch=options.epoch)
    say(f"network   {found.told}")
    phase = str(found.artifacts.facts.get("phase"))
    _require_meant(options, phase, is_camera=is_camera)
    if options.onnx is not None:
        _write_onnx(found.artifacts, phase, options.onnx)
    if not options.sources:
        return
    if phase in SHOWN_PHASES:
        looking = Looking(
            bone_mm=options.scale_mm,
            rotations=options.rotations,
            mirrored=options.mirrored,
            refinements=options.refinements,
        )
        SHOWN_PHASES[phase](
            found.artifacts,
            Pictures(paths, boxes, options.focal, options.out, network=found.told, looking=looking),
        )
        return
    model = load_pose_model(found.artifacts, best_device())
    if is_camera:
        _watch(model, boxes, options)
    else:
        _predict_files(model, paths, boxes, options, network=found.told)


def _write_onnx(artifacts: Artifacts, phase: str, path: Path) -> None:
    network = ONNX_NETWORKS.get(phase, ONNX_NETWORKS[FINETUNE])(artifacts)
    say(f"written   {shown_path(path)}: {network.told(export_onnx(network, path))}")


def _require_meant(options: argparse.Namespace, phase: str, *, is_camera: bool) -> None:
    """Refuse what networks of this phase are not asked."""
    if phase in WITHOUT_PICTURES:
        raise ValueError(
            f"a network of {phase} is told 2D joints and sees no picture; score it with "
            "sweep/evaluate.py."
        )
    asked = {
        "camera": is_camera,
        "--onnx": options.onnx is not None,
        "--scale-mm": options.scale_mm is not None,
        "--rotations": options.rotations != 1,
        "--mirrored": options.mirrored,
        "--refinements": options.refinements != REFINEMENTS,
    }
    meant = ASKED_OF[phase] if phase in SHOWN_PHASES else set(asked) - {"--mirrored"}
    refused = [name for name, is_asked in asked.items() if is_asked and name not in meant]
    if not refused:
        return
    kind = "of hand pose" if phase != "encoder_decoder" else "of finetuned hand pose"
    if refused == ["--mirrored"]:
        kind = "of the phase encoder_decoder"
    raise ValueError(f"{', '.join(refused)}: for networks {kind} alone; leave it out.")


def _predict_files(
    model: PoseModel,
    paths: Sequence[Path],
    boxes: FirstBoxes,
    options: argparse.Namespace,
    *,
    network: str,
) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    records: list[dict[str, Any]] = []
    for path in paths:
        image = read_picture(path)
        hand, told = _look(model, image, path.name, boxes, options)
        picture = options.out / f"{path.stem}.hand.png"
        write_picture(picture, drawn_hand(image, hand, told=_said(told, options)))
        records.append({"image": str(path), "first_box": told, **hand.as_json()})
        unsure = f"; {NOT_RECOGNISED}" if hand.limited else ""
        say(f"{path.name}: starts from {told}; drawn in {shown_path(picture)}{unsure}")
    record = {"network": network, "refinements": options.refinements, "hands": records}
    target = options.out / "predictions.json"
    write_text(target, json.dumps(record, indent=1, allow_nan=False))
    if records and records[0]["intrinsics_assumed"]:
        say(FOCAL_ASSUMED)
    if options.scale_mm is None:
        say("scale     unknown: 3D is in lengths of the middle finger's first bone (--scale-mm MM)")
    say(f"written   {shown_path(target)}: {len(records)} hands")


def _watch(model: PoseModel, boxes: FirstBoxes, options: argparse.Namespace) -> None:
    number = int(options.sources[1]) if len(options.sources) > 1 else 0
    capture = open_camera(number)
    say("every frame starts from the box given, or the one in its middle; q quits")

    def draw(image: Image, frame: int) -> Image:
        hand, told = _look(model, image, f"frame {frame}", boxes, options)
        drawn = drawn_hand(image, hand, told=_said(told, options))
        if options.frames is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            write_picture(options.out / f"frame{frame:05d}.hand.png", drawn)
        return drawn

    screen = show_in_window if options.frames is None else _no_key
    shown = camera_loop(capture, draw, screen, max_frames=options.frames)
    say(f"{shown} frames")


def _no_key(_frame: np.ndarray) -> int:
    return -1


def _look(
    model: PoseModel,
    image: Photograph,
    name: str,
    boxes: FirstBoxes,
    options: argparse.Namespace,
) -> tuple[PredictedHand, str]:
    height_px, width_px = image.shape[:2]
    box, told = boxes.box_in(name, height_px=height_px, width_px=width_px)
    hand = predict_hand(
        model,
        image,
        crop_of_box(box),
        camera_for(options.focal, height_px=height_px, width_px=width_px),
        scale_m=None if options.scale_mm is None else options.scale_mm / 1000,
        turns=turns_deg(options.rotations),
        refinements=options.refinements,
    )
    return hand, told


def _said(told: str, options: argparse.Namespace) -> str:
    return f"starts from {told}, {options.refinements} refinements"


def _first_boxes(options: argparse.Namespace) -> FirstBoxes:
    if options.box is not None and options.boxes is not None:
        raise ValueError("--box is for all pictures, --boxes for each its own: give one of them.")
    if options.boxes is not None:
        return read_boxes(options.boxes)
    return FirstBoxes(for_all=None if options.box is None else parse_box(options.box))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python sweep/predict.py",
        description=__doc__,
        epilog="Networks of hand pose know right hands: mirror pictures of left ones.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("run", help="STUDY/TRIAL, a stage's key, an MLflow run id, or a .safetensors file")
    add("sources", nargs="*", metavar="SOURCE", help="images, folders, or: camera [number]")
    add("--box", metavar="X,Y,W,H", help="where to look, in pixels, in every image")
    add("--boxes", type=Path, metavar="FILE", help="boxes by name: CSV name,x,y,w,h or JSON")
    add("--focal", type=_above_zero, metavar="PX", help="the camera's focal length in pixels")
    add("--scale-mm", type=_above_zero, metavar="MM", help="length of the middle MCP-PIP bone")
    add("--rotations", type=int, default=1, metavar="N", help="mean over N turned views")
    add("--mirrored", action="store_true", help="and over as many mirrored ones (encoder_decoder)")
    add(
        "--refinements",
        type=_count,
        default=REFINEMENTS,
        metavar="N",
        help=f"look again N times around what was found (default: {REFINEMENTS}; 0: once, there)",
    )
    add("--epoch", metavar="latest|best|N", help="a kept epoch (default: the last one there is)")
    add("--frames", type=int, metavar="N", help="camera: write N frames to --out, show none")
    add("--onnx", type=Path, metavar="FILE", help="write the network as ONNX, and check it")
    add("--out", type=Path, default=Path("predictions"), metavar="DIR", help="default: predictions")
    add("--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="default: runs")
    add("--tracking-uri", metavar="URI", help="where run ids are (default: the runs folder's)")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {text}")
    return value


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())

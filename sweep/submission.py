"""Files of predictions for those who keep the labels: `sweep/evaluate.py --submission`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hpe.data.bodies import BodySplit
from hpe.data.catalog import data_config, data_root
from hpe.data.folder import FolderSplit
from hpe.data.hand_masks import MaskedSplit
from hpe.data.interhand_masks import SUBMISSION
from hpe.data.opened import OpenedData
from hpe.evaluation.axis_model import load_axis_model
from hpe.evaluation.body_model import load_body_model
from hpe.evaluation.body_submission import write_predicted_bodies, write_true_bodies
from hpe.evaluation.catalog import WITHOUT_PICTURES
from hpe.evaluation.course_submission import (
    predict_test_pictures,
    read_test_pictures,
    write_test_predictions,
)
from hpe.evaluation.freihand_submission import (
    NUM_PHOTOGRAPHS,
    predict_evaluation,
    read_evaluation_inputs,
    write_submission,
)
from hpe.evaluation.inference import turns_deg
from hpe.evaluation.mask_model import load_mask_model
from hpe.evaluation.mask_submission import (
    PATHS,
    STORE,
    predicted_split,
    write_mask_submission,
)
from hpe.evaluation.pose_model import best_device, load_pose_model
from hpe.evaluation.scored_bodies import predicted_rows
from hpe.evaluation.split_scores import Asked, require_one_view
from hpe.phases.body_rows import joints_mm_of
from hpe.phases.loaders import Batch
from sweep.found_model import FoundModel
from sweep.messages import shown_path

TEST = "test"
TRUTH = "_gt"


@dataclass(frozen=True)
class Submission:
    """What is to be predicted, and where it is written.

    Attributes:
        path: The file.
        data_dir: Where data sets lie that are brought.
        runs_dir: Where they would lie otherwise.
        rotations: Views that a prediction is the mean of.
        mirrored: Whether as many mirrored ones are averaged with them.
        open_data: Opens the data set that is meant, official labels included; for tasks that go by
            one.
        limit: The first so many samples only; None for all.
        processes: Child processes that make views, where more than one is asked for.
    """

    path: Path
    data_dir: Path | None
    runs_dir: Path
    rotations: int
    mirrored: bool
    open_data: Callable[[], OpenedData[Any]]
    limit: int | None
    processes: int

    def samples(self, data: OpenedData[Any], split: str) -> range:
        """Return the samples to predict."""
        count = len(data.splits[split])
        return range(count if self.limit is None else min(self.limit, count))

    def asked(self, count: int) -> Asked:
        """Return what is asked of the network.

        Raises:
            ValueError: If several views are asked for.
        """
        asked = Asked(
            num_samples=count,
            device=best_device(),
            rotations=self.rotations,
            mirrored=self.mirrored,
            workers=self.processes if self.processes > 1 else 0,
        )
        require_one_view(asked)
        return asked


def submit(found: FoundModel, submission: Submission) -> str:
    """Write a network's submission and return in words what it is.

    Raises:
        ValueError: If files, labels or the network are not what they must be.
    """
    phase = found.artifacts.facts.get("phase")
    if phase in WITHOUT_PICTURES:
        raise ValueError(
            f"--submission says what a network sees in pictures, and one of {phase} is told true "
            "2D joints; leave the option out to score it."
        )
    written = SUBMISSIONS.get(str(phase), _freihand)(found, submission)
    return f"network   {found.told}\n{written}"


def _freihand(found: FoundModel, submission: Submission) -> str:
    if submission.mirrored:
        raise ValueError("--mirrored is for encoder-decoders; leave it out.")
    root = data_root(
        data_config({"name": "freihand"}),
        data_dir=submission.data_dir,
        made_dir=submission.runs_dir,
    )
    inputs = read_evaluation_inputs(root)
    model = load_pose_model(found.artifacts, best_device())
    predicted = predict_evaluation(model, inputs, turns=turns_deg(submission.rotations))
    write_submission(submission.path, predicted.hands_m)
    count, limited = len(predicted.limited), sum(predicted.limited)
    depth = "analytic" if model.denoiser is None else "denoised"
    told = (
        f"looks at  the box in the middle, then the crop around what was predicted there\n"
        f"depth     {depth} root depth, scale from evaluation_scale.json\n"
        f"kept      {told_limited(limited, count)}\n"
        f"written   {shown_path(submission.path)}: {count} hands, vertices are zeros"
    )
    if count != NUM_PHOTOGRAPHS:
        told += f"\nThe leaderboard takes {NUM_PHOTOGRAPHS}; this is a part of the set."
    return told


def _course(found: FoundModel, submission: Submission) -> str:
    root = data_root(
        data_config({"name": "freihand_course"}),
        data_dir=submission.data_dir,
        made_dir=submission.runs_dir,
    )
    model = load_axis_model(found.artifacts, best_device())
    pictures = read_test_pictures(root)
    hands_m = predict_test_pictures(
        model, pictures, rotations=submission.rotations, mirrored=submission.mirrored
    )
    write_test_predictions(submission.path, hands_m)
    beside = ", and as many mirrored ones" if submission.mirrored else ""
    return (
        f"looks at  whole pictures; mean over {submission.rotations} views, evenly over a full "
        f"turn{beside}\n"
        f"written   {shown_path(submission.path)}: {len(hands_m)} hands, millimetres, AIT order"
    )


def _masks(found: FoundModel, submission: Submission) -> str:
    data = submission.open_data()
    split = SUBMISSION if SUBMISSION in data.splits else TEST
    samples = submission.samples(data, split)
    asked = submission.asked(len(samples))
    model = load_mask_model(found.artifacts, asked.device)
    predicted = predicted_split(model, data.splits[split], samples)
    count = write_mask_submission(submission.path, predicted)
    return (
        f"looks at  the square of each picture of {data.name}, split {split}, once\n"
        f"written   {shown_path(submission.path)}: masks of {count} pictures; beside it {STORE}, "
        f"the same unpacked, and {PATHS}"
        f"{_told_missing(count, data.splits[split], is_list=split == SUBMISSION)}"
    )


def _told_missing(count: int, split: MaskedSplit, *, is_list: bool) -> str:
    """Return in words what a submission lacks; nothing where it is whole."""
    listed = len(split.index) if is_list and isinstance(split, FolderSplit) else len(split)
    if count == listed:
        return ""
    faulty = listed - len(split)
    why = f"; unusable (data/max_bad_share): {faulty}" if faulty else ""
    return f"\nmissing   {listed - count} of the list's {listed} pictures{why}"


def _bodies(found: FoundModel, submission: Submission) -> str:
    data = submission.open_data()
    split: BodySplit = data.splits[TEST]
    samples = submission.samples(data, TEST)
    asked = submission.asked(len(samples))
    model = load_body_model(found.artifacts, asked.device)
    rows = predicted_rows(model, split, asked)
    if not bool(rows["has_depth"].all()):
        raise ValueError(
            f"a submission of bodies needs the depth of every pelvis, which {data.name} does not "
            "know for all of its samples; give a data set such as h36m with --data."
        )
    size = {"width_px": model.width_px, "height_px": model.height_px}
    joints_mm = joints_mm_of(rows["output"].double(), rows, **size)
    write_predicted_bodies(submission.path, joints_mm, ids=samples)
    beside = _write_truth(submission.path, split, rows, size)
    return (
        f"looks at  the crop of each true box of {data.name}, split {TEST}, once; lifted with the "
        "true depth of the pelvis and the true intrinsics\n"
        f"written   {shown_path(submission.path)}: {len(samples)} bodies, millimetres about the "
        f"pelvis{beside}"
    )


def _write_truth(path: Path, split: BodySplit, rows: Batch, size: dict[str, int]) -> str:
    """Write the table of the truth beside that of predictions, if people are named."""
    count = len(rows["output"])
    subjects = [split[index].subject for index in range(count)]
    named = [subject for subject in subjects if subject is not None]
    if len(named) < count:
        return "; no table of the truth, as people have no names there"
    truth = path.with_name(f"{path.stem}{TRUTH}{path.suffix}")
    true_mm = joints_mm_of(rows["points"].double(), rows, **size)
    write_true_bodies(truth, true_mm, ids=range(count), subjects=named)
    return f", and {truth.name} beside it"


def told_limited(limited: int, count: int) -> str:
    """Return in words for how many hands the first look was kept."""
    return (
        f"first look kept for {limited} of {count} hands, where the network would have left the "
        "first box by far"
    )


SUBMISSIONS = MappingProxyType(
    {
        "encoder_decoder": _course,
        "generator": _masks,
        "pseudo_labels": _masks,
        "paired": _masks,
        "body_pose": _bodies,
    }
)
"""By the phase that the artifacts' facts name; FreiHAND's for all others."""

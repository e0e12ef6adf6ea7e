"""FreiHAND (Zimmermann et al., ICCV 2019), read from its original files.

The splits come from the training part, by photograph: all versions of one stay together. `test` is
a held-out share of it too, so that nothing is tuned on the official evaluation set, whose labels
are public now: only `final` puts that in its place.

FreiHAND does not say whether its K counts pixel centres at integers or at integer + 0.5 (ours); it
is used as it is.

A folder of samples (`freihand_samples`) is opened too, to be scored on in 2D.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Bool, Int, UInt8
from pydantic import AfterValidator, Field, model_validator

from hpe.config import Config, identity_settings, operational
from hpe.data.flat_hands import read_flat_hand
from hpe.data.freihand_files import HOME_PAGE, Part, picture_name, read_part, write_index
from hpe.data.freihand_samples import parse_samples, samples_source
from hpe.data.hands import HandData, HandSample, HandSplit
from hpe.data.index import require_within_budget
from hpe.data.pictures import read_grey, read_rgb
from hpe.data.sample_folder import open_samples, prepare_samples, require_no_final
from hpe.data.splits import partition, require_training_share
from hpe.geometry.camera import project

Version = Literal["gs", "hom", "sample", "auto"]

VERSIONS: tuple[Version, ...] = ("gs", "hom", "sample", "auto")
"""The backgrounds of the training part in the order of its files: the green screen as photographed,
then three ways to put another picture behind the hand and fit its colours to it."""


def _in_file_order(versions: tuple[Version, ...]) -> tuple[Version, ...]:
    if not versions or len(set(versions)) < len(versions):
        raise ValueError("versions must be at least one, and differ from each other")
    return tuple(version for version in VERSIONS if version in versions)


Versions = Annotated[tuple[Version, ...], AfterValidator(_in_file_order)]
"""Some of them, in the order of the files."""

FOLDER_NAMES = ("freihand", "freihand_dataset", "FreiHAND", "FreiHAND_pub_v2")
"""What the data set's folder is called inside a folder of data sets."""


class FreiHandConfig(Config):
    """Which photographs and versions of FreiHAND to use, and how to split them.

    Attributes:
        val_share: Share of the training part's photographs to validate on.
        test_share: Share to test on.
        split_seed: Decides which photographs these are.
        versions: Backgrounds to use, in every split.
        final: Test on the official evaluation set instead, once choices are made. The other splits
            stay as they are.
        max_unreadable_share: Share of a part's pictures that may be truncated, empty, huge or no
            pictures: so many are left out; with more the data set is refused.
    """

    name: Literal["freihand"] = "freihand"
    val_share: float = Field(0.1, gt=0, lt=1)
    test_share: float = Field(0.1, gt=0, lt=1)
    split_seed: int = Field(0, ge=0)
    versions: Versions = VERSIONS
    final: bool = False
    max_unreadable_share: float = operational(0.001, ge=0, le=1)

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> "FreiHandConfig":
        require_training_share(self.val_share, self.test_share)
        return self


@dataclass(frozen=True)
class FreiHandSplit:
    """Photographs of one part in some versions; pictures are decoded when a sample is asked for.

    Attributes:
        part: Where they are from.
        photographs: Of each sample.
        versions: Of each sample, as a number.
        first_id: The unique id of the part's first photograph.
    """

    part: Part
    photographs: Int[np.ndarray, " samples"]
    versions: Int[np.ndarray, " samples"]
    first_id: int = 0

    @property
    def unique_ids(self) -> Int[np.ndarray, " samples"]:
        """Each sample's unique id."""
        return self.photographs + self.first_id

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.photographs)

    def __getitem__(self, index: int) -> HandSample:
        """Read one sample.

        Raises:
            IndexError: If there is no such sample.
            UnreadableSample: If a picture that was whole when the data was prepared cannot be
                decoded.
            ValueError: If a mask does not fit its photograph.
        """
        photograph, version = int(self.photographs[index]), int(self.versions[index])
        image = read_rgb(self.part.image_path(photograph=photograph, version=version))
        joints_m, intrinsics = self.part.joints_m[photograph], self.part.intrinsics[photograph]
        return HandSample(
            image=image,
            joints_m=joints_m,
            intrinsics=intrinsics,
            keypoints_px=project(joints_m, intrinsics),
            visible=np.ones(len(joints_m), dtype=bool),
            foreground=self._foreground(photograph, image),
            unique_id=photograph + self.first_id,
        )

    def _foreground(
        self, photograph: int, image: UInt8[np.ndarray, "height width 3"]
    ) -> Bool[np.ndarray, "height width"] | None:
        if not self.part.has_mask[photograph]:
            return None
        path = self.part.mask_path(photograph=photograph)
        mask = read_grey(path)
        if mask.shape != image.shape[:2]:
            raise ValueError(
                f"{path} must be as large as its photograph, {image.shape[:2]}, got {mask.shape}."
            )
        foreground: np.ndarray = mask > 127
        return foreground


def prepare_freihand(
    config: FreiHandConfig, root: Path, *, progress: Callable[[int, int], None]
) -> None:
    """Check the files once and keep an index of them beside them, so that opening is quick.

    Raises:
        ValueError: If files are missing: what was looked for, what was found; or if too many cannot
            be read: which, and why.
    """
    samples = samples_source(root, HOME_PAGE)
    if samples is not None:
        require_no_final(root, final=config.final)
        prepare_samples(
            samples,
            lambda: parse_samples(samples),
            max_bad_share=config.max_unreadable_share,
            progress=progress,
        )
        return
    parts = _num_versions(config)
    for done, (name, num_versions) in enumerate(parts.items()):
        progress(done, len(parts))
        part = read_part(root, name, num_versions=num_versions)
        _require_readable(part, num_versions * len(part), max_share=config.max_unreadable_share)
        write_index(part)
    progress(len(parts), len(parts))


def open_freihand(config: FreiHandConfig, root: Path) -> HandData:
    """Open the splits; reads no picture.

    Raises:
        ValueError: As `prepare_freihand` does.
    """
    samples = samples_source(root, HOME_PAGE)
    if samples is not None:
        require_no_final(root, final=config.final)
        return open_samples(
            config,
            samples,
            lambda: parse_samples(samples),
            read_flat_hand,
            max_bad_share=config.max_unreadable_share,
            has_depth=False,
            source=HOME_PAGE,
            licence="research only; see the source",
        )
    parts = {}
    for name, num_versions in _num_versions(config).items():
        parts[name] = part = read_part(root, name, num_versions=num_versions)
        _require_readable(part, num_versions * len(part), max_share=config.max_unreadable_share)
    training = parts["training"]
    ids = partition(
        np.arange(len(training)),
        val_share=config.val_share,
        test_share=config.test_share,
        seed=config.split_seed,
    )
    splits: dict[str, HandSplit] = {
        name: _in_versions(training, part, config.versions) for name, part in ids.items()
    }
    splits["unlabelled"] = splits["train"]
    if config.final:
        splits["test"] = _evaluation_split(parts["evaluation"], first_id=len(training))
    return HandData(
        name=config.name,
        digest=_digest(config, parts),
        splits=splits,
        card=_card(config, splits, parts),
    )


def _num_versions(config: FreiHandConfig) -> dict[str, int]:
    """Return the parts in use, and in how many versions each has its photographs."""
    return {"training": len(VERSIONS)} | ({"evaluation": 1} if config.final else {})


def _in_versions(
    part: Part, photographs: Int[np.ndarray, " photographs"], versions: tuple[Version, ...]
) -> FreiHandSplit:
    numbers = [VERSIONS.index(version) for version in versions]
    return _readable(
        FreiHandSplit(
            part=part,
            photographs=np.tile(photographs, len(numbers)),
            versions=np.repeat(np.array(numbers), len(photographs)),
        )
    )


def _evaluation_split(part: Part, *, first_id: int) -> FreiHandSplit:
    photographs = np.arange(len(part))
    return _readable(
        FreiHandSplit(
            part=part,
            photographs=photographs,
            versions=np.zeros_like(photographs),
            first_id=first_id,
        )
    )


def _readable(split: FreiHandSplit) -> FreiHandSplit:
    """Return the samples without those whose picture is known to be unreadable."""
    numbers = split.versions * len(split.part) + split.photographs
    readable = ~np.isin(numbers, list(split.part.unreadable))
    return replace(
        split, photographs=split.photographs[readable], versions=split.versions[readable]
    )


def _require_readable(part: Part, num_images: int, *, max_share: float) -> None:
    require_within_budget(
        {picture_name(number): fault for number, fault in part.unreadable.items()},
        num_images,
        where=part.root / part.name / "rgb",
        max_share=max_share,
        setting="data/max_unreadable_share",
        home_page=HOME_PAGE,
    )


def _digest(config: FreiHandConfig, parts: Mapping[str, Part]) -> str:
    identity = {
        "config": identity_settings(config),
        "parts": {name: part.digest for name, part in parts.items()},
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _card(
    config: FreiHandConfig, splits: Mapping[str, HandSplit], parts: Mapping[str, Part]
) -> dict[str, Any]:
    training = parts["training"]
    return {
        "counts": {name: len(split) for name, split in splits.items()},
        "left_out_unreadable": {
            f"{name}/rgb/{picture_name(number)}": fault
            for name, part in parts.items()
            for number, fault in sorted(part.unreadable.items())
        },
        "versions": list(config.versions),
        "photographs": len(training),
        "photographs_with_mask": int(training.has_mask.sum()),
        "test_is_official_evaluation_set": config.final,
        "source": HOME_PAGE,
        "licence": "research only; see the source",
    }

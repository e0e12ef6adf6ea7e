"""The data sets by name: their settings, where they lie, how they are made ready and opened."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import ValidationError

from hpe.config import Config
from hpe.data import (
    coco_hands,
    freihand,
    freihand_course,
    h36m,
    interhand,
    interhand_masks,
    mpii,
    mpii_hands,
    onehand10k,
    rhd,
    youtube_hands,
)
from hpe.data.body_mixture import BodyMixtureConfig
from hpe.data.coco_hands import CocoHandsConfig, open_coco_hands, prepare_coco_hands
from hpe.data.freihand import FreiHandConfig, open_freihand, prepare_freihand
from hpe.data.freihand_course import (
    FreiHandCourseConfig,
    open_freihand_course,
    prepare_freihand_course,
)
from hpe.data.h36m import H36mConfig, open_h36m, prepare_h36m
from hpe.data.interhand import InterHandConfig, open_interhand, prepare_interhand
from hpe.data.interhand_masks import (
    InterHandMasksConfig,
    open_interhand_masks,
    prepare_interhand_masks,
)
from hpe.data.mixture import Mixing, MixtureConfig, mix, sources_of
from hpe.data.mpii import MpiiConfig, open_mpii, prepare_mpii
from hpe.data.mpii_hands import MpiiHandsConfig, open_mpii_hands, prepare_mpii_hands
from hpe.data.no_data import NoDataConfig, open_no_data
from hpe.data.onehand10k import OneHand10KConfig, open_onehand10k, prepare_onehand10k
from hpe.data.opened import OpenedData, Task
from hpe.data.packed import is_finished
from hpe.data.rendered_bodies import (
    RenderedBodiesConfig,
    open_rendered_bodies,
    prepare_rendered_bodies,
    recipe_of_bodies,
)
from hpe.data.rendered_hands import (
    RenderedHandsConfig,
    open_rendered_hands,
    prepare_rendered_hands,
    recipe_of,
)
from hpe.data.rendered_two_hands import (
    RenderedTwoHandsConfig,
    is_rendered,
    open_rendered_two_hands,
    prepare_rendered_two_hands,
    recipe_of_two_hands,
)
from hpe.data.rhd import RhdConfig, open_rhd, prepare_rhd
from hpe.data.roots import brought_root, rendered_root
from hpe.data.youtube_hands import YoutubeHandsConfig, open_youtube_hands, prepare_youtube_hands
from hpe.names import nearest

Progress = Callable[[int, int], None]
"""Told how much of how much is done, in units of the data set's own."""


@runtime_checkable
class Preparation(Protocol):
    """Makes a data set in its folder, or checks what somebody put there."""

    def __call__(
        self, config: Any, root: Path, /, *, processes: int, progress: Progress
    ) -> None: ...


@dataclass(frozen=True)
class DataSet:
    """A data set as the platform sees it.

    Attributes:
        about: One line for people.
        config: Its settings.
        root: Given settings, a folder brought by the user (or None) and the folder for what is made
            here, where the data set lies or will lie.
        open: Given settings and folder, the samples.
        prepare: Renders it, or checks its files; None: every sample is read once.
        task: What its samples are annotated for.
        awaits_making: Given settings and folder, whether some of it is made here and has not been
            made yet.
        knows_depth: Given settings and a split's name, whether samples of it say where joints are
            in space, rather than in the picture alone.
        knows_visible: Whether masks come with which of their pixels are visible.
    """

    about: str
    config: type[Config]
    root: Callable[[Any, Path | None, Path], Path]
    open: Callable[[Any, Path], OpenedData[Any]]
    prepare: Preparation | None = None
    task: Task = "hand_pose"
    awaits_making: Callable[[Any, Path], bool] = lambda _config, _root: False
    knows_depth: Callable[[Any, str], bool] = lambda _config, _split: True
    knows_visible: bool = True


def data_config(raw: Mapping[str, Any]) -> Config:
    """Return the validated settings of the data set that `raw["name"]` names.

    Raises:
        ValueError: If the name is missing or unknown, a setting does not exist (with the nearest
            names), or a value breaks its rule.
    """
    name = raw.get("name")
    if not isinstance(name, str) or name not in DATA_SETS:
        near = nearest(name, DATA_SETS) if isinstance(name, str) else ""
        raise ValueError(
            f"data/name: there is no data set {name!r}{near}; data sets are {', '.join(DATA_SETS)}."
        )
    config = DATA_SETS[name].config
    for key in raw:
        if key not in config.model_fields:
            raise ValueError(
                f"data/{key}: {name} has no such setting{nearest(key, config.model_fields)}; "
                f"its settings are {', '.join(config.model_fields)}."
            )
    try:
        return config.model_validate(dict(raw))
    except ValidationError as error:
        raise ValueError(_readable(error)) from None


def data_root(config: Config, *, data_dir: Path | None, made_dir: Path) -> Path:
    """Return the folder in which a data set lies, or will lie once prepared.

    Args:
        config: Its settings.
        data_dir: Where the user keeps data; None if nothing was said.
        made_dir: Where to keep what is made here, unless there is a `data_dir`.

    Raises:
        ValueError: If the data set cannot be made here and no `data_dir` is given.
    """
    return _data_set(config).root(config, data_dir, made_dir)


def prepare_data(config: Config, root: Path, *, processes: int, progress: Progress) -> None:
    """Make a data set ready to be opened: render what is not there yet, or check the files.

    Raises:
        ValueError: If files are missing: what was looked for, what was found. If a sample cannot be
            read: which.
    """
    entry = _data_set(config)
    if entry.prepare is None:
        _read_through(entry, config, root, progress)
    else:
        entry.prepare(config, root, processes=processes, progress=progress)


def awaits_making(config: Config, root: Path) -> bool:
    """Return whether some of a data set is made here and has not been made yet."""
    return _data_set(config).awaits_making(config, root)


def knows_depth(config: Config, split: str) -> bool:
    """Return whether a split has samples whose joints are known in space."""
    return _data_set(config).knows_depth(config, split)


def knows_visible(config: Config) -> bool:
    """Return whether a data set says which pixels of its masks are visible."""
    return _data_set(config).knows_visible


def task_of(config: Config) -> Task:
    """Return what the samples of a data set are annotated for."""
    return _data_set(config).task


def open_data(config: Config, root: Path) -> OpenedData[Any]:
    """Open a prepared data set.

    Raises:
        ValueError: If it is not there or not complete.
    """
    return _data_set(config).open(config, root)


def _data_set(config: Config) -> DataSet:
    found = [entry for entry in DATA_SETS.values() if type(config) is entry.config]
    if not found:
        raise TypeError(f"settings of a data set are needed, got {type(config).__name__}.")
    return found[0]


def _read_through(entry: DataSet, config: Config, root: Path, progress: Progress) -> None:
    what = "the data set"
    try:
        splits = entry.open(config, root).splits
        total = sum(len(split) for split in splits.values())
        places = ((name, index) for name, split in splits.items() for index in range(len(split)))
        for done, (name, index) in enumerate(places, start=1):
            what = f"{name}[{index}]"
            splits[name][index]
            progress(done, total)
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(f"{root}: {what} cannot be read: {error}") from error


def _is_unfinished(_config: Config, root: Path) -> bool:
    return not is_finished(root)


def _mixture_root(config: Mixing, data_dir: Path | None, made_dir: Path) -> Path:
    """Return the folder in which the sources' own folders lie."""
    for source in config.sources.values():
        data_root(source.data, data_dir=data_dir, made_dir=made_dir)
    return data_dir or made_dir


def _prepare_mixture(config: Mixing, root: Path, *, processes: int, progress: Progress) -> None:
    for source in config.sources.values():
        folder = _source_root(source.data, root)
        prepare_data(source.data, folder, processes=processes, progress=progress)


def _open_mixture(config: Mixing, root: Path) -> OpenedData[Any]:
    sources = {name: source.data for name, source in config.sources.items()}
    opened = {name: open_data(data, _source_root(data, root)) for name, data in sources.items()}
    return mix(config, opened)


def _mixture_awaits_making(config: Mixing, root: Path) -> bool:
    sources = (source.data for source in config.sources.values())
    return any(awaits_making(data, _source_root(data, root)) for data in sources)


def _mixture_knows_depth(config: Mixing, split: str) -> bool:
    names = sources_of(config, split)
    return any(knows_depth(config.sources[name].data, split) for name in names)


def _flat(_config: Config, _split: str) -> bool:
    return False


def _source_root(config: Config, mixture_root: Path) -> Path:
    return data_root(config, data_dir=mixture_root, made_dir=mixture_root)


def _no_root(config: NoDataConfig, _data_dir: Path | None, made_dir: Path) -> Path:
    return made_dir / config.name


def _prepare_freihand(
    config: FreiHandConfig, root: Path, *, processes: int, progress: Progress
) -> None:
    del processes  # one pass over two files
    prepare_freihand(config, root, progress=progress)


def _readable(error: ValidationError) -> str:
    lines = []
    for detail in error.errors(include_url=False):
        path = "/".join(["data", *(str(part) for part in detail["loc"])])
        message = detail["msg"].removeprefix("Value error, ").rstrip(".")
        lines.append(f"{path}: {message[0].lower()}{message[1:]}, got {detail['input']!r}.")
    return "\n".join(lines)


DATA_SETS: Mapping[str, DataSet] = {
    "rendered_hands": DataSet(
        about="hands rendered here from a parametric model, with masks and parts",
        config=RenderedHandsConfig,
        root=rendered_root(recipe_of),
        open=open_rendered_hands,
        prepare=prepare_rendered_hands,
        awaits_making=_is_unfinished,
    ),
    "rendered_two_hands": DataSet(
        about="two hands that hide each other, rendered here, with the whole masks of each",
        config=RenderedTwoHandsConfig,
        root=rendered_root(recipe_of_two_hands),
        open=open_rendered_two_hands,
        prepare=prepare_rendered_two_hands,
        task="hand_segmentation",
        awaits_making=lambda _config, root: not is_rendered(root),
    ),
    "rendered_bodies": DataSet(
        about="clothed bodies rendered here from a parametric model",
        config=RenderedBodiesConfig,
        root=rendered_root(recipe_of_bodies),
        open=open_rendered_bodies,
        prepare=prepare_rendered_bodies,
        task="body_pose",
        awaits_making=_is_unfinished,
    ),
    "freihand": DataSet(
        about="FreiHAND's original files, which you bring",
        config=FreiHandConfig,
        root=brought_root(freihand.FOLDER_NAMES),
        open=open_freihand,
        prepare=_prepare_freihand,
    ),
    "freihand_course": DataSet(
        about="FreiHAND in the layout of a course, which you bring",
        config=FreiHandCourseConfig,
        root=brought_root(freihand_course.FOLDER_NAMES),
        open=open_freihand_course,
        prepare=prepare_freihand_course,
    ),
    "interhand": DataSet(
        about="InterHand2.6M at 5 frames/s, which you bring",
        config=InterHandConfig,
        root=brought_root(interhand.FOLDER_NAMES),
        open=open_interhand,
        prepare=prepare_interhand,
    ),
    "interhand_masks": DataSet(
        about="InterHand2.6M with part masks in S3's layout, which you bring",
        config=InterHandMasksConfig,
        root=brought_root(interhand_masks.FOLDER_NAMES),
        open=open_interhand_masks,
        prepare=prepare_interhand_masks,
        task="hand_segmentation",
        knows_visible=False,
    ),
    "mpii_hands": DataSet(
        about="MPII+NZSL hands, 2D only, which you bring",
        config=MpiiHandsConfig,
        root=brought_root(mpii_hands.FOLDER_NAMES),
        open=open_mpii_hands,
        prepare=prepare_mpii_hands,
        knows_depth=_flat,
    ),
    "youtube_hands": DataSet(
        about="YouTube 3D Hands, used in 2D, which you bring",
        config=YoutubeHandsConfig,
        root=brought_root(youtube_hands.FOLDER_NAMES),
        open=open_youtube_hands,
        prepare=prepare_youtube_hands,
        knows_depth=_flat,
    ),
    "rhd": DataSet(
        about="RHD, people rendered whole, which you bring",
        config=RhdConfig,
        root=brought_root(rhd.FOLDER_NAMES),
        open=open_rhd,
        prepare=prepare_rhd,
    ),
    "onehand10k": DataSet(
        about="OneHand10K, 2D only, which you bring",
        config=OneHand10KConfig,
        root=brought_root(onehand10k.FOLDER_NAMES),
        open=open_onehand10k,
        prepare=prepare_onehand10k,
        knows_depth=_flat,
    ),
    "coco_hands": DataSet(
        about="hands of COCO-WholeBody, 2D only, which you bring",
        config=CocoHandsConfig,
        root=brought_root(coco_hands.FOLDER_NAMES),
        open=open_coco_hands,
        prepare=prepare_coco_hands,
        knows_depth=_flat,
    ),
    "mixture": DataSet(
        about="several of the others, with weights",
        config=MixtureConfig,
        root=_mixture_root,
        open=_open_mixture,
        prepare=_prepare_mixture,
        awaits_making=_mixture_awaits_making,
        knows_depth=_mixture_knows_depth,
    ),
    "h36m": DataSet(
        about="Human3.6M in S4's or mmpose's layout, which you bring",
        config=H36mConfig,
        root=brought_root(h36m.FOLDER_NAMES),
        open=open_h36m,
        prepare=prepare_h36m,
        task="body_pose",
    ),
    "mpii": DataSet(
        about="MPII Human Pose, 2D only, which you bring",
        config=MpiiConfig,
        root=brought_root(mpii.FOLDER_NAMES),
        open=open_mpii,
        prepare=prepare_mpii,
        task="body_pose",
        knows_depth=_flat,
    ),
    "body_mixture": DataSet(
        about="several data sets of bodies, with weights",
        config=BodyMixtureConfig,
        root=_mixture_root,
        open=_open_mixture,
        prepare=_prepare_mixture,
        task="body_pose",
        awaits_making=_mixture_awaits_making,
        knows_depth=_mixture_knows_depth,
    ),
    "none": DataSet(
        about="no samples at all, for phases that train nothing",
        config=NoDataConfig,
        root=_no_root,
        open=open_no_data,
        task="nothing",
    ),
}

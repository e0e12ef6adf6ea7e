"""`--smoke`: the same study made tiny, to see every part of it work before it is run in earnest."""

from collections.abc import Collection, Mapping
from typing import Any

from hpe.config import Config
from hpe.data.body_mixture import BodyMixtureConfig
from hpe.data.mixture import MixtureConfig
from sweep.points import shared_settings
from sweep.study import Ablation, EarlyStop, Final, Seeds, Study
from sweep.study_check import CheckedStudy
from trainables.plans import Plan, default_settings

STEPS = 2
BATCH_SIZE = 8
SAMPLES_PER_SPLIT = 32

TINY_SETTINGS: Mapping[str, Any] = {
    "epochs": 1,
    "steps_per_epoch": STEPS,
    "limit_batches": STEPS,
    "batch_size": BATCH_SIZE,
    "accumulate": 1,
    "label_fraction": 1.0,
    "probe/every": 1,
    "probe/labels": BATCH_SIZE,
    "probe/val_samples": BATCH_SIZE,
    "optimizer/warmup_epochs": 0,
}
"""Path below a phase -> value, for the phases that have it."""

SPLIT_COUNTS = ("unlabelled", "unpaired_masks", "train", "val", "test")


def smoke_study(checked: CheckedStudy) -> Study:
    """Return the study with every phase cut to two steps on two batches.

    Every arm runs once, and one searched point; the search, the seeds, the replicates and the
    ablation are cut to what shows that they work. It has a name, and so a folder, of its own.
    """
    study = checked.study
    tiny = _tiny(checked.base.plan, varied=checked.varied)
    arms = {
        name: arm.model_copy(
            update={
                "settings": {**arm.settings, **_tiny(checked.arms[name].plan, varied=())},
            }
        )
        for name, arm in study.arms.items()
    }
    changes = {
        "name": f"{study.name}-smoke",
        "source": None,  # its trials were trained with other settings than tiny ones
        "data": _tiny_data(study.data, checked.data),
        "baseline": None,  # what it says is among the settings, or it would win over tiny ones
        "settings": {**_settled(study, checked.varied), **tiny},
        "arms": arms,
        "search": study.search.model_copy(update={"trials": min(1, study.search.trials)}),
        "early_stop": EarlyStop(),
        "seeds": Seeds(study=study.seeds.study, trials=study.seeds.trials[:1]),
        "final": Final(top_k=min(1, study.final.top_k), seeds=1),
        "ablation": Ablation(
            seeds=min(1, study.ablation.seeds), interactions=min(2, study.ablation.interactions)
        ),
        "max_failed": 0,
        "sizes": {},
    }
    return study.model_copy(update=changes)


def _settled(study: Study, varied: Collection[str]) -> dict[str, Any]:
    """Return what all arms and points start from, without what the search varies.

    Of a baseline's sections that the search varies in part nothing is kept: values that belong
    together, such as the weights of a loss, may be impossible without each other.
    """
    sections = {path.rpartition("/")[0] for path in varied}
    return {
        path: value
        for path, value in shared_settings(study).items()
        if path in study.settings or path.rpartition("/")[0] not in sections
    }


def _tiny(plan: Plan, *, varied: Collection[str]) -> dict[str, Any]:
    paths = default_settings(plan)
    tiny = {
        f"{step.label}/{below}": value for step in plan for below, value in TINY_SETTINGS.items()
    }
    return {path: value for path, value in tiny.items() if path in paths and path not in varied}


def _tiny_data(raw: Mapping[str, Any], data: Config) -> dict[str, Any]:
    """Return the data set with few samples, where it is one whose samples are made here."""
    counts = [name for name in SPLIT_COUNTS if name in type(data).model_fields]
    tiny = {**raw, **dict.fromkeys(counts, SAMPLES_PER_SPLIT)}
    if isinstance(data, MixtureConfig | BodyMixtureConfig):
        tiny["sources"] = {
            name: {
                "data": _tiny_data(_as_written(source.data), source.data),
                "weight": source.weight,
            }
            for name, source in data.sources.items()
        }
    return tiny


def _as_written(data: Config) -> dict[str, Any]:
    """Return the settings that were given, and the name."""
    return {"name": data.model_dump()["name"], **data.model_dump(mode="json", exclude_unset=True)}

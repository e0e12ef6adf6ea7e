"""Which files settings name, and which of these are read."""

from pathlib import Path

import pytest

from hpe.augment.occluders import cutout_paths
from hpe.augment.voc_objects import voc_files
from hpe.evolution.recorded_limits import limit_files
from hpe.outside_files import outside_files
from hpe.phases.body_config import BodyPoseConfig
from hpe.phases.evolve_config import EvolveConfig
from hpe.phases.lift_config import LiftConfig
from hpe.phases.pretrain_config import PretrainConfig

VOC = {"enabled": True, "source": "voc", "folder": "/voc"}
PICTURES = {"enabled": True, "source": "pictures", "folder": "/pictures"}


def named(config, settings):
    found = outside_files(config.model_validate(settings))
    return {path: (files.folder, files.find) for path, files in found}


def test_files_are_named_by_the_section_that_reads_them():
    voc, pictures = (Path("/voc"), voc_files), (Path("/pictures"), cutout_paths)
    relative = {"weight": 1.0, "own_views": True, "rotation": True}
    own = {"rotate": {"enabled": True}, "occlude": PICTURES}
    settings = {"augment": {"occlude": VOC}, "relative": {**relative, "augment": own}}
    both = {"augment/occlude": voc, "relative/augment/occlude": pictures}
    assert named(PretrainConfig, settings) == both
    assert named(BodyPoseConfig, {"augment": {"occlude": VOC}}) == {"augment/occlude": voc}


@pytest.mark.parametrize("enabled", [True, False])
def test_recorded_limits_are_read_whether_or_not_children_must_keep_to_them(enabled):
    found = named(EvolveConfig, {"limits": {"folder": "/limits", "enabled": enabled}})
    assert found == {"limits": (Path("/limits"), limit_files)}


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (LiftConfig, {}),
        (EvolveConfig, {}),
        (BodyPoseConfig, {"augment": {"occlude": {"enabled": True}}}),
        (BodyPoseConfig, {"augment": {"occlude": {**VOC, "enabled": False}}}),
        (PretrainConfig, {"relative": {"augment": {"occlude": VOC}}}),
    ],
    ids=["nothing to name", "estimated", "drawn", "off", "in a part that is off"],
)
def test_what_is_not_read_is_not_named(config, settings):
    assert named(config, settings) == {}


def test_the_same_files_of_two_sections_are_equal():
    settings = {"augment": {"occlude": {**VOC, "prob": 0.5}}}
    (first,) = outside_files(PretrainConfig.model_validate(settings))
    (second,) = outside_files(BodyPoseConfig.model_validate({"augment": {"occlude": VOC}}))
    assert len({first[1], second[1]}) == 1

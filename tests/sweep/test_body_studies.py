"""S4's studies: small ones need nothing, full ones are trained as published."""

import pytest

from sweep.study_check import check_study
from sweep.study_file import load_study

NAMES = ("body_ladder", "body_volumetric", "paper_s4")


def checked(name, size):
    return check_study(load_study(name, size=size))


def configs(name, size):
    return {arm: point.configs["body_pose"] for arm, point in checked(name, size).arms.items()}


@pytest.mark.parametrize("name", NAMES)
def test_small_bodies_need_nothing_but_this_project(name):
    assert checked(name, "small").data.name == "rendered_bodies"
    for config in configs(name, "small").values():
        assert config.encoder.name in ("small_resnet", "resnet18")
        assert config.encoder.init == "random"
        assert config.loader_workers == 0


@pytest.mark.parametrize(("name", "size"), [("body_ladder", "full"), ("paper_s4", "full")])
def test_full_bodies_are_trained_as_published(name, size):
    for config in configs(name, size).values():
        assert (config.epochs, config.steps_per_epoch, config.batch_size) == (65, None, 16)
        assert config.optimizer.milestones == (55, 60)
        assert config.label_fraction == 1
        assert config.encoder.init == "imagenet"


def test_the_rungs_are_those_of_s4():
    assert len(configs("body_ladder", "small")) == 7
    assert len(configs("body_ladder", "full")) + len(configs("body_ladder", "full_extra")) == 7


def test_small_rungs_get_the_same_steps_and_only_the_last_gets_all_labels():
    rungs = configs("body_ladder", "small")
    assert len({(c.epochs, c.steps_per_epoch, c.batch_size) for c in rungs.values()}) == 1
    assert [arm for arm, c in rungs.items() if c.label_fraction == 1] == ["integral_oahe"]


def test_the_papers_network_is_s4s():
    config = configs("paper_s4", "full")["s4"]
    assert (config.encoder.name, config.frozen_stages) == ("resnext101_32x8d", 4)
    assert (config.width_px, config.height_px, config.head.depth) == (288, 384, 72)
    data = checked("paper_s4", "full").data
    assert data.train_on == ("h36m", "mpii")
    assert data.score_on == ("h36m",)
    assert len({source.weight for source in data.sources.values()}) == 1

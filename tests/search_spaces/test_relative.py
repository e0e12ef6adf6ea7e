"""Experiments with relations between views regress what they say they do."""

import optuna
import pytest

from hpe.phases.catalog import PHASES
from search_spaces.baselines import BASELINES
from search_spaces.space import SPACES
from trainables.plans import configure, parse_plan

PLAN = parse_plan(("pretrain", "finetune"), PHASES)


def configured(name):
    return configure(PLAN, BASELINES[name].settings)["pretrain"]


@pytest.mark.parametrize(
    ("name", "relations"),
    [
        ("s0_a2_color_jitter", ("color",)),
        ("s0_a2_rotate_full", ("rotation",)),
        ("s0_a2_crop", ("translation",)),
        ("s0_nips_b_rel_c_ro", ("rotation", "translation")),
        ("s0_nips_b_rel_c_ro_con_cj_full", ("rotation", "translation")),
        ("s0_nips_b_con_cj", ()),
        ("s0_hybrid1_full", ("rotation", "translation")),
        ("s1_pair_abl_rc", ("scale",)),
        ("s1_pair_composition_c_cj_rc_ro", ("rotation", "translation", "color", "scale")),
    ],
)
def test_an_experiment_regresses_what_it_augments(name, relations):
    assert configured(name).relations == relations


def test_pairwise_experiments_have_no_contrastive_part_and_hybrid1_has_both_on_their_own_views():
    assert not configured("s0_a2_rotate").loss.enabled
    hybrid1 = configured("s0_nips_b_rel_ro_con_cj")
    assert hybrid1.loss.enabled
    assert hybrid1.relative.own_views
    assert hybrid1.relative.balance == "learned"
    assert hybrid1.augment.hsv_jitter.enabled
    assert not hybrid1.augment.rotate.enabled
    assert not hybrid1.relative.augment.hsv_jitter.enabled


@pytest.mark.parametrize(
    ("prefix", "count"),
    [("s0_a2_", 3), ("s0_nips_b_", 7), ("s1_pair_abl_", 4), ("s1_pair_composition_", 11)],
)
def test_there_are_as_many_as_were_launched(prefix, count):
    names = [name for name in BASELINES if name.startswith(prefix)]
    assert len([name for name in names if not name.endswith("_full")]) == count


def test_as_published_keeps_the_originals_targets():
    assert configured("s0_a2_rotate_full").relative.compat == "s0"
    assert configured("s0_a2_rotate").relative.compat == "none"


def test_heatmaps_are_those_of_hrnet():
    names = [n for n in BASELINES if n.startswith(("s1_sim_heatmap", "s0_hybrid2_heatmap"))]
    configs = {name: configured(name) for name in names}
    found = {name: (c.encoder.name, c.projection.kind) for name, c in configs.items()}
    assert found["s1_sim_heatmap_full"] == ("hrnet_w32", "points")
    assert found["s0_hybrid2_heatmap"] == ("hrnet_w32", "points")
    assert found["s0_hybrid2_heatmap_preserved_full"] == ("hrnet_w32", "maps")


@pytest.mark.parametrize("name", ["pairwise", "hybrid1"])
def test_a_space_reaches_every_relation_and_both_ways_to_weigh(name):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    configs = [configure(PLAN, SPACES[name].suggest(study.ask()))["pretrain"] for _ in range(60)]
    seen = {relation for config in configs for relation in config.relations}
    assert seen == {"rotation", "translation", "color", "scale"}
    assert all(config.relations for config in configs)
    balances = {config.relative.balance for config in configs}
    assert balances == ({"fixed"} if name == "pairwise" else {"fixed", "learned"})

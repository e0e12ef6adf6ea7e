"""Every space suggests what the phases accept, and means one thing by it."""

import math

import numpy as np
import optuna
import pytest
import yaml

from hpe.augment.backgrounds import Backgrounds
from hpe.augment.composition import CompositionConfig, appearance_of, build_composition
from hpe.phases.catalog import PHASES
from search_spaces.augmentations import ORDERED_AUGMENTATIONS
from search_spaces.baselines import BASELINES
from search_spaces.space import SPACES
from sweep.placement import place
from sweep.yaml_file import parse_yaml
from trainables.plans import configure, parse_plan

AUGMENT = "pretrain/augment/"


def suggestions(name, count, seed=0):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(count):
        trial = study.ask()
        yield trial, SPACES[name].suggest(trial)


def plan_of(name):
    return parse_plan(SPACES[name].plan, PHASES)


@pytest.mark.parametrize("name", SPACES)
def test_every_suggestion_is_a_valid_setting(name):
    plan = plan_of(name)
    for _, settings in suggestions(name, 200):
        configure(plan, settings)


@pytest.mark.parametrize("name", SPACES)
def test_a_name_keeps_one_distribution(name):
    seen = {}
    for trial, _ in suggestions(name, 200):
        for path, distribution in trial.distributions.items():
            assert seen.setdefault(path, distribution) == distribution


@pytest.mark.parametrize("name", SPACES)
def test_a_parameter_is_a_setting_of_its_name_or_serves_one_above_it(name):
    for trial, settings in suggestions(name, 50):
        for path, value in trial.params.items():
            if path in settings:
                assert settings[path] == value
            else:
                assert path.rpartition("/")[0] in settings


@pytest.mark.parametrize("name", SPACES)
def test_a_strength_is_asked_for_only_where_its_operation_is_on(name):
    for trial, settings in suggestions(name, 50):
        for path in {*trial.params, *settings}:
            if path.startswith(AUGMENT) and not path.endswith("/enabled"):
                operation = "/".join(path.split("/")[:3])
                assert settings[f"{operation}/enabled"]


@pytest.mark.parametrize("name", SPACES)
def test_the_parameters_of_a_suggestion_give_its_settings_again(name):
    for trial, settings in suggestions(name, 50):
        assert SPACES[name].settings(trial.params) == settings


@pytest.mark.parametrize("name", SPACES)
def test_canonical_parameters_mean_the_same_and_stay_what_they_are(name):
    space = SPACES[name]
    for trial, settings in suggestions(name, 50):
        canonical = space.canonical(trial.params)
        assert space.settings(canonical) == settings
        assert space.canonical(canonical) == canonical


@pytest.mark.parametrize("name", SPACES)
def test_the_place_of_a_suggestions_settings_is_the_suggestion(name):
    plan, space = plan_of(name), SPACES[name]
    for trial, settings in suggestions(name, 50):
        params, distributions = place(space, configure(plan, settings))
        assert close(params, space.canonical(trial.params))
        assert distributions == trial.distributions


@pytest.mark.slow
@pytest.mark.parametrize("name", ["composition", "ordered_composition"])
def test_a_composition_survives_a_study_file(name):
    for _, settings in suggestions(name, 500):
        text = yaml.safe_dump({"settings": dict(settings)}, sort_keys=False)
        read = parse_yaml(text, name="study.yaml").data["settings"]
        assert read == settings
        pipeline = build_composition(
            configure(plan_of(name), read)["pretrain"].augment,
            image_px=48,
            backgrounds=BACKGROUNDS,
        )
        assert [type(operation) for operation in pipeline.appearance] == in_order(settings)
        for path, value in settings.items():
            assert path not in STRENGTHS or strength_in(pipeline, path) == value


BACKGROUNDS = Backgrounds(np.zeros((1, 8, 8, 3), dtype=np.uint8))
DEFAULTS = CompositionConfig()
STRENGTHS = {
    f"{AUGMENT}{operation.name}/{strength.path}"
    for operation in ORDERED_AUGMENTATIONS.operations
    for strength in operation.strengths
}


def in_order(settings):
    """Return the kinds of operations on colours as the settings order them."""
    on = [
        path.split("/")[2]
        for path, value in settings.items()
        if path.startswith(AUGMENT) and path.endswith("/enabled") and value
    ]
    orders = {
        name: settings.get(f"{AUGMENT}{name}/order", getattr(DEFAULTS, name).order)
        for name in on
        if hasattr(getattr(DEFAULTS, name), "order")
    }
    return [type(getattr(DEFAULTS, name)) for name in sorted(orders, key=orders.__getitem__)]


def strength_in(pipeline, path):
    """Return the strength with which a pipeline applies an operation."""
    _, _, name, field = path.split("/")
    if name == "replace_background":
        return pipeline.background_prob
    if name in ("rotate", "zoom", "translate"):
        return getattr(getattr(pipeline.poses, name), field)
    (operation,) = [o for o in pipeline.appearance if isinstance(o, type(getattr(DEFAULTS, name)))]
    return getattr(operation, field)


def test_every_order_of_the_operations_is_suggested_in_ranks():
    firsts = set()
    for _, settings in suggestions("ordered_composition", 200):
        ranks = sorted(v for path, v in settings.items() if path.endswith("/order"))
        assert ranks == [float(rank) for rank in range(len(ranks))]
        config = configure(plan_of("ordered_composition"), settings)["pretrain"].augment
        firsts.update(list(appearance_of(config))[:1])
    assert firsts == {
        "sobel",
        "cut_out",
        "blur",
        "color_jitter",
        "hsv_jitter",
        "noise",
        "color_drop",
    }


def test_ordered_compositions_keep_their_bounds():
    for _, settings in suggestions("ordered_composition", 200):
        on = {p.split("/")[2] for p, value in settings.items() if p.endswith("enabled") and value}
        assert len(on) <= 5
        assert on & {"rotate", "zoom", "translate"}
        assert not {"color_jitter", "hsv_jitter"} <= on


def test_a_space_without_order_suggests_no_keys():
    for trial, settings in suggestions("composition", 50):
        assert not any("order" in path for path in {*trial.params, *settings})


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_is_a_valid_setting(name):
    settings = BASELINES[name].settings
    labels = {path.split("/")[0] for path in settings}
    twice = parse_plan([*PHASES] * 2, PHASES)
    configure(parse_plan([step.phase for step in twice if step.label in labels], PHASES), settings)


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("simclr", {"zoom", "hsv_jitter"}),
        ("peclr", {"zoom", "hsv_jitter", "rotate", "translate"}),
        ("supervised", {"zoom", "rotate", "translate"}),
        ("s0_a1_resize", set()),
        ("s0_a1_gaussian_noise", {"noise"}),
        ("s0_hyb2_abl_c_cj_rc_ro_sf", {"zoom", "hsv_jitter", "rotate", "translate", "sobel"}),
        ("s0_simclr_abl_comp_c_cj_gn_rc", {"zoom", "hsv_jitter", "translate", "noise"}),
        ("s1_sim_composition_cj_ro", {"hsv_jitter", "rotate"}),
    ],
)
def test_a_baseline_enables_the_published_operations(name, operations):
    enabled = {
        path.split("/")[2]
        for path, value in BASELINES[name].settings.items()
        if path.endswith("/enabled") and value
    }
    assert enabled == operations


def test_a_baseline_leaves_the_budget_to_the_study_unless_it_is_the_full_one():
    budget = {"epochs", "batch_size", "accumulate", "image_px"}
    for name, baseline in BASELINES.items():
        given = {path.split("/")[1] for path in baseline.settings} & budget
        if name != "s0_imagenet_down":
            assert bool(given) is name.endswith("_full"), name


def test_s1_searches_every_composition_of_two_or_more_of_four():
    names = [name for name in BASELINES if name.startswith("s1_sim_composition")]
    assert len([name for name in names if not name.endswith("_full")]) == 11


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_depths_change_the_encoder_alone(depth):
    for name, label in (("s0_e24b", "pretrain"), ("supervised", "finetune")):
        for variant in ("", "_full"):
            settings = dict(BASELINES[f"{name}_resnet{depth}{variant}"].settings)
            other = dict(BASELINES[f"{name}_resnet50{variant}"].settings)
            assert settings.pop(f"{label}/encoder/name") == f"resnet{depth}"
            assert other.pop(f"{label}/encoder/name") == "resnet50"
            assert settings == other


def test_e34_stops_one_pretraining_after_every_tenth_epoch():
    arms = [BASELINES[f"s0_e34_epoch_{epochs:03d}_full"].settings for epochs in range(10, 101, 10)]
    assert [arm["pretrain/epochs"] for arm in arms] == list(range(10, 101, 10))
    rest = [{**arm, "pretrain/epochs": 0} for arm in arms]
    assert all(arm == rest[0] for arm in rest)
    assert rest[0]["pretrain/optimizer/horizon_epochs"] == 100


def test_the_random_control_differs_from_the_imagenet_one_in_its_weights_alone():
    random = BASELINES["s0_random_down_full"].settings
    imagenet = BASELINES["s0_imagenet_down"].settings
    assert {**random, "finetune/encoder/init": "imagenet"} == imagenet
    assert random["finetune/encoder/init"] == "random"


def test_s0s_heatmap_baseline_is_built_as_it_was_only_in_full():
    assert "finetune/head/compat" not in BASELINES["supervised_heatmap"].settings
    full = BASELINES["supervised_heatmap_full"].settings
    assert full["finetune/head/compat"] == "s0"
    assert full["finetune/optimizer/lr"] == 5e-4


def close(first, second):
    """Say whether two mappings are equal, numbers up to rounding."""
    return first.keys() == second.keys() and all(
        math.isclose(value, second[name], rel_tol=1e-9, abs_tol=1e-12)
        if isinstance(value, float)
        else value == second[name]
        for name, value in first.items()
    )

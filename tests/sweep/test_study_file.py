"""Finding and reading studies, with sizes and single changed values."""

import pytest

from sweep.study import Slots
from sweep.study_file import STUDIES, find_study, list_studies, load_study

BASE = """\
question: Which?
data: {name: rendered_hands, train: 100}
plan: [pretrain, finetune]
settings:
  pretrain/epochs: 20
  finetune/epochs: 5
space: composition
arms:
  simclr: {baseline: simclr}
objective: {metric: finetune/val/root_epe_mm}
search: {sampler: tpe, trials: 40}
sizes:
  small:
    settings: {pretrain/epochs: 2}
    data: {train: 10}
    search: {trials: 3}
    seeds: {trials: [0, 1]}
"""


@pytest.fixture
def written(tmp_path):
    def write(text=BASE, name="mine.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def refusal(path, **changes):
    with pytest.raises(ValueError) as refused:
        load_study(path, **changes)
    return str(refused.value).replace(path, "mine.yaml")


def test_the_name_of_a_study_is_that_of_its_file(written):
    assert load_study(written()).name == "mine"
    assert load_study(written("name: other\n" + BASE)).name == "other"


def test_a_size_merges_over_the_study(written):
    study = load_study(written(), size="small")
    assert study.settings == {"pretrain/epochs": 2, "finetune/epochs": 5}
    assert study.data == {"name": "rendered_hands", "train": 10}
    assert study.search.trials == 3
    assert study.search.sampler == "tpe"
    assert study.seeds.trials == [0, 1]


def test_a_size_may_be_judged_by_another_metric(written):
    other = "seeds: {trials: [0, 1]}\n    objective: {metric: finetune/val/pa_epe_mm}"
    file = written(BASE.replace("seeds: {trials: [0, 1]}", other))
    assert load_study(file).objective.metric == "finetune/val/root_epe_mm"
    assert load_study(file, size="small").objective.metric == "finetune/val/pa_epe_mm"


def test_settings_that_are_set_are_known_as_such(written):
    study = load_study(written(), sets=["pretrain/epochs=7", "search/trials=1"])
    assert study.set_by_hand == ["pretrain/epochs"]
    assert load_study(written()).set_by_hand == []


def test_set_chooses_a_size_too(written):
    assert load_study(written(), sets=["size=small"]) == load_study(written(), size="small")


def test_the_other_of_small_and_full_is_the_study_as_written(written):
    assert load_study(written(), size="full") == load_study(written())


def test_single_values_win_over_a_size(written):
    study = load_study(written(), sets=["pretrain/epochs=7", "size=small"], trials=9)
    assert study.settings["pretrain/epochs"] == 7
    assert study.search.trials == 9


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("pretrain/epochs=7", lambda s: s.settings["pretrain/epochs"]),
        ("settings/pretrain/epochs=7", lambda s: s.settings["pretrain/epochs"]),
        ("search/trials=7", lambda s: s.search.trials),
        ("seeds/study=7", lambda s: s.seeds.study),
        ("slots/count=7", lambda s: s.slots.count),
        ("data/train=7", lambda s: s.data["train"]),
        ("max_failed=7", lambda s: s.max_failed),
        ("budget/wall_h=7", lambda s: s.budget.wall_h),
    ],
)
def test_a_single_value_goes_where_its_path_says(written, text, read):
    assert read(load_study(written(), sets=[text])) == 7


def test_values_are_typed_by_yamls_rules(written):
    sets = ["pretrain/optimizer/lr=1e-3", "pretrain/channels_last=false", "pretrain/precision=bf16"]
    settings = load_study(written(), sets=sets).settings
    assert settings["pretrain/optimizer/lr"] == 0.001
    assert settings["pretrain/channels_last"] is False
    assert settings["pretrain/precision"] == "bf16"
    assert load_study(written(), sets=["seeds/trials=[0, 1]"]).seeds.trials == [0, 1]
    assert load_study(written(), sets=["budget/wall_h=null"]).budget.wall_h is None


def test_another_data_set_starts_from_its_own_defaults(written):
    sets = ["data/name=freihand", "data/versions=all"]
    study = load_study(written(), size="small", sets=sets)
    assert study.data == {"name": "freihand", "versions": "all"}
    same = load_study(written(), sets=["data/name=rendered_hands"])
    assert same.data == {"name": "rendered_hands", "train": 100}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "search: {sampler: tpe, trials: 40}",
            "search: {sampler: tpe, trails: 40}",
            "mine.yaml:11: search/trails: unknown key; did you mean 'trials'?; "
            "keys here are sampler, trials, reuse, neighbours, grid.",
        ),
        (
            "space: composition",
            "spaces: composition",
            "mine.yaml:7: spaces: unknown key; did you mean 'space'",
        ),
        (
            "simclr: {baseline: simclr}",
            "simclr: {base: simclr}",
            "mine.yaml:9: arms/simclr/base: unknown key; did you mean 'baseline'?; "
            "keys here are baseline, plan, settings.",
        ),
        (
            "    search: {trials: 3}",
            "    serch: {trials: 3}",
            "mine.yaml:16: sizes/small/serch: unknown key; did you mean 'search'?",
        ),
        ("trials: 40", "trials: -1", "mine.yaml:11: search/trials: must be greater than or equal"),
        ("trials: 40", "trials: many", "mine.yaml:11: search/trials: must be a valid integer"),
        ("trials: 40", "trials: true", "mine.yaml:11: search/trials: must be a valid integer"),
        ("trials: 40", "trials: 1.5", "mine.yaml:11: search/trials: must be a valid integer"),
        (
            "sampler: tpe",
            "sampler: tpa",
            "mine.yaml:11: search/sampler: must be 'tpe', 'gp', 'cmaes', 'nsgaii', 'random', 'qmc' "
            "or 'grid', got 'tpa'.",
        ),
        ("plan: [pretrain, finetune]", "plan: []", "mine.yaml:3: plan: must have at least 1 item"),
        ("question: Which?\n", "", "mine.yaml: question: this key is missing."),
        ("simclr: {b", "sim clr: {b", "mine.yaml:9: arms/sim clr: must start with a letter or dig"),
        ("question:", "name: ../up\nquestion:", "mine.yaml:1: name: must start with a letter or"),
        ("question:", "name: stages\nquestion:", "mine.yaml:1: name: the runs folder keeps someth"),
        (
            "question:",
            "slots: {count: 0}\nquestion:",
            "mine.yaml:1: slots/count: must be greater than 0 or be 'auto', got 0.",
        ),
        (
            "question:",
            "slots: {gpu: 1.5}\nquestion:",
            "mine.yaml:1: slots/gpu: a worker has a share of one GPU or a whole number of them, "
            "got 1.5; set 1, 2 or a share such as 0.5.",
        ),
    ],
)
def test_a_faulty_study_is_refused_with_file_line_path_and_rule(written, old, new, message):
    assert old in BASE
    assert refusal(written(BASE.replace(old, new))).startswith(message)


def test_all_faults_of_a_file_are_told_at_once(written):
    text = BASE.replace("trials: 40", "trials: x").replace("question: Which?", "question: 3")
    assert [line.split(": ")[1] for line in refusal(written(text)).splitlines()] == [
        "question",
        "search/trials",
    ]


@pytest.mark.parametrize("gpu", ["auto", 0, 0.25, 1, 1.0, 4])
def test_ray_gives_a_worker_a_share_of_a_gpu_or_whole_ones(gpu):
    assert Slots(gpu=gpu).gpu == gpu


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": -1}, "--trials: must be greater than or equal to 0, got -1."),
        ({"sets": ["search/trials"]}, "--set search/trials: must be path=value, such as pretrain"),
        ({"sets": ["=3"]}, "--set =3: must be path=value"),
        ({"sets": ["search/trials="]}, "--set search/trials: there is nothing in it."),
        ({"sets": ["search/trials=x"]}, "--set search/trials: must be a valid integer, got 'x'."),
        (
            {"sets": ["search/trial=3"]},
            "--set search/trial: a study has no such key; did you mean 'search/trials'",
        ),
        (
            {"sets": ["pretrian/epochs=3"]},
            "--set pretrian/epochs: paths start with a phase of the plan or a key of a study; "
            "did you mean 'pretrain'?",
        ),
        ({"sets": ["arms/x=3"]}, "--set arms/x: arms are changed in the study file, not from"),
        ({"sets": ["sizes/small=3"]}, "--set sizes/small: sizes are changed in the study file"),
        ({"sets": ["plan/0=x"]}, "--set plan/0: plan has no parts; set plan=... as a whole."),
        ({"sets": ["search=3"]}, "--set search: a study has no such key"),
        ({"sets": ["data=3"]}, "--set data: must be data/<key>, such as data/name."),
        ({"sets": ["name=a/b"]}, "--set name: must start with a letter or digit"),
        (
            {"size": "smal"},
            "--size smal: mine has no such size; did you mean 'small'?; sizes are full, small.",
        ),
        ({"size": "full", "sets": ["size=small"]}, "--size: a study has one size, got full and sm"),
    ],
)
def test_a_faulty_option_is_refused_by_its_name(written, changes, message):
    assert refusal(written(), **changes).startswith(message)


def test_a_study_without_sizes_says_so(written):
    text = BASE[: BASE.index("sizes:")]
    assert refusal(written(text), size="small") == (
        "--size small: mine has no such size; sizes are none."
    )


def test_a_fault_in_a_size_is_found_before_the_size_is_chosen(written):
    text = BASE.replace("seeds: {trials: [0, 1]}", "seeds: {trial: [0, 1]}")
    assert load_study(written(text)).name == "mine"
    assert refusal(written(text), size="small").startswith(
        "mine.yaml:17: sizes/small/seeds/trial: unknown key; did you mean 'trials'"
    )


def test_an_unknown_study_is_refused_with_the_nearest_names():
    with pytest.raises(ValueError, match=r"there is no study of this name; did you mean 'quick"):
        find_study("quickstrat")
    with pytest.raises(ValueError, match=r"nowhere/mine\.yaml: there is no such study file"):
        find_study("nowhere/mine.yaml")


def test_every_study_of_the_project_is_listed_with_its_question():
    listed = dict(list_studies())
    assert sorted(listed) == sorted(path.stem for path in STUDIES.glob("*.yaml"))
    assert all(question.endswith("?") for question in listed.values())


def test_a_size_may_have_other_arms_and_another_baseline_trained_as_published(written):
    text = BASE.replace(
        "    settings: {pretrain/epochs: 2}\n",
        "    baseline: peclr\n    as_published: true\n    arms: {none: {plan: [finetune]}}\n",
    )
    study = load_study(written(text), size="small")
    assert list(study.arms) == ["none"]
    assert (study.baseline, study.as_published) == ("peclr", True)
    assert (load_study(written(text)).baseline, load_study(written(text)).as_published) == (
        None,
        False,
    )


def test_another_data_set_in_a_size_drops_what_the_study_says_about_its_own(written):
    text = BASE.replace("data: {train: 10}", "data: {name: freihand, val_share: 0.2}")
    study = load_study(written(text), size="small")
    assert study.data == {"name": "freihand", "val_share": 0.2}


def test_a_size_may_search_another_space(written):
    text = BASE.replace(
        "    data: {train: 10}\n", "    data: {train: 10}\n    space: equivariant\n"
    )
    assert load_study(written(text), size="small").space == "equivariant"
    assert load_study(written(text)).space == "composition"

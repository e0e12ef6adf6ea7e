"""What may change under a study's folder, and starting over."""

import pytest

from sweep.continuation import (
    changes,
    recorded_study,
    refuse_changed,
    refuse_fresh,
    refuse_other_data,
    start_over,
)
from sweep.folders import RunsDir
from sweep.lock import StudyInUse, driver_lock
from sweep.study import Study


def make_study(**changes):
    fields = {
        "name": "mine",
        "question": "Which?",
        "data": {"name": "rendered_hands", "train": 100},
        "plan": ["pretrain", "finetune"],
        "settings": {"pretrain/epochs": 20},
        "space": "composition",
        "arms": {"simclr": {"baseline": "simclr"}},
        "objective": {"metric": "finetune/val/root_epe_mm"},
        "search": {"trials": 40},
    }
    return Study.model_validate({**fields, **changes})


def changed(**new):
    return [str(c) for c in changes(make_study().model_dump(mode="json"), make_study(**new))]


@pytest.mark.parametrize(
    "new",
    [
        {},
        {"question": "Really?"},
        {"search": {"trials": 80}},
        {"search": {"trials": 4}},
        {"budget": {"wall_h": 8.0}},
        {"slots": {"count": 1, "gpu": 1.0}},
        {"max_failed": 3},
        {"sizes": {"small": {"search": {"trials": 1}}}},
        {"arms": {"simclr": {"baseline": "simclr"}, "peclr": {"baseline": "peclr"}}},
    ],
)
def test_how_long_and_where_a_study_runs_may_change_and_arms_may_come(new):
    assert changed(**new) == []


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ({"settings": {"pretrain/epochs": 7}}, ["settings/pretrain/epochs: 20 -> 7"]),
        ({"settings": {}}, ["settings/pretrain/epochs: 20 -> (not set)"]),
        (
            {"data": {"name": "freihand"}},
            ["data/name: rendered_hands -> freihand", "data/train: 100 -> (not set)"],
        ),
        ({"space": None}, ["space: composition -> null"]),
        ({"plan": ["finetune"]}, ["plan: ['pretrain', 'finetune'] -> ['finetune']"]),
        ({"search": {"trials": 40, "sampler": "random"}}, ["search/sampler: tpe -> random"]),
        ({"seeds": {"study": 0, "trials": [0, 1]}}, ["seeds/trials: [0] -> [0, 1]"]),
        ({"slots": {"workers": 2}}, ["slots/workers: 1 -> 2"]),
        ({"arms": {"simclr": {"baseline": "peclr"}}}, ["arms/simclr/baseline: simclr -> peclr"]),
        ({"from_weights": {"pretrain": "abc"}}, ["from_weights/pretrain: (not set) -> abc"]),
    ],
)
def test_what_makes_other_trials_of_a_study_is_told(new, told):
    assert changed(**new) == told


def test_a_refusal_says_what_changed_and_the_two_ways_on():
    records = [{"kind": "study", "study": make_study().model_dump(mode="json")}]
    with pytest.raises(ValueError) as refused:
        refuse_changed(records, make_study(settings={}), folder="runs/mine")
    message = str(refused.value)
    assert message.startswith("runs/mine: the study is not what it was when it began here:\n")
    assert "\n  settings/pretrain/epochs: 20 -> (not set)\n" in message
    assert "Either put this back to continue it, or start it over with --fresh --yes" in message
    refuse_changed(records, make_study(), folder="runs/mine")
    refuse_changed([], make_study(settings={}), folder="runs/mine")


def test_a_journal_remembers_arms_that_a_later_session_did_not_run():
    whole = make_study().model_dump(mode="json")
    alone = make_study(arms={"peclr": {"baseline": "peclr"}}, search={"trials": 0})
    records = [
        {"kind": "study", "study": whole},
        {"kind": "note", "message": "x"},
        {"kind": "study", "study": alone.model_dump(mode="json")},
    ]
    known = recorded_study(records)
    assert known is not None
    assert set(known["arms"]) == {"simclr", "peclr"}
    assert recorded_study([]) is None


def test_f19_other_data_is_refused():
    lineage = {"data": {"digest": "a" * 64}}
    refuse_other_data({}, "b" * 64, folder="runs/mine")
    refuse_other_data(lineage, "a" * 64, folder="runs/mine")
    with pytest.raises(ValueError, match=r"its digest was aaaaaaaaaaaaaaaa, now it is bbbbbbbb"):
        refuse_other_data(lineage, "b" * 64, folder="runs/mine")


@pytest.fixture
def folder(tmp_path):
    folder = RunsDir(tmp_path / "runs").study("mine")
    folder.report.mkdir(parents=True)
    for path in (folder.journal, folder.lock, folder.report / "index.html"):
        path.write_text("x")
    return folder


def test_fresh_needs_yes_and_names_what_it_deletes(folder):
    with pytest.raises(ValueError, match=r"\(driver\.lock, journal\.jsonl, report\); add --yes"):
        refuse_fresh(folder, yes=False)
    refuse_fresh(folder, yes=True)
    refuse_fresh(RunsDir(folder.root).study("nothing"), yes=False)


def test_fresh_never_deletes_what_is_no_study(tmp_path, folder):
    other = RunsDir(tmp_path).study("photos")
    other.root.mkdir()
    with pytest.raises(ValueError, match="is not the folder of a study; move it away"):
        refuse_fresh(other, yes=True)
    link = RunsDir(tmp_path).study("link")
    link.root.symlink_to(folder.root)
    with pytest.raises(ValueError, match="is not the folder of a study"):
        refuse_fresh(link, yes=True)


def test_starting_over_leaves_the_lock_alone(folder):
    start_over(folder)
    assert [path.name for path in folder.root.iterdir()] == ["driver.lock"]


def test_starting_over_is_refused_while_the_study_runs(folder):
    with driver_lock(folder.lock), pytest.raises(StudyInUse):
        start_over(folder)
    assert folder.journal.exists()

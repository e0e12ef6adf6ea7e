"""`evaluate.py STUDY`: every finished network on other data, arm against arm."""

import csv
import json

import pytest

from hpe.evaluation.hand_pose_scores import Score
from sweep import evaluate
from sweep.folders import RunsDir
from sweep.journal import Journal
from sweep.ledger import Ledger
from sweep.study_scoring import compare, notes_on, scored_trials, write_scored_study
from tests.hpe.data.test_coco_hands import PEOPLE
from tests.hpe.data.test_coco_hands import write_part as write_coco
from tests.hpe.evaluation.untrained import pose_artifacts
from trainables.assignment import Stage
from trainables.stages import StageStore

DATA = {"name": "rendered_hands"}
BOX = "epe_2d_box_share"
OBJECTIVE = {"metric": "finetune/val/epe_mm"}


def trial_records(number, arm, seed, state="COMPLETE"):
    stage = {"label": "finetune", "key": f"{number:064x}", "phase": "finetune", "epochs": 1}
    yield {
        "kind": "trial",
        "number": number,
        "arm": arm,
        "seed": seed,
        "params": {},
        "distributions": {},
        "settings": {},
        "stages": [{**stage, "config": {}, "seed": seed}],
        "time_s": 0.0,
    }
    if state != "RUNNING":
        end = {"objective": 1.0, "error_class": None, "message": None}
        yield {"kind": "end", "trial": number, "state": state, **end, "time_s": 0.0}


def records(*trials):
    study = {"name": "s", "data": DATA, "objective": OBJECTIVE}
    yield {"kind": "study", "study": study, "lineage": {}, "time_s": 0.0}
    for number, trial in enumerate(trials):
        yield from trial_records(number, *trial)


ARMS = Ledger(records(*[(arm, seed) for arm in ("plain", "strong") for seed in range(3)]))


def scores(values, name=BOX):
    return {number: {name: Score(name, value, 9, "words")} for number, value in enumerate(values)}


def test_arms_are_ranked_and_compared_seed_by_seed():
    """Differences of 0.1, 0.2 and 0.3: 0.2 +- t(0.975, 2) 0.1 / sqrt 3, t = 4.3027."""
    found = compare(ARMS, scores([0.5, 0.7, 0.6, 0.4, 0.5, 0.3]), by=None)
    assert [(c.name, c.mean) for c in found.ranked] == [
        ("arm strong", pytest.approx(0.4)),
        ("arm plain", pytest.approx(0.6)),
    ]
    (rival,) = found.rivals
    pair = rival.pair
    assert (pair.first, pair.second) == ("arm strong", "arm plain")
    assert pair.mean == pytest.approx(-0.2)
    half = 4.30265 * 0.1 / 3**0.5
    assert pair.interval == pytest.approx((-0.2 - half, -0.2 + half), abs=1e-5)
    assert rival.separated is False


def test_scores_of_which_more_is_better_are_ranked_so():
    found = compare(ARMS, scores([0.5, 0.6, 0.7, 0.1, 0.1, 0.1], "pck_2d_x"), by="pck_2d_x")
    assert found.ranked[0].name == "arm plain"


def test_arms_of_unlike_seeds_are_not_ranked_against_each_other():
    """b has the better mean, of an easier seed; a is better where both were trained."""
    trials = [("a", 0), ("a", 1), ("b", 1), ("b", 2), ("c", 0), ("c", 1), ("b", 3, "RUNNING")]
    ledger = Ledger(records(*trials))
    assert [trial.number for trial in scored_trials(ledger)] == [0, 1, 2, 3, 4, 5]
    found = compare(ledger, scores([0.9, 0.4, 0.5, 0.1, 0.9, 0.5]), by=BOX)
    assert [c.name for c in found.ranked] == ["arm a", "arm c"]
    assert found.rivals[0].pair.differences == {0: 0.0, 1: pytest.approx(-0.1)}
    assert [c.name for c in found.left_out] == ["arm b"]


def test_an_arm_with_one_lucky_seed_leads_nothing():
    ledger = Ledger(records(("a", 0), ("a", 1), ("b", 0), ("b", 1), ("c", 0), ("c", 1, "FAIL")))
    found = compare(ledger, scores([0.5, 0.5, 0.6, 0.7, 0.1]), by=BOX)
    assert [c.name for c in found.ranked] == ["arm a", "arm b"]
    assert [c.name for c in found.left_out] == ["arm c"]
    assert [rival.pair.second for rival in found.rivals] == ["arm b"]
    assert "for want of the trial seeds" in notes_on(found)[0]


def test_an_arm_that_breaks_a_constraint_leads_nothing():
    told = list(records(("a", 0), ("b", 0)))
    small = {"constraints": [{"metric": "finetune/params_m", "at_most": 10.0}]}
    told[0]["study"]["objective"] = OBJECTIVE | small
    for record in told:
        if record["kind"] == "end":
            record["others"] = {"finetune/params_m": 20.0 if record["trial"] else 5.0}
    found = compare(Ledger(told), scores([0.5, 0.1]), by=BOX)
    assert [c.name for c in found.ranked] == ["arm a"]
    assert [c.name for c in found.left_out] == ["arm b"]


@pytest.mark.parametrize("first", ["plain", "refined"])
def test_a_score_that_some_trials_alone_have_is_compared_and_written(tmp_path, first):
    second = {"plain": "refined", "refined": "plain"}[first]
    ledger = Ledger(records((first, 0), (second, 0)))
    known = scores([0.5, 0.6])
    of_refined = known[0 if first == "refined" else 1]
    of_refined["denoised_epe_mm"] = Score("denoised_epe_mm", 7.0, 9, "words")
    found = compare(ledger, known, by="denoised_epe_mm")
    assert ([c.name for c in found.ranked], found.without) == (["arm refined"], ["arm plain"])
    assert notes_on(found) == ["Without denoised_epe_mm: arm plain."]
    assert compare(ledger, known, by=None).by.name == BOX
    _, table = write_scored_study(tmp_path, {}, ledger, known, found)
    rows = {row["arm"]: row for row in csv.DictReader(table.read_text().splitlines())}
    assert (rows["refined"]["denoised_epe_mm"], rows["plain"]["denoised_epe_mm"]) == ("7.0", "")


@pytest.mark.parametrize("by", ["epe_3d", "number_of_hands"])
def test_only_scores_with_a_direction_can_be_compared_by(by):
    known = scores([1.0] * 6)
    for of_trial in known.values():
        of_trial["number_of_hands"] = Score("number_of_hands", 9.0, 9, "words")
    with pytest.raises(ValueError, match=f"--by must be one of {BOX}; got {by}"):
        compare(ARMS, known, by=by)


def test_a_study_without_a_finished_trial_has_nothing_to_score():
    with pytest.raises(ValueError, match="no trial of this study has completed; STUDY/TRIAL"):
        scored_trials(Ledger(records(("a", 0, "RUNNING"))))


@pytest.fixture
def runs(tmp_path):
    """A study of two arms, whose second one sees hands of a hundredth of the size."""
    runs = RunsDir(tmp_path / "runs")
    folder = runs.study("renders")
    folder.root.mkdir(parents=True)
    with Journal(folder.journal) as journal:
        journal.open()
        journal.append(list(records(("wide", 0), ("speck", 0), ("speck", 1, "FAIL"))))
    for number in (0, 1):
        artifacts = pose_artifacts()
        if number:
            for tensor in artifacts.tensors["head"].values():
                tensor.mul_(0.01)
        stage = Stage(f"{number:064x}", "finetune", "finetune", {}, {}, {}, 0, 1)
        StageStore(runs.stages).commit(stage, artifacts, [], lineage={})
    return runs


def test_a_studys_name_scores_all_its_finished_networks_on_photographs(runs, tmp_path, capsys):
    write_coco(tmp_path / "coco", PEOPLE)
    options = ["--runs-dir", str(runs.root), "--data", "coco_hands", "--data-dir", str(tmp_path)]
    assert evaluate.main(["renders", *options]) == 0
    shown = capsys.readouterr().out
    assert "renders, 2 trials that completed" in shown
    assert "per hand box" in shown
    (folder,) = (runs.root / "evaluations").iterdir()
    assert folder.name.startswith("renders-coco_hands-val-")
    told = json.loads((folder / "study.json").read_text())
    assert told["by"]["name"] == BOX
    assert {entry["name"] for entry in told["ranked"]} == {"arm wide", "arm speck"}
    rows = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    assert [(row["trial"], row["arm"]) for row in rows] == [("0", "wide"), ("1", "speck")]
    assert evaluate.main(["renders/1", *options, "--out", str(runs.root / "one")]) == 0
    alone = json.loads((runs.root / "one" / "scores.json").read_text())["scores"]
    assert {s["name"]: s["value"] for s in alone}[BOX] == pytest.approx(float(rows[1][BOX]))
    others = [["--limit", "1"], ["--by", BOX], ["--rotations", "2"]]
    for other in [[], *others]:
        assert evaluate.main(["renders", *options, *other]) == 0
    written = list((runs.root / "evaluations").iterdir())
    assert len(written) == 1 + len(others)
    capsys.readouterr()
    assert evaluate.main(["renders", *options, "--by", "epe_2d_box_shear"]) == 2
    shown = capsys.readouterr()
    assert f"compared by {BOX}; did you mean '{BOX}'" in shown.err
    assert "written" in shown.out, "what was scored is not lost"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["renders", "--submission", "x.zip"], "--submission is of one network"),
        (["renders/0", "--by", BOX], "--by compares the arms of a study"),
        (["renders", "--by", "hands"], "--by hands: which values of it are better"),
    ],
)
def test_what_a_study_or_a_trial_is_not_asked_is_refused(runs, capsys, arguments, said):
    assert evaluate.main([*arguments, "--runs-dir", str(runs.root)]) != 0
    assert said in "".join(capsys.readouterr())

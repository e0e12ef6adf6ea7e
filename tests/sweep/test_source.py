"""The study a search begins with: found in the runs folder, refused where it says nothing."""

import contextlib
import re

import optuna
import pytest
import yaml

from hpe.data.catalog import data_config, data_root, open_data
from hpe.phases.catalog import PHASES
from search_spaces.space import SPACES
from sweep import execution, run
from sweep.folders import RunsDir
from sweep.journal import Journal
from sweep.ledger import Ledger
from sweep.placement import distributions_to_json
from sweep.points import searched_point
from sweep.source import check_source, is_due, read_source, refuse_source_of_other_data
from sweep.study import Study
from sweep.warm_start import record_sentence
from tests.sweep.engine_fakes import make_study
from tests.sweep.test_run_flow import NoTracker
from trainables.keys import Execution
from trainables.plans import make_stages
from trainables.pool import NoSlotLeft

DIGEST = "d" * 64


@pytest.fixture
def runs(tmp_path):
    return RunsDir(tmp_path / "runs")


def write(runs, *records, name="first"):
    folder = runs.study(name)
    folder.root.mkdir(parents=True)
    with Journal(folder.journal) as journal:
        journal.open()
        journal.append([{"time_s": 0.0, **record} for record in records])


def begun(**changes):
    study = make_study(name="first", **changes).model_dump(mode="json")
    return {"kind": "study", "study": study, "lineage": {"data": {"digest": DIGEST}}}


def warm(**changes):
    return make_study(**{"name": "second", "from": "first", **changes})


# The key


def test_the_key_of_a_study_file_is_from():
    assert warm().source == "first"
    assert warm().model_dump(mode="json")["from"] == "first"
    assert Study.model_validate(warm().model_dump()) == warm()
    assert make_study().source is None


@pytest.mark.parametrize("name", ["../first", "/first", "a/b", "..", ".", ""])
def test_a_source_is_a_name_and_no_path(name):
    with pytest.raises(ValueError, match="should match pattern"):
        warm(**{"from": name})


# Finding it


def test_the_journal_of_a_study_is_read_while_another_driver_may_write_it(runs):
    write(runs, begun())
    with runs.study("first").journal.open("ab") as file:
        file.write(b"123 0")  # is being written
    source = read_source(warm(), runs)
    assert (source.study.name, source.digest, source.trials) == ("first", DIGEST, [])


def test_a_study_that_is_not_there_is_refused_with_the_nearest_name(runs):
    write(runs, begun(), name="frist")
    with pytest.raises(ValueError, match=r"has no study 'first'; did you mean 'frist'\?; studies"):
        read_source(warm(), runs)


def test_a_link_out_of_the_runs_folder_is_not_followed(runs, tmp_path):
    write(RunsDir(tmp_path / "elsewhere"), begun())
    runs.root.mkdir()
    (runs.root / "first").symlink_to(tmp_path / "elsewhere" / "first")
    with pytest.raises(ValueError, match="has no study 'first'"):
        read_source(warm(), runs)


def test_a_study_that_has_not_begun_and_a_journal_that_is_none_are_refused(runs):
    write(runs)
    with pytest.raises(ValueError, match="first has not begun; run it first"):
        read_source(warm(), runs)
    runs.study("first").journal.write_text("what?")
    with pytest.raises(ValueError, match=r"from: .* is not a study's journal"):
        read_source(warm(), runs)


# What it says here


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (
            {"metric": "final/val/error", "direction": "maximize"},
            r"\(minimize final/val/error; here: maximize final/val/error\)",
        ),
        (
            {"metric": "draft/val/proxy", "direction": "minimize"},
            r"\(minimize final/val/error; here: minimize draft",
        ),
        (
            {"metric": "final/val/error", "also": [{"metric": "cost/epochs"}]},
            "first did not record cost/epochs, which",
        ),
    ],
)
def test_another_objective_is_refused(runs, objective, message):
    write(runs, begun())
    with pytest.raises(ValueError, match=message):
        read_source(warm(objective=objective), runs)


def test_other_data_are_refused(runs):
    write(runs, begun())
    source = read_source(warm(), runs)
    refuse_source_of_other_data(source, DIGEST)
    with pytest.raises(ValueError, match="first was run on other data: its digest is dddddddd"):
        refuse_source_of_other_data(source, "e" * 64)


def test_a_study_does_not_begin_with_itself():
    with pytest.raises(ValueError, match="a study cannot begin with itself, got second"):
        check_source(warm(**{"from": "second"}))


@pytest.mark.parametrize("sampler", ["cmaes", "qmc", "random", "grid"])
def test_a_sampler_that_would_learn_nothing_is_refused(sampler):
    with pytest.raises(ValueError, match=f"sampler {sampler} learns nothing.*tpe, gp, nsgaii"):
        check_source(warm(search={"sampler": sampler, "trials": 4}))


@pytest.mark.parametrize("way", ["neighbours", "reuse"])
def test_a_random_search_learns_by_neighbours_and_prefixes(way):
    check_source(warm(search={"sampler": "random", "trials": 4, way: 0.5}))


def test_it_is_read_once_for_a_search_and_never_for_arms_alone():
    known = Ledger([{"kind": "known", "time_s": 0.0, "source": "a", "records": [], "left_out": {}}])
    assert is_due(warm(), Ledger())
    assert not is_due(warm(), known)
    assert not is_due(warm(search={"trials": 0}), Ledger())
    assert not is_due(make_study(), Ledger())


# The command

STUDY = """\
name: first
question: Which?
data: {name: rendered_hands, train: 100}
plan: [pretrain, finetune]
settings: {pretrain/epochs: 6, finetune/epochs: 3}
space: composition
objective: {metric: finetune/val/root_epe_mm}
search: {trials: 2}
"""


@pytest.fixture
def called(tmp_path, monkeypatch, capsys):
    """Show what a study would do that begins with one whose two searched trials are complete."""
    monkeypatch.chdir(tmp_path)
    first = Study.model_validate(yaml.safe_load(STUDY))
    study = {"kind": "study", "study": first.model_dump(mode="json"), "lineage": {}}
    write(RunsDir(tmp_path / "runs"), study, *searched(first, 2))
    (tmp_path / "mine.yaml").write_text(STUDY.replace("name: first", "name: mine"))

    def call(*arguments):
        code = run.main(["mine.yaml", "--dry-run", "--set", "slots/gpu=0", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def searched(study, count, digest=""):
    """Yield the records of complete trials at random points of a study."""
    sampler = optuna.samplers.RandomSampler(seed=0)
    asking = optuna.create_study(sampler=sampler)
    for number in range(count):
        trial = asking.ask()
        settings = SPACES[study.space].suggest(trial)
        point = searched_point(study, settings, PHASES)
        stages = make_stages(
            point.plan, point.configs, data={"digest": digest}, seed=0, execution=Execution()
        )
        yield {
            "kind": "trial",
            "number": number,
            "arm": None,
            "seed": 0,
            "params": SPACES[study.space].canonical(trial.params),
            "distributions": distributions_to_json(trial.distributions),
            "settings": dict(point.settings),
            "stages": [
                {
                    "label": stage.label,
                    "key": stage.key,
                    "phase": stage.phase,
                    "epochs": stage.epochs,
                    "config": stage.config,
                    "seed": stage.seed,
                }
                for stage in stages
            ],
        }
        end = {"state": "COMPLETE", "objective": 50.0, "error_class": None, "message": None}
        yield {"kind": "end", "trial": number, **end}


@pytest.mark.slow
def test_a_dry_run_says_how_many_trials_fit(called):
    code, out, err = called("--set", "from=first")
    assert (code, err) == (0, "")
    told = r"^from +2 trials known from first \(should the data be the same\)$"
    assert re.search(told, out, re.MULTILINE)


def test_a_dry_run_refuses_what_the_run_would_refuse(called):
    code, _, err = called("--set", "from=first", "--set", "finetune/epochs=4")
    assert code == 2
    assert "from: first has no trial that this study could begin with" in err
    assert "2 (finetune/epochs is 4 here)" in err
    code, _, err = called("--set", "from=first", "--trials", "0", "--set", "space=null")
    assert code == 2


def test_without_a_source_nothing_is_said(called):
    code, out, _ = called()
    assert code == 0
    assert not re.search("^from ", out, re.MULTILINE)


def test_a_smoke_run_begins_with_nothing(called):
    code, out, _ = called("--set", "from=first", "--smoke")
    assert code == 0
    assert not re.search("^from ", out, re.MULTILINE)


@pytest.mark.slow
def test_a_run_begins_with_what_fits_and_with_nothing_of_other_data(tmp_path, monkeypatch, capsys):
    tiny = "{name: rendered_hands, image_px: 16, unlabelled: 4, train: 4, val: 2, test: 1}"
    steps = "pretrain/batch_size: 4, pretrain/probe/labels: 4, finetune/batch_size: 4, "
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    text = STUDY.replace("{name: rendered_hands, train: 100}", tiny)
    text = text.replace("settings: {", f"settings: {{{steps}")
    (tmp_path / "mine.yaml").write_text(text.replace("name: first", "name: mine\nfrom: first"))
    begun_with = []

    def run_study(*_, known, **__):
        begun_with.append(known)
        raise NoSlotLeft("no slot is left.")

    monkeypatch.setattr(execution, "run_study", run_study)
    monkeypatch.setattr(execution, "MlflowTracker", NoTracker)
    monkeypatch.setattr(execution, "local_cluster", lambda **_: contextlib.nullcontext())
    first, runs = Study.model_validate(yaml.safe_load(text)), RunsDir(tmp_path / "runs")
    study = {"kind": "study", "study": first.model_dump(mode="json")}
    write(runs, {**study, "lineage": {"data": {"digest": DIGEST}}})
    arguments = ["mine.yaml", "--set", "slots/gpu=0"]
    assert run.main(arguments) == 2
    assert "from: first was run on other data" in capsys.readouterr().err
    data = data_config(first.data)
    digest = open_data(data, data_root(data, data_dir=None, made_dir=runs.data)).digest
    runs.study("first").journal.unlink()
    runs.study("first").root.rmdir()
    trials = searched(first, 2, digest=digest)
    write(runs, {**study, "lineage": {"data": {"digest": digest}}}, *trials)
    assert run.main(arguments) == 1
    assert record_sentence(begun_with[0]) == "2 trials known from first"

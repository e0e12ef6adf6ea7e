"""Training recorded trials of toy phases again: what agrees, what is refused."""

import shutil

import pytest
import torch

from hpe.data.hands import HandData
from hpe.phases import catalog
from hpe.phases.phase import Artifacts
from sweep import sameness
from sweep.folders import RunsDir
from sweep.ledger import FIRST_REPLICATE
from sweep.lineage import Commit
from sweep.replaying import GPU_TOLERANCE, Here, replay, table_of
from sweep.trial_record import journal_of, read_trial
from tests.sweep.engine_phases import PHASES, final_metrics
from tests.sweep.recorded_trials import (
    DIGEST,
    STUDY,
    end_record,
    epoch_records,
    lineage,
    stage_records,
    toy_records,
    trial_record,
    write_journal,
)
from trainables import keys
from trainables.keys import contents_digest, installed_libraries
from trainables.stages import StageStore


@pytest.fixture
def runs(tmp_path):
    return RunsDir(tmp_path / "runs")


def write(runs, records, **about):
    return write_journal(runs.study("toy").journal, list(records), **about)


def replayed(
    runs, reference, *, digest=DIGEST, anyway=False, tolerance=None, told=None, phases=PHASES
):
    record = read_trial(runs.study("toy").journal, reference)
    data = HandData(name="none", digest=digest, splits={}, card={})
    return replay(
        record,
        Here(runs=runs, data=data, root=runs.data, phases=phases),
        folder=runs.root / f"replay-{reference}",
        anyway=anyway,
        tolerance=tolerance,
        tell=(told if told is not None else []).append,
    )


@pytest.mark.parametrize("reference", ["0", "1", "1,1000", str(FIRST_REPLICATE)])
def test_arms_points_and_replicates_are_bit_equal(runs, reference):
    write(runs, toy_records())
    outcome = replayed(runs, reference)
    assert outcome.holds
    assert outcome.tolerance == 0
    assert all(row.is_equal for row in outcome.agreements)
    names = [row.name for row in outcome.agreements]
    draft = [] if reference == "0" else ["draft/val/proxy"]
    assert names == [*draft, "final/val/error", "objective"]
    assert [row.compared for row in outcome.agreements] == [*(3 for _ in names[:-1]), 1]
    assert outcome.sentence.startswith("Reproduced: all ")
    recorded = read_trial(runs.study("toy").journal, reference).trial.objective
    assert outcome.sentence.endswith(f" It came to {recorded:#.4g} val error.")


def test_a_number_that_is_other_is_found_with_its_epoch(runs):
    records = list(toy_records())
    spoiled = [r for r in records if r["kind"] == "epoch" and r["trial"] == 1][4]
    assert (spoiled["label"], spoiled["epoch"]) == ("final", 2)
    spoiled["metrics"] = {"val/error": spoiled["metrics"]["val/error"] * 1.01}
    write(runs, records)
    outcome = replayed(runs, "1")
    assert not outcome.holds
    (other,) = [row for row in outcome.agreements if not row.is_equal]
    assert (other.name, other.epoch) == ("final/val/error", 2)
    assert other.relative == pytest.approx(0.01 / 1.01)
    assert "NOT reproduced" in outcome.sentence
    assert replayed(runs, "1", tolerance=0.01).holds


def test_every_line_of_the_table_is_a_metric(runs):
    write(runs, toy_records())
    assert table_of(replayed(runs, "1")).row_count == 3


def test_a_trial_that_was_stopped_is_trained_up_to_there(runs):
    (stage,) = stage_records({"final/y": 2.0}, plan=["final"], seed=0)
    config = PHASES["final"].config(y=2.0)
    records = [
        trial_record(0, [stage], arm="no_draft"),
        *epoch_records(0, stage, lambda e: final_metrics(config, e), upto=2),
        end_record(0, "PRUNED"),
    ]
    write(runs, records)
    outcome = replayed(runs, "0")
    assert outcome.holds
    assert [(row.name, row.compared) for row in outcome.agreements] == [("final/val/error", 2)]
    assert not StageStore(runs.root / "replay-0").is_committed(stage["key"])


@pytest.mark.parametrize(("error_class", "holds"), [("diverged", True), ("code", False)])
def test_a_failure_is_reproduced_as_what_it_was(runs, error_class, holds):
    (stage,) = stage_records({"final/y": 101.0}, plan=["final"], seed=0)
    end = end_record(0, "FAIL") | {"error_class": error_class, "failed_in": "final"}
    write(runs, [trial_record(0, [stage], arm="no_draft"), end])
    outcome = replayed(runs, "0")
    assert outcome.holds is holds
    (row,) = outcome.agreements
    assert row.name == "ending"
    if not holds:
        assert "on record: code; now: diverged in final (train/loss is nan" in row.missing


def test_other_data_and_packages_alone_are_named_and_refused(runs, monkeypatch):
    then = {**installed_libraries(), "torch": "1.0"}
    with monkeypatch.context() as earlier:
        earlier.setattr(keys, "installed_libraries", lambda: then)
        records = list(toy_records())
    packages = {**lineage()["packages"], **then, "ray": "0.1"}
    write(runs, records, lineage_of=lineage(packages=packages))
    with pytest.raises(ValueError, match="another computation here") as refusal:
        replayed(runs, "1", digest="e" * 64)
    assert str(refusal.value).splitlines()[1:-1] == [
        f"  package torch: 1.0 then, {installed_libraries()['torch']} here",
        f"  data digest: {'d' * 12} then, {'e' * 12} here",
    ]
    assert "Put this back as it was (in the project's folder: `pip install torch==1.0`)" in str(
        refusal.value
    )


def test_other_code_alone_is_named_by_its_phase(runs):
    records = list(toy_records())
    changed = next(r for r in records if r["kind"] == "trial" and r["number"] == 0)
    changed["stages"][0]["key"] = "0" * 64
    git = {"commit": "ab" * 20, "dirty": True}
    write(runs, records, lineage_of=lineage(git=git))
    with pytest.raises(ValueError, match=r"code of final: commit abababababab with changes then"):
        replayed(runs, "0")
    told = []
    outcome = replayed(runs, "0", anyway=True, told=told)
    assert outcome.holds
    assert any(line.startswith("differs: code of final") for line in told)
    assert not any(".patch" in line for line in told)
    assert "(although code of final" in outcome.sentence


@pytest.mark.parametrize(
    ("then", "here", "told"), [(False, b"", True), (True, b"", False), (False, b"-", False)]
)
def test_the_commands_that_bring_code_back_are_told_where_they_do(
    runs, monkeypatch, then, here, told
):
    records = list(toy_records())
    changed = next(r for r in records if r["kind"] == "trial" and r["number"] == 0)
    changed["stages"][0]["key"] = "0" * 64
    write(runs, records, lineage_of=lineage(git={"commit": "ab" * 20, "dirty": then}))
    monkeypatch.setattr(sameness, "read_commit", lambda _: Commit(sha="cd" * 20, changes=here))
    with pytest.raises(ValueError, match="code of final") as refusal:
        replayed(runs, "0")
    assert ("`git checkout abababababab`" in str(refusal.value)) is told


def test_other_code_is_told_with_the_patch_that_brings_it_back(runs):
    records = list(toy_records())
    changed = next(r for r in records if r["kind"] == "trial" and r["number"] == 0)
    changed["stages"][0]["key"] = "0" * 64
    git = {"commit": "ab" * 20, "dirty": True, "changes": "5" * 64}
    write(runs, records, lineage_of=lineage(git=git))
    kept = runs.study("toy").changes("5" * 64)
    kept.parent.mkdir()
    kept.write_bytes(b"a patch")
    with pytest.raises(ValueError, match=rf"with changes \({kept}\) then"):
        replayed(runs, "0")


def test_only_the_first_phase_is_named_where_it_alone_changed(runs):
    records = list(toy_records())
    searched = next(r for r in records if r["kind"] == "trial" and r["number"] == 1)
    searched["stages"][0]["key"] = "0" * 64
    write(runs, records)
    with pytest.raises(ValueError, match=r"code of draft"):
        replayed(runs, "1")


def test_files_that_settings_name_may_be_what_changed(runs, tmp_path):
    for name in ("jointAngleModel_v2.npy", "staticPose.npy"):
        (tmp_path / name).write_text(name)
    settings = {"evolve/limits/folder": str(tmp_path)}
    stages = stage_records(settings, plan=["evolve"], seed=0, phases=catalog.PHASES)
    records = [trial_record(0, stages), end_record(0, "COMPLETE")]
    write(runs, records, study={**STUDY, "plan": ["evolve"], "arms": {}})
    (tmp_path / "staticPose.npy").write_text("another")
    contents_digest.cache_clear()
    with pytest.raises(ValueError, match="code, or files that settings name, of evolve: no git"):
        replayed(runs, "0", phases=catalog.PHASES)


def test_what_ran_on_a_gpu_is_refused_on_a_cpu_and_compared_within_a_tolerance(runs):
    slots = {"workers": 1, "gpus_per_worker": 1, "threads": 1}
    write(runs, toy_records(), lineage_of=lineage(slots=slots))
    with pytest.raises(ValueError, match=r"here:\n  code of .*\n  device: cuda then, cpu here"):
        replayed(runs, "1")
    assert replayed(runs, "1", anyway=True).tolerance == GPU_TOLERANCE


def test_stages_that_were_trained_with_other_threads_are_remarked(runs):
    first, then = (lineage(slots={"workers": 1, "threads": threads}) for threads in (2, 1))
    records = list(toy_records())
    number = max(record["number"] for record in records if record["kind"] == "trial")
    place = next(
        i
        for i, record in enumerate(records)
        if (record.get("trial"), record.get("label")) == (number, "final")
    )
    resumed = {"kind": "study", "study": STUDY, "lineage": then}
    write(runs, [*records[:place], resumed, *records[place:]], lineage_of=first)
    told = []
    assert replayed(runs, str(number), told=told).holds
    assert "remark: threads: draft was trained with 2 then, with 1 here" in told
    assert not any("final was trained" in line for line in told)


def test_fewer_gpus_than_workers_are_refused(runs, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    slots = {"workers": 2, "gpus_per_worker": 1, "threads": 1}
    write(runs, toy_records(), lineage_of=lineage(slots=slots))
    with pytest.raises(ValueError, match=r"  workers: 2 then, 1 here\nPut this back"):
        replayed(runs, "1")


def test_given_weights_are_taken_from_the_runs_folder(runs):
    store = StageStore(runs.stages)
    key = store.import_weights(Artifacts(), phase="draft", source={"sha256": "00"})
    study = {**STUDY, "arms": {}, "from_weights": {"draft": key}}
    records = list(toy_records())
    # From a plan whose first step is imported the second alone is trained.
    trial = next(r for r in records if r["kind"] == "trial" and r["number"] == 1)
    trial["stages"] = trial["stages"][1:]
    finals = [r for r in records if r.get("trial") == 1 and r.get("label") != "draft"]
    write(runs, [trial, *finals], study=study)
    assert replayed(runs, "1", anyway=True).holds
    shutil.rmtree(runs.stages)
    shutil.rmtree(runs.root / "replay-1")
    with pytest.raises(ValueError, match="began with given weights for draft"):
        replayed(runs, "1", anyway=True)


def test_a_setting_that_the_code_has_no_more_is_refused(runs):
    records = list(toy_records())
    trial = next(r for r in records if r["kind"] == "trial" and r["number"] == 0)
    trial["stages"][0]["config"]["gone"] = 1
    write(runs, records)
    with pytest.raises(ValueError, match="the code here cannot take final's settings"):
        replayed(runs, "0")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("7", "there is no trial 7; there are 0 to 1 and replicates 1000000"),
        ("best", "best: must be a trial's number, or number,seed"),
        ("1,5", "did not run with seed 5, only with 0, 1000"),
    ],
)
def test_a_trial_that_is_not_there_is_refused(runs, reference, message):
    journal = write(runs, toy_records())
    with pytest.raises(ValueError, match=message):
        read_trial(journal, reference)


def test_a_journal_is_found_by_name_folder_or_path(runs):
    journal = write(runs, toy_records())
    for reference in ("toy", str(journal), str(journal.parent)):
        assert journal_of(reference, runs) == journal
    with pytest.raises(ValueError, match=r"no such study \(there: toy\)"):
        journal_of("other", runs)


def test_the_lineage_is_of_the_session_that_trained_the_trial(runs):
    records = list(toy_records())
    later = {"kind": "study", "study": STUDY, "lineage": lineage(git={"commit": "f", "dirty": 0})}
    journal = write(runs, [*records, later])
    assert read_trial(journal, "1").lineage["git"] is None

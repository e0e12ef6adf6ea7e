"""A study's page of the documentation says what its journal says."""

import pytest

from sweep.ledger import Ledger
from sweep.report.history import epochs_from
from sweep.report.result import result_of
from sweep.report.study_page import study_page
from sweep.report.words import ALONE
from sweep.study import Study
from tests.sweep.conftest import of_two_versions


def page(records, *, changed=()):
    ledger = Ledger(records)
    study = Study.model_validate(ledger.study)
    result = result_of(ledger, study, epochs_of=epochs_from(None))
    return study_page(result, ledger, changed=changed)


def rows_of(text, heading):
    """Return the cells of the table below a heading, without its two first lines."""
    lines = text.split(f"{heading}\n\n")[1].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_a_comparison_has_means_spreads_seeds_and_intervals(compared_records):
    text = page(compared_records)
    assert text.startswith("# toy\n\n*Which augmentations help?*\n\nArm simclr has the lowest")
    # 52.5, 55.5, 54 and 53, 54, 55: differences +0.5, -1.5, +1, mean 0, sd 1.32, t(0.975, 2) = 4.30
    assert rows_of(text, "## Arms and searched points") == [
        ["arm simclr", "0, 1, 2", "54.00 ± 1.0", "", ""],
        ["arm peclr", "0, 1, 2", "54.00 ± 1.5", "+0.00 (-3.29 to +3.29)", ""],
        ["arm none", "0, 1, 2", "57.00 ± 1.0", "+3.00 (+0.516 to +5.48)", "plan finetune"],
    ]
    pairs = f"<summary>All paired differences between arms; {ALONE}</summary>"
    assert len(rows_of(text, pairs)) == 3


def test_a_search_shows_the_best_points_and_every_arm_without_intervals(searched_records):
    text = page(searched_records)
    rows = rows_of(text, "## Arms and searched points")
    assert len(rows) == 7, "of ten trials one failed and two were stopped"
    assert {"arm peclr", "arm no_pretraining"} <= {row[0] for row in rows}
    assert "95 % interval" not in text
    assert "rotate" in rows[0][-1]


def test_cost_and_origin_are_those_of_the_journal(searched_records):
    machine = {"cpus": 2, "memory_bytes": 25_300_000_000, "gpus": []}
    slots = {"count": 2, "workers": 1, "cpus_per_worker": 1, "gpus_per_worker": 0.0}
    searched_records[0]["lineage"] |= {"hardware": machine, "slots": slots}
    text = page(searched_records)
    cost = dict(rows_of(text, "## What it cost"))
    assert cost["trials"] == "10 trials: 7 completed, 2 stopped early, 1 failed"
    # 3 of arms, 8 of points that ran through, 2 of those stopped while finetuning, 1 of trial 9
    assert cost["stages"].startswith("14 trained, 1 reused")
    assert cost["training"] == "66 core-seconds"
    origin = dict(rows_of(text, "## Where the numbers come from"))
    assert origin["commit"] == "0123abcd0123"
    assert origin["date"] == "15 January 2027"
    assert origin["data"] == f"rendered_hands (train 1000), digest {'d' * 16}"
    assert origin["hardware"] == "2 cores, 25.3 GB of memory, no GPU"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ([], "Run it again: `python sweep/run.py toy`."),
        (["search/sampler"], "The study's file has changed since, in search/sampler."),
        (None, "The study is no file of this project."),
    ],
)
def test_a_page_says_whether_the_study_can_be_run_as_it_was(compared_records, changed, told):
    assert page(compared_records, changed=changed).endswith(f"{told}\n")


def test_trials_of_two_versions_of_the_code_are_told_apart(journal_script):
    text = page(of_two_versions(journal_script()))
    assert "| commit | 0123abcd0123: 1 trial; fedcba987654: 2 trials |" in text


def test_uncommitted_changes_are_said(compared_records):
    compared_records[0]["lineage"]["git"]["dirty"] = True
    assert "0123abcd0123, with changes that are in no commit" in page(compared_records)


def test_cells_do_not_break_the_table(compared_records):
    compared_records[0]["lineage"]["hardware"] = {"gpus": [{"name": "A|B"}]}
    assert "| hardware | A\\|B |" in page(compared_records)


def test_the_verdict_on_fresh_seeds_is_a_table_of_its_own(journal_script):
    script = journal_script(
        search={"sampler": "tpe", "trials": 1},
        arms={"peclr": {}},
        final={"top_k": 1, "seeds": 3},
    )
    script.trial(0, arm="peclr", error_mm=54.0)
    script.trial(1, params={"pretrain/loss/temperature": 0.5}, error_mm=50.0)
    replicate(script, 1, arm=None, errors_mm=[50.0, 50.5, 51.0])
    replicate(script, 0, arm="peclr", errors_mm=[55.0, 55.4, 56.1])
    rows = rows_of(page(script.records), "## Trained again on fresh seeds")
    assert [row[:3] for row in rows] == [
        ["**trial 1**", "3", "50.50 ± 0.50"],
        ["arm peclr", "3", "55.50 ± 0.56"],
    ]
    assert rows[1][3].startswith("+5.00 (+4.")


def replicate(script, number, *, arm, errors_mm):
    """Write replicates of a trial that was written before."""
    source = next(r for r in script.records if r["kind"] == "trial" and r["number"] == number)
    for i, error_mm in enumerate(errors_mm):
        again = 1_000_000 + 2 * i + (arm is not None)
        fields = {k: v for k, v in source.items() if k not in ("kind", "time_s")}
        script.write("trial", **{**fields, "number": again, "seed": 1000 + i}, replicate_of=number)
        end = {"objective": error_mm, "error_class": None, "message": None}
        script.write("end", trial=again, state="COMPLETE", **end)

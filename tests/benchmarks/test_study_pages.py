"""The script that writes a page for every finished study of a runs folder."""

import pytest

from benchmarks import study_pages
from sweep.folders import RunsDir
from sweep.journal import Journal
from tests.sweep.conftest import JournalScript


@pytest.fixture
def runs(tmp_path):
    return RunsDir(tmp_path / "runs")


def write(runs, name, *, finished=True):
    """Write the journal of a study with two arms."""
    script = JournalScript(
        {
            "name": name,
            "question": "Which?",
            "data": {"name": "rendered_hands"},
            "plan": ["pretrain", "finetune"],
            "arms": {"low": {}, "high": {}},
            "objective": {"metric": "finetune/val/root_epe_mm"},
        }
    )
    script.trial(0, arm="low", error_mm=50.0)
    if finished:
        script.trial(1, arm="high", error_mm=55.0)
    folder = runs.study(name)
    folder.root.mkdir(parents=True)
    with Journal(folder.journal) as journal:
        journal.open()
        journal.append(script.records)


def test_finished_studies_have_a_page_and_others_none(runs, tmp_path, capsys):
    write(runs, "done")
    write(runs, "done-smoke")
    write(runs, "begun", finished=False)
    study_pages.main([str(runs.root), "--to", str(tmp_path / "docs")])
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["done.md"]
    assert "Arm low has the lowest" in (tmp_path / "docs" / "done.md").read_text()
    assert capsys.readouterr().out == f"{tmp_path / 'docs' / 'done.md'}\n"


def test_only_those_that_are_named(runs):
    write(runs, "one")
    write(runs, "two")
    assert [name for name, _ in study_pages.pages(runs, only=["two"])] == ["two"]


def test_a_study_that_is_not_what_its_file_says_is_told_as_changed(runs):
    write(runs, "quickstart")
    ((_, page),) = study_pages.pages(runs)
    assert "The study's file has changed since, in arms/" in page

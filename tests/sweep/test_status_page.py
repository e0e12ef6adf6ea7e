"""The page for a browser: what it says, and when it is written."""

import re

import pytest

from sweep.folders import StudyDir
from sweep.ledger import Ledger
from sweep.status_page import EVERY_S, StatusPage
from sweep.study import Study


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def page_of(records, folder, *, clock=None, skip=0):
    """A page that has been told of these records."""
    ledger = Ledger(records[:skip])
    study = Study.model_validate(records[0]["study"])
    clock = clock or Clock()
    page = StatusPage(
        study,
        StudyDir(folder),
        ledger=ledger,
        slots=2,
        again="python sweep/run.py toy",
        wall=lambda: records[-1]["time_s"],
        clock=clock,
    )
    for record in records[skip:]:
        clock.now_s += 0.001
        ledger.apply(record)
        page(record, ledger)
    return page


def text_of(folder):
    html = (folder / "status.html").read_text()
    body = re.sub(r"<[^>]+>", " ", html.split("</style>")[1])
    return re.sub(r"\s+", " ", body)


def test_a_finished_session_shows_all_and_refreshes_no_more(searched_records, tmp_path):
    page_of(searched_records, tmp_path)
    text, html = text_of(tmp_path), (tmp_path / "status.html").read_text()
    for words in (
        "10 of 10",
        "7 completed, 1 failed, 2 stopped early",
        "slot 1 was replaced: its worker ended.",
        "trial 4: failed after 1 s, diverged: train/loss is nan in epoch 2.",
        "finetune epoch 1 0 0 2",
        "Ended",
    ):
        assert words in text
    best = min(
        r["objective"]
        for r in searched_records
        if r["kind"] == "end" and r["objective"] is not None
    )
    assert f"{best:.2f} mm" in text
    assert 'http-equiv="refresh"' not in html
    assert html.rstrip().endswith("</html>")
    assert html.rindex('href="report/index.html"') > html.rindex("</section>")


def test_a_running_study_refreshes_and_asks_the_network_for_nothing(searched_records, tmp_path):
    half = searched_records[: len(searched_records) // 2 + 6]
    page_of(half, tmp_path, skip=len(half) - 1)
    html, text = (tmp_path / "status.html").read_text(), text_of(tmp_path)
    assert '<meta http-equiv="refresh" content="3">' in html
    assert re.findall(r"(?:https?:)?//|src=|@import|url\(", html) == []
    assert re.search(r"about [0-9]+ s left", text)
    assert "Running trial" in text


def test_it_is_written_at_most_every_few_seconds_and_nothing_is_left_out(
    searched_records, tmp_path
):
    clock = Clock()
    page = page_of(searched_records[:20], tmp_path, clock=clock)
    path = tmp_path / "status.html"
    first = path.read_text()
    page.show_slots({"slot 0": "busy"})
    assert path.read_text() == first
    clock.now_s += EVERY_S
    page.show_slots({"slot 0": "busy"})
    assert "slot 0: busy" in path.read_text()
    path.unlink()
    clock.now_s += EVERY_S
    page.show_slots({"slot 0": "busy"})  # nothing is new
    assert not path.exists()


def test_an_interrupted_session_says_how_to_continue(searched_records, tmp_path):
    ending = {**searched_records[-1], "event": "interrupted"}
    page_of([*searched_records[:30], ending], tmp_path)
    assert "To continue: python sweep/run.py toy" in text_of(tmp_path)
    assert "Not finished" in text_of(tmp_path)


def test_what_comes_from_a_study_is_escaped(journal_script, tmp_path):
    script = journal_script(question="Is <script>alert(1)</script> shown?")
    script.write("note", message="<b>bold</b>")
    script.write("session", event="closed", host="lab", pid=1)
    page_of(script.records, tmp_path)
    html = (tmp_path / "status.html").read_text()
    assert "<script" not in html
    assert "&lt;b&gt;bold" in html
    assert "none yet" in html


@pytest.mark.parametrize(
    ("budget", "told"), [({}, "1.0 GPU-hours used"), ({"gpu_h": 4}, "3.0 of 4")]
)
def test_gpu_hours_are_told_where_there_are_gpus(journal_script, tmp_path, budget, told):
    script = journal_script(budget=budget)
    script.records[0]["lineage"]["slots"] = {"workers": 2, "gpus_per_worker": 1}
    script.trial(0, arm="no_pretraining", plan=("finetune",))
    begun, done = (r for r in script.records if r["kind"] == "stage")
    done["time_s"] = begun["time_s"] + 1800.0
    script.write("session", event="closed", host="lab", pid=1)
    page_of(script.records, tmp_path)
    assert told in text_of(tmp_path)


def test_a_page_that_cannot_be_written_holds_nothing_up(searched_records, tmp_path, caplog):
    page = page_of(searched_records, tmp_path / "gone", skip=len(searched_records))
    page.show_slots({"slot 0": "busy"})
    assert "status.html cannot be written" in caplog.text

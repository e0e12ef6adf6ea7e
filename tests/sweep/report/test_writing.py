"""The report's folder: what is in it, and that the page needs nothing else."""

import base64
import csv
import html
import re
import shlex
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open

from hpe.data.hands import HandData, HandSample
from hpe.phases.catalog import PHASES
from hpe.phases.phase import Artifacts
from sweep.ledger import Ledger
from sweep.report import write_report
from sweep.study import Study
from sweep.study_file import load_study
from sweep.trial_record import read_trial
from tests.sweep.conftest import of_two_versions

pytestmark = pytest.mark.slow

CHARTS = (
    "objective_over_time",
    "parallel_coordinates",
    "proxy_pretrain",
    "learning_curves_finetune",
    "learning_curves_pretrain",
    "composition",
    "predictions",
    "predictions_control",
    "pareto_front",
    "cost_ledger",
)


def a_hand(index):
    rng = np.random.default_rng(index)
    intrinsics = np.array([[100.0, 0, 48], [0, 100, 48], [0, 0, 1]])
    joints_m = np.concatenate([rng.uniform(-0.08, 0.08, (21, 2)), np.full((21, 1), 0.5)], axis=1)
    homogeneous = joints_m @ intrinsics.T
    return HandSample(
        image=rng.integers(0, 256, (96, 96, 3), dtype=np.uint8),
        joints_m=joints_m,
        intrinsics=intrinsics,
        keypoints_px=homogeneous[:, :2] / homogeneous[:, 2:],
        visible=np.ones(21, dtype=bool),
        foreground=None,
        unique_id=index,
    )


class Store:
    """A stage store in which every stage left weights and predictions."""

    def metrics(self, key):
        return [{"epoch": 1, "metrics": {"train/loss": 1.0}}]

    def artifacts(self, key):
        hands = [a_hand(i) for i in range(10)]
        keypoints = torch.tensor(np.stack([hand.keypoints_px for hand in hands]))
        joints = torch.tensor(np.stack([hand.joints_m for hand in hands]))
        predictions = {
            "images": torch.tensor(np.stack([hand.image for hand in hands])),
            "keypoints_px": keypoints,
            "predicted_px": keypoints + 3.0,
            "joints_m": joints,
            "predicted_m": joints * torch.tensor([1.0, 1.0, 1.0]) + torch.tensor([0.5, 0.0, 0.0]),
        }
        weights = {"stem.weight": torch.ones(2, 2)}
        return Artifacts({"encoder": weights, "predictions": predictions}, {"image_px": 48})


class EmptyStore:
    """A stage store from which everything was cleaned."""

    def metrics(self, key):
        raise FileNotFoundError(key)

    def artifacts(self, key):
        raise FileNotFoundError(key)


@pytest.fixture
def realistic(searched_records):
    """Give every stage of the search a complete configuration."""
    for record in searched_records:
        for stage in record.get("stages", ()):
            stage["config"] = PHASES[stage["phase"]].config(image_px=64).model_dump(mode="json")
    return searched_records


@pytest.fixture
def data():
    hands = [a_hand(i) for i in range(6)]
    splits = dict.fromkeys(("unlabelled", "train", "val", "test"), hands)
    return HandData(name="toy", digest="d" * 64, splits=splits, card={})


def write(records, folder, **inputs):
    ledger, inputs = Ledger(records), {"records": records, **inputs}
    return write_report(ledger, Study.model_validate(ledger.study), folder, **inputs)


def test_every_figure_is_a_picture_with_its_data(realistic, data, tmp_path):
    write(realistic, tmp_path, store=Store(), data=data)
    assert {path.stem for path in tmp_path.glob("*.png")} == set(CHARTS)
    for name in CHARTS:
        assert min(cv2.imread(str(tmp_path / f"{name}.png")).shape[:2]) > 200
        with (tmp_path / f"{name}.csv").open(newline="") as file:
            header, *rows = list(csv.reader(file))
        assert rows
        assert {len(row) for row in rows} == {len(header)}


def test_the_page_answers_first_and_asks_the_network_for_nothing(realistic, data, tmp_path):
    report = write(realistic, tmp_path, store=Store(), data=data)
    page = report.page.read_text()
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]", re.sub(r"base64,[^\"]+", "", page)) == []
    assert set(re.findall(r'src="([^:"]*:)', page)) == {"data:"}
    links = set(re.findall(r'href="([^"]+)"', page))
    assert links >= {"leaderboard.csv", "composition.png", "composition.csv"}
    files = {link for link in links if not link.startswith("data:")}
    assert all((tmp_path / link).is_file() for link in files)
    for text in (
        "Which augmentations help?",
        report.result.answer.sentence,
        "no interval is possible",
        "slot-seconds of training",
        "A fixed template pose",
        "diverged",
        "slot 1 was replaced",
        "0123abcd",
        "2.13.0",
        "best_weights.safetensors",
        f"python sweep/run.py {tmp_path / 'best.yaml'}",
        f"python sweep/replay.py {tmp_path / 'best.jsonl'} {report.result.best.number}",
    ):
        assert text in page


def test_the_printed_commands_find_the_report_the_runs_and_the_data_again(realistic, tmp_path):
    folder = tmp_path / "all my runs" / "toy" / "report"
    places = ["--runs-dir", "all my runs", "--data-dir", "/data sets"]
    report = write(realistic, folder, places=places)
    shown = re.findall(r"<pre><code>(.*?)</code></pre>", report.page.read_text())
    code, run, replay = (shlex.split(html.unescape(text)) for text in shown)
    assert code == ["git", "checkout", "0123abcd0123"]
    assert run == ["python", "sweep/run.py", str(report.best), *places]
    number = str(report.result.best.number)
    assert replay == ["python", "sweep/replay.py", str(folder / "best.jsonl"), number, *places]
    head = report.best.read_text().splitlines()[1]
    assert shlex.split(head.removeprefix("#")) == run


def test_the_page_escapes_what_comes_from_the_study(journal_script, tmp_path):
    script = journal_script(question="Is <script>alert(1)</script> run & shown?")
    script.trial(0, arm="peclr")
    page = write(script.records, tmp_path).page.read_text()
    assert "<script>alert" not in page
    assert "Is &lt;script&gt;alert(1)&lt;/script&gt; run &amp; shown?" in page


def test_best_configuration_and_weights_can_be_used(realistic, tmp_path):
    report = write(realistic, tmp_path, store=Store())
    assert load_study(str(report.best)).arms["best"].settings
    with safe_open(report.weights, framework="pt") as file:
        assert list(file.keys()) == ["encoder.stem.weight"]
        assert file.metadata() == {"facts": '{"image_px": 48}'}


def test_prediction_errors_are_relative_to_the_wrist(realistic, tmp_path):
    write(realistic, tmp_path, store=Store())
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["root_epe_mm"] for row in rows} == {"0.0"}  # every joint is off by the same 0.5 m
    assert [float(row["epe_2d_px"]) for row in rows] == pytest.approx([3 * 2**0.5] * 8, abs=1e-3)


@pytest.mark.parametrize("store", [None, EmptyStore()])
def test_without_store_and_data_the_page_says_what_is_missing(realistic, tmp_path, store):
    report = write(realistic, tmp_path, store=store)
    page = report.page.read_text()
    assert "Not shown: the best composition on sample images" in page
    assert "predictions: the best trial&#39;s last stage is not in the store" in page
    assert report.weights is None


class StoreWithoutHands(Store):
    """The stages of phases that look at no hands."""

    def artifacts(self, key):
        return Artifacts({"weights": {"weights": torch.ones(2)}}, {})


def test_a_study_without_hands_misses_no_pictures_of_them(searched_records, tmp_path):
    blind = {name: replace(spec, draw=None, show_views=None) for name, spec in PHASES.items()}
    report = write(searched_records, tmp_path, store=StoreWithoutHands(), phases=blind)
    page = report.page.read_text()
    assert "Not shown" not in page


def test_the_commands_come_with_the_code_the_file_and_the_numbers_to_expect(
    tmp_path, compared_records
):
    compared_records[0]["lineage"]["git"] |= {"dirty": True, "changes": "e" * 64}
    kept, patch = (at / "changes" / f"{'e' * 16}.patch" for at in (tmp_path, tmp_path / "report"))
    kept.parent.mkdir()
    kept.write_text("--- a/code.py\n")
    report = write(compared_records, tmp_path / "report")
    page = html.unescape(report.page.read_text())
    assert f"git checkout 0123abcd0123\ngit apply {patch}" in page
    offered = re.findall(r'download="([^"]+)" href="data:[\w/-]+;base64,([^"]+)"', page)
    files = {name: base64.b64decode(data) for name, data in offered}
    assert files.keys() == {patch.name, "best.yaml", "best.jsonl", "requirements.lock"}
    assert files["requirements.lock"] == b"ray==2.60.0\ntorch==2.13.0\ntriton==3.6.0\n"
    assert files[patch.name] == b"--- a/code.py\n"
    assert files["best.yaml"] == (tmp_path / "report" / "best.yaml").read_bytes()
    brought = tmp_path / "brought.jsonl"
    brought.write_bytes(files["best.jsonl"])
    record = read_trial(brought, str(report.result.best.number))
    whole = Ledger(compared_records)
    assert record.trial == whole.trial(report.result.best.number)
    assert record.lineage == whole.lineage
    beside = tmp_path / "report" / "best.jsonl"
    assert read_trial(beside, str(report.result.best.number)).changes == patch
    assert "Expect val root EPE 54.00 mm, the mean of trial seeds 0, 1, 2." in page
    assert "Expect val root EPE 53.00 mm, of trial seed 0 alone." in page


def test_the_code_is_that_which_trained_the_best_whatever_trained_others_later(
    tmp_path, journal_script
):
    page = write(of_two_versions(journal_script()), tmp_path / "report").page.read_text()
    assert "<code>git checkout 0123abcd0123</code>" in page
    assert "The code that trained trial 0" in page
    told = "Trials were trained by 2 versions of the code: 0123abcd0123: 1 trial; fedcba987654: 2"
    assert told in page
    assert "<td>git/commit</td><td><code>0123abcd" in page


def test_what_is_off_is_folded_and_the_configuration_stands_first(tmp_path, searched_records):
    for record in searched_records:
        if record["kind"] == "trial" and record["arm"] is None:
            record["params"]["pretrain/augment/cutout/enabled"] = False
    page = write(searched_records, tmp_path / "report").page.read_text()
    cards = page.split('<div class="cards">')[1]
    assert cards.index("Best configuration") < cards.index("How sure") < cards.index("What it cost")
    assert "order: -1" not in page
    assert '<p class="narrow">' in cards
    assert "<summary>1 off</summary>" in cards


def test_a_phone_is_not_kept_from_the_commands_that_reproduce(searched_records, tmp_path):
    page = write(searched_records, tmp_path / "report").page.read_text()
    hidden = set(re.findall(r"\.(\w+) \{ display: none; \}", page))
    assert {"wide", "narrow"} <= hidden
    (classes,) = re.findall(r'<div class="([\w ]+)"><h3>Reproduce it</h3>', page)
    assert not hidden & set(classes.split())


def test_arms_by_seeds_are_compared(compared_records, tmp_path):
    page = write(compared_records, tmp_path).page.read_text()
    assert (tmp_path / "paired_differences.png").is_file()
    assert (tmp_path / "arms.png").is_file()
    assert "Paired t tests over 3 trial seeds" in page
    assert "-5.48 to -0.516" in page


def test_a_study_in_which_nothing_completed_has_a_report(journal_script, tmp_path):
    script = journal_script()
    script.trial(0, state="FAIL", stop_at=("pretrain", 1))
    report = write(script.records, tmp_path)
    assert report.best is None
    assert "No trial has completed" in report.page.read_text()
    assert report.leaderboard.read_text().count("\n") == 2


def test_an_earlier_report_leaves_nothing_behind_but_what_is_not_ours(
    compared_records, searched_records, tmp_path
):
    write(compared_records, tmp_path)
    (tmp_path / "my_notes.txt").write_text("keep")
    write(searched_records, tmp_path)
    assert not (tmp_path / "paired_differences.png").exists()
    assert (tmp_path / "my_notes.txt").read_text() == "keep"


def test_the_same_study_makes_the_same_files(searched_records, tmp_path):
    first = write(searched_records, tmp_path / "a")
    second = write(searched_records, tmp_path / "b")
    names = {path.name for path in first.folder.iterdir()} - {"index.html", "best.yaml"}
    assert all(
        (first.folder / name).read_bytes() == (second.folder / name).read_bytes() for name in names
    )


def test_a_proxy_is_drawn_against_the_objective_with_its_rank_correlation(
    searched_records, tmp_path
):
    phases = {
        "pretrain": SimpleNamespace(
            proxy="val/probe_root_epe_mm", show_views=None, draw=None, inherits=(), follows=()
        ),
        "finetune": SimpleNamespace(
            proxy=None, show_views=None, draw=None, inherits=(), follows=()
        ),
    }
    page = write(searched_records, tmp_path, phases=phases).page.read_text()
    assert "rank correlation over 5 completed trials: 1.00" in page

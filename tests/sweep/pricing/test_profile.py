"""`--dry-run --profile` of tiny studies, whole."""

import re

import pytest

from sweep import run
from sweep.pricing import costs

STUDY = """\
question: Which?
data: {name: rendered_hands, image_px: 48, unlabelled: 40, train: 24, val: 8, test: 4}
plan: [pretrain, finetune]
settings:
  pretrain/epochs: 40
  pretrain/batch_size: 8
  pretrain/image_px: 33
  finetune/epochs: 6
  finetune/image_px: 33
  finetune/batch_size: 8
  finetune/train_encoder: false
arms:
  none: {plan: [finetune]}
  pretrained: {}
objective: {metric: finetune/val/root_epe_mm}
seeds: {trials: [0, 1]}
slots: {gpu: 0}
"""

REHEARSAL = """\
question: Which?
data: {name: none}
plan: [rehearse_first, rehearse_last]
settings: {rehearse_first/load/state_bytes: 3000000}
arms:
  fine: {}
  large: {settings: {rehearse_first/fault/kind: memory}}
  wrong: {plan: [rehearse_last], settings: {rehearse_last/fault/kind: error}}
objective: {metric: rehearse_last/val/error}
slots: {gpu: 0}
"""


@pytest.fixture
def profiled(tmp_path, monkeypatch, capsys):
    """Profile a study in an empty folder; return the exit code and what was printed."""
    studies, work = tmp_path / "studies", tmp_path / "work"
    studies.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def call(text):
        (studies / "mine.yaml").write_text(text)
        code = run.main([str(studies / "mine.yaml"), "--dry-run", "--profile"])
        assert list(work.iterdir()) == []
        return code, capsys.readouterr().out

    return call


@pytest.mark.slow
def test_a_study_has_a_price_before_anything_is_there(profiled, monkeypatch):
    # On a machine so even that bounds round alike none are shown.
    monkeypatch.setattr(costs, "_relative_deviation", lambda _: 0.2)
    code, out = profiled(STUDY)
    assert code == 0
    for line in (
        r"^price of 4 trials, from 2 arms and 0 points of the space tried here",
        r"^  pretrain +2 +40 +\S+ (s|min)\b.* (s|min|h)\b.* \d+ MB +\S+ [kM]B$",
        r"^  finetune +4 +6 +\S+ (s|min)\b.* (s|min|h)\b.* \d+ MB +\S+ [kM]B$",
        r"^  wall clock +\S+ h \(\S+\.\.\S+\)$",
        r"^  GPU-hours +0 h$",
        r"^  storage +\S+ [kM]B; \S+ GB are free$",
        r"^  of these +\S+ s to make the data$",
        r"^  - the data is not there yet: 76 samples were made in a temporary folder",
    ):
        assert re.search(line, out, re.MULTILINE), (line, out)


@pytest.mark.slow
def test_what_fails_is_named_and_the_rest_has_a_price(profiled):
    code, out = profiled(REHEARSAL)
    assert code == 0
    _, _, price = out.partition("price of 3 trials")
    words = " ".join(price.split())
    assert "rehearse_first of arm large (rehearse_first/fault/kind=memory) does not fit" in words
    assert "rehearse_last of arm wrong (rehearse_last/fault/kind=error) fails (code)" in words
    assert re.search(r"^  rehearse_first +2 +3 .* 6 MB$", price, re.MULTILINE), price
    assert re.search(r"^  rehearse_last +3 +3 ", price, re.MULTILINE), price


@pytest.mark.slow
def test_a_phase_of_which_nothing_could_be_tried_has_no_price_and_that_is_a_failure(profiled):
    text = REHEARSAL.replace("plan: [rehearse_last], settings", "settings")
    text = text.replace("  fine: {}\n", "").replace("  large: {settings", "  large: {settings")
    code, out = profiled(text.replace("rehearse_first/load/state_bytes: 3000000", ""))
    assert code == 1
    assert "rehearse_last has no price: none of its settings could be tried." in out

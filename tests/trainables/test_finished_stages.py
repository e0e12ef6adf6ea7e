"""What is read of finished stages without torch."""

import subprocess
import sys

import pytest
import torch

from hpe.phases.phase import Artifacts
from trainables.finished_stages import FinishedStages
from trainables.manifest import CorruptStage
from trainables.stages import HISTORY, StageStore


@pytest.mark.slow
def test_a_process_that_follows_a_trial_does_without_torch():
    slot = "trainables.slot"  # whose class Ray loads for a call to its actor
    program = f"import sys, trainables.trial, {slot}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_finished_stage_says_what_the_whole_store_says_of_it(tmp_path):
    store, finished = StageStore(tmp_path), FinishedStages(tmp_path)
    assert not finished.is_committed("a" * 64)
    artifacts = Artifacts(tensors={"net": {"w": torch.ones(2)}})
    key = store.import_weights(artifacts, phase="walk", source={"sha256": "0"})
    assert finished.is_committed(key)
    assert finished.manifest(key) == store.manifest(key)
    assert finished.files(key) == store.files(key)
    assert finished.metrics(key) == store.metrics(key) == []
    (finished.folder(key) / HISTORY).write_text("[1]")
    with pytest.raises(CorruptStage, match=HISTORY):
        finished.metrics(key)

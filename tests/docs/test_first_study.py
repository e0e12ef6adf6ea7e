"""The study that `docs/index.md` and the README write out."""

import re
from pathlib import Path

import pytest

from sweep.study_check import check_study
from sweep.study_file import load_study

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_a_study_that_is_written_out_can_be_run(page, tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    (tmp_path / "mine.yaml").write_text(text)
    checked = check_study(load_study(str(tmp_path / "mine.yaml")))
    assert len(checked.arms) >= 2

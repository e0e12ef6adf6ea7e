"""Every command that `docs/coming-from.md` and `docs/studies.md` give can be given."""

import importlib
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from hpe.phases.catalog import PHASES
from sweep.options import parse_options
from sweep.study import label_of
from sweep.study_check import check_study
from sweep.study_file import STUDIES, load_study
from trainables.artifact_files import TENSORS
from trainables.plans import default_settings, parse_plan

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "coming-from.md", ROOT / "docs" / "studies.md"]
INLINE = re.compile(r"`([^`\n]+)`")
LINE = re.compile(r"^(python sweep/.+)$", re.MULTILINE)


def texts(page):
    return INLINE.findall(page.read_text())


def commands():
    found = []
    for page in PAGES:
        found += [text for text in texts(page) if text.startswith("python ")]
        found += LINE.findall(page.read_text())
    return sorted(set(found))


def of_script(name):
    return [shlex.split(text)[2:] for text in commands() if f"sweep/{name}.py" in text]


RUNS = [options for options in map(parse_options, of_script("run")) if options.study is not None]
TRAINED = sorted({options.study for options in RUNS})
LAUNCHER_CODES = [
    "A1",
    "A2",
    "NIPS_B",
    "HYBRID1",
    "HYBRID2",
    "A1_DOWN",
    "A2_DOWN",
    "NIPS_B_DOWN",
    "HYBRID2_DOWN",
    "SUPERVISED",
    "IMAGENET",
    "IMAGENET_DOWN",
    "SIM_ABL",
    "PAIR_ABL",
    "HYB1_ABL",
    "HYB2_ABL",
    "HYB2_ABL_ADAM",
    "HYB2_ABL_ADAM2",
    "HYB2_ABL_HIGH_LR",
    "SIMCLR_ABL_COMP",
    "CROSS_DATA_*",
    "E24B",
    "E25",
    "E26A",
    "E26B",
    "E34",
    "LABEL_EFF",
    "FREIHAND_SUBMISSION",
    "SEMISUPERVISED",
    "BSUB",
    "PAIR_ABL_FH",
    "PAIR_ABL_IH",
    "SIM_COMPOSITION_SEARCH",
    "PAIR_COMPOSITION_SEARCH",
    "CROSS_DATA_SIM",
    "SIM_HEATMAP",
]


def study_of(options):
    return load_study(options.study, size=options.size, sets=options.sets, trials=options.trials)


@pytest.mark.parametrize("options", RUNS, ids=lambda options: options.again)
def test_a_command_names_a_study_a_size_and_an_arm_that_exist(options):
    checked = check_study(study_of(options))
    assert options.arm is None or options.arm in checked.arms
    for path in study_of(options).set_by_hand:
        label, field = path.split("/", 1)
        assert label in {step.label for step in checked.base.plan}, field


@pytest.mark.parametrize("options", RUNS, ids=lambda options: options.again)
def test_what_a_command_sets_is_what_its_arms_get(options):
    study = study_of(options)
    checked = check_study(study)
    arms = {options.arm: checked.arms[options.arm]} if options.arm else checked.arms
    for point in arms.values():
        labels = {step.label for step in point.plan}
        for path in study.set_by_hand:
            if label_of(path) in labels:
                assert point.settings[path] == study.settings[path]


@pytest.mark.parametrize("script", ["evaluate", "predict"])
def test_what_looks_at_a_trained_model_takes_these_options(script):
    parser = importlib.import_module(f"sweep.{script}")._parser()
    given = of_script(script)
    assert given
    for arguments in given:
        study, slash, number = parser.parse_args(arguments).run.partition("/")
        assert study in known_studies()
        assert number.isdigit() == bool(slash)


def test_what_converts_a_file_of_another_system_takes_these_options():
    given = of_script("convert")
    assert given
    for arguments in given:
        options = importlib.import_module("sweep.convert")._parser().parse_args(arguments)
        assert options.trust.name in ("peclr_rn50.pth", "f033_6.246.ckpt", "latest.pt")
        assert options.out.suffix == TENSORS


@cache
def known_studies():
    return {*TRAINED, *(study_of(options).name for options in RUNS)}


def test_every_command_is_of_a_script_that_is_checked_here():
    scripts = {shlex.split(text)[1] for text in commands()}
    assert scripts == {f"sweep/{name}.py" for name in ("run", "evaluate", "predict", "convert")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_is_named_exists(page):
    labels = ["pretrain", "finetune", "encoder_decoder", "body_pose"]
    known = default_settings(parse_plan(labels, PHASES))
    named = [text for text in texts(page) if re.fullmatch(rf"({'|'.join(labels)})(/\w+)+", text)]
    assert [path for path in named if path not in known] == []


@pytest.mark.parametrize("code", LAUNCHER_CODES)
def test_every_code_of_the_launchers_is_answered(code):
    assert f"`{code}`" in PAGES[0].read_text()


def test_the_table_of_studies_is_complete():
    named = re.findall(r"^\| `(\w+)` \|", PAGES[1].read_text(), re.MULTILINE)
    assert sorted(named) == sorted(path.stem for path in STUDIES.glob("*.yaml"))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("study", TRAINED)
def test_every_study_of_the_page_takes_two_steps_of_everything(study, tmp_path):
    command = [sys.executable, "sweep/run.py", study, "--smoke", "--runs-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

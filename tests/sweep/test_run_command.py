"""`sweep/run.py`: what it shows, refuses and returns, without training."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sweep import dry_run, run, session
from sweep.interruption import Interrupted, keeping_handlers, terminable
from sweep.options import parse_options
from sweep.study_check import check_study
from sweep.study_file import load_study
from sweep.verdict.power import Power

ROOT = Path(__file__).resolve().parents[2]

STUDY = """\
question: Which?
data: {name: rendered_hands, train: 100}
plan: [pretrain, finetune]
settings: {pretrain/epochs: 6, finetune/epochs: 3}
space: composition
arms:
  none: {plan: [finetune]}
  simclr: {baseline: simclr}
objective: {metric: finetune/val/root_epe_mm}
search: {trials: 4}
early_stop: {rule: asha, proxy: true}
seeds: {trials: [0, 1]}
"""


@pytest.fixture
def called(tmp_path, monkeypatch, capsys):
    """Call the command in an empty folder; `mine` stands for the study above."""
    studies, work = tmp_path / "studies", tmp_path / "work"
    studies.mkdir()
    work.mkdir()
    (studies / "mine.yaml").write_text(STUDY)
    monkeypatch.chdir(work)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def call(*arguments):
        typed = [str(studies / "mine.yaml") if a == "mine" else a for a in arguments]
        code = run.main(typed)
        out, err = capsys.readouterr()
        return code, out, err.replace(f"{studies}/", "")

    call.studies, call.work = studies, work
    return call


REFUSALS = [
    (["quickstrat"], r"quickstrat: there is no study of this name; did you mean 'quickstart'\?"),
    (["no/such.yaml"], r"no/such\.yaml: there is no such study file\."),
    (["mine", "--set", "pretrain/epoch=3"], r"pretrain/epoch: no phase of the plan has this set"),
    (["mine", "--set", "pretrain/epochs=0"], r"pretrain/epochs: input should be greater than or"),
    (["mine", "--set", "pretrain/epochs=many"], r"pretrain/epochs: input should be a valid int"),
    (["mine", "--set", "search/trials=-1"], r"--set search/trials: must be greater than or equal"),
    (["mine", "--set", "serach/trials=1"], r"--set serach/trials: paths start with a phase of"),
    (["mine", "--set", "data/name=freehand"], r"data/name: there is no data set 'freehand'; did"),
    (["mine", "--set", "data/name=freihand"], r"freihand is not made here: give the folder of "),
    (
        ["mine", "--set", "data/name=freihand", "--data-dir", "nowhere"],
        r"(?s)FreiHAND's training part is not complete in nowhere: looked for .* found no such",
    ),
    (["mine", "--set", "slots/workers=1000"], r"slots/workers: a slot of 1000 workers needs 1000"),
    (["mine", "--set", "slots/gpu=1000"], r"slots/gpu: a slot of 1 worker with 1000 GPU each "),
    (["mine", "--set", "slots/count=1000"], r"slots/count: this machine \(.*\) has room for \d+"),
    (["mine", "--trials", "-1"], r"--trials: must be greater than or equal to 0, got -1\."),
    (["mine", "--size", "small"], r"--size small: mine has no such size; sizes are none\."),
    (["mine", "--arm", "simcrl"], r"--arm simcrl: the study has no such arm; did you mean 'simc"),
    (["mine", "--from-weights", "x"], r"--from-weights x: must be PHASE=FILE or PHASE=RUN, such"),
    (
        ["mine", "--from-weights", "pretrian=x"],
        r"from_weights: 'pretrian' is no phase that another one follows; did you mean 'pretrain'",
    ),
    (
        ["mine", "--from-weights", "pretrain=nothing.safetensors"],
        r"from_weights pretrain=nothing\.safetensors: there is no such file, stage folder, or st",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSALS)
def test_bad_input_is_one_readable_message_and_leaves_nothing_behind(arguments, message, called):
    code, _, err = called(*arguments)
    assert code == 2
    assert re.match(message, err)
    assert "Traceback" not in err
    assert list(called.work.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials: 4", "trails: 4", "mine.yaml:10: search/trails: unknown key; did you mean"),
        ("space: composition", "space: x\nspace: y", "mine.yaml:6: space: this key is here twice"),
        ("question: Which?", "question: !!python/name:os.system", "mine.yaml:1: tags are not pla"),
        ("trials: 4", "trials: [", "mine.yaml:10: this is not YAML"),
        ("composition", "compositoin", "space: there is no search space 'compositoin'; did you m"),
        ("root_epe_mm", "root_epe", "objective/metric: finetune/val/root_epe is not what the la"),
    ],
)
def test_a_faulty_study_file_is_refused_in_the_same_way(old, new, message, called):
    path = called.studies / "mine.yaml"
    path.write_text(STUDY.replace(old, new))
    code, _, err = called("mine")
    assert code == 2
    assert err.startswith(message)
    assert list(called.work.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which study?"),
        (["mine", "--trials", "x"], "argument --trials: invalid int value: 'x'"),
        (["mine", "--trial", "3"], "unrecognized arguments: --trial 3"),
        (["mine", "--profile"], "--profile tells a price before anything runs: give it with --dry"),
    ],
)
def test_options_that_cannot_be_read_end_with_2_as_well(arguments, message, called, capsys):
    with pytest.raises(SystemExit) as end:
        called(*arguments)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_the_list_has_a_line_for_each_study(called):
    code, out, _ = called("--list")
    assert code == 0
    assert re.search(r"^quickstart +Which augmentations .*\?$", out, re.MULTILINE)


def test_a_dry_run_shows_what_would_happen_and_makes_nothing(called):
    code, out, _ = called("mine", "--dry-run", "--set", "slots/count=1")
    assert code == 0
    for line in (
        r"^plan +pretrain \(6 epochs\) -> finetune \(3 epochs\)$",
        r"^trials +2 arms \+ 4 searched points \(tpe\), 2 trial seeds each: 12 in all$",
        r"^early stop +asha: .*; pretrain after epoch 2 and 4, finetune after epoch 1 and 2$",
        r"^slots +1 slot of 1 worker with \d+ cores? each$",
        r"^folder +runs/mine$",
        r"^  simclr +pretrain -> finetune, published setting simclr$",
        r"^  pretrain/loss/temperature +0\.1 \.\. 1, log$",
        r"^  pretrain/augment/rotate/enabled +true \| false$",
        r"^  pretrain/augment/rotate/max_deg +\S+ \.\. \S+ \(in some points\)$",
    ):
        assert re.search(line, out, re.MULTILINE), line
    assert list(called.work.iterdir()) == []


def test_a_dry_run_says_how_likely_the_verdict_finds_a_lead_and_what_it_spends(called, monkeypatch):
    told = {(1, 2, 5): Power(announced=0.254, spent=0.874, studies=100)}
    monkeypatch.setattr(
        dry_run,
        "forecast_power",
        lambda *, candidates, controls, seeds: told[candidates, controls, seeds],
    )
    code, out, _ = called("mine", "--dry-run", "--set", "final/top_k=1", "--set", "final/seeds=5")
    assert code == 0
    assert "the best 1 and 2 arms again on 5 fresh seeds: 15 replicates at most\n" in out
    assert (
        "it finds a lead of one standard deviation between seeds in 25 % of studies, +- 8 %, and "
        "spends about 87 % of these replicates (100 simulated" in out
    )
    alone = called.studies / "alone.yaml"
    alone.write_text(re.sub(r"arms:\n(  .*\n)+", "", STUDY) + "final: {top_k: 1, seeds: 5}\n")
    _, out, _ = called(str(alone), "--dry-run")
    assert "no arm to be compared with: it can announce no winner" in out


def test_a_dry_run_says_which_steps_given_weights_make_needless():
    study = load_study("segmentation_gan")
    given = check_study(study.model_copy(update={"from_weights": {"pseudo_labels": "x"}}))
    shown = dry_run.describe_study(given, fit=None, folder="runs/s", known=None)
    assert "generator (not needed) -> pseudo_labels (given weights) -> paired (" in shown


def test_one_arm_alone_is_not_searched(called):
    code, out, _ = called("mine", "--dry-run", "--arm", "none")
    assert code == 0
    assert re.search(r"^trials +1 arm, 2 trial seeds each: 2 in all$", out, re.MULTILINE)
    assert "space" not in out


def test_a_dry_run_of_a_smoke_run_has_a_folder_of_its_own(called):
    code, out, _ = called("mine", "--dry-run", "--smoke")
    assert code == 0
    assert re.search(r"^folder +runs/mine-smoke$", out, re.MULTILINE)
    assert re.search(r"^trials +2 arms \+ 1 searched point ", out, re.MULTILINE)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_says_how_to_continue(number, code, called, monkeypatch):
    def interrupted(*_):
        os.kill(os.getpid(), number)

    monkeypatch.setattr(session, "run_session", interrupted)
    found, out, _ = called("mine", "--trials", "9", "--fresh", "--yes", "--set", "seeds/study=1")
    assert found == code
    (line,) = [line for line in out.splitlines() if line.startswith("Stopped. To continue: ")]
    assert line.endswith("mine.yaml --trials 9 --set seeds/study=1")


def test_signals_mean_what_they_did_before_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted), terminable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_while_ray_starts_and_one_after_it_mean_what_they_do_elsewhere():
    def put_rays_in_place():
        signal.signal(signal.SIGTERM, lambda signum, _: sys.exit(signum))

    with terminable():
        ours = signal.getsignal(signal.SIGTERM)
        with keeping_handlers():
            put_rays_in_place()
        assert signal.getsignal(signal.SIGTERM) is ours
        with pytest.raises(Interrupted) as end, keeping_handlers():
            put_rays_in_place()
            os.kill(os.getpid(), signal.SIGTERM)
        assert end.value.exit_code == 143
        assert signal.getsignal(signal.SIGTERM) is ours
        with pytest.raises(SystemExit, match="1"), keeping_handlers():
            sys.exit(1)


def test_an_interruption_within_rays_compiled_code_is_one_all_the_same():
    with pytest.raises(Interrupted) as end, terminable():
        raise SystemError("returned a result with an exception set") from Interrupted(2)
    assert end.value.exit_code == 130
    with pytest.raises(SystemError, match="something else"), terminable():
        raise SystemError("something else")


@pytest.mark.parametrize(
    ("arguments", "again"),
    [
        ("mine --fresh --yes", "mine"),
        ("mine --runs-dir runs", "mine"),
        ("mine --smoke --runs-dir r", "mine --runs-dir r --smoke"),
        ("mine --set a=1 --set b=2 --size full", "mine --size full --set a=1 --set b=2"),
        ("mine --arm x --address h:1 --data-dir d", "mine --arm x --data-dir d --address h:1"),
        ("mine --from-weights pretrain=f", "mine --from-weights pretrain=f"),
    ],
)
def test_the_command_that_continues_has_all_but_starting_over(arguments, again):
    command = parse_options(arguments.split()).again
    assert command.startswith("python ")
    assert command.partition("run.py ")[2] == again


PROBE = """
import json, runpy, sys
sys.path.insert(0, sys.argv[1] + "/sweep")
sys.argv = ["run.py", *sys.argv[2:]]
try:
    runpy.run_path(sys.path[0] + "/run.py", run_name="__main__")
except SystemExit as end:
    heavy = [name for name in ("torch", "ray", "mlflow", "optuna") if name in sys.modules]
    print(json.dumps([end.code, sys.path[0], heavy, any(p.endswith("/sweep") for p in sys.path)]))
"""


@pytest.mark.parametrize(("argument", "code"), [("--list", 0), ("quickstrat", 2)])
def test_it_works_from_any_folder_and_answers_without_heavy_imports(argument, code, tmp_path):
    command = [sys.executable, "-c", PROBE, str(ROOT), argument]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    last = found.stdout.splitlines()[-1]
    assert last == f'[{code}, "{ROOT}", [], false]'

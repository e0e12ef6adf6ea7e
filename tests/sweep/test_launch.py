"""`--cluster`: what is run where, and what people are told to type next."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sweep import launch as launching
from sweep import run
from sweep.job import check_for_elsewhere
from sweep.launch import launch
from sweep.lineage import PROJECT
from sweep.options import parse_options
from sweep.places import RsyncPlace, is_folder_here, place_at
from sweep.study_file import load_study

ROOT = Path(__file__).resolve().parents[2]


class Terminal:
    """Records commands instead of running them; `codes` are what they return, by their word."""

    def __init__(self, **codes):
        self.commands, self.variables, self.quiet, self.told, self.codes = [], [], [], [], codes

    def run(self, command, variables, *, is_quiet=False):
        words = list(command)
        assert words[0].endswith("/ray")
        self.commands.append(words[1:])
        self.variables.append(variables)
        self.quiet.append(is_quiet)
        name = "status" if "ray status" in words[-1] else words[1]
        return self.codes.get(name, 0)

    def launch(self, tmp_path, *typed):
        options, token = parse_options(typed), tmp_path / ".ray" / "auth_token"
        return launch(options, "named", run=self.run, tell=self.told.append, token=token)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    monkeypatch.setattr("sweep.cluster_check.missing_programs", lambda config: ())
    text = (ROOT / "cluster" / "local.yaml").read_text()
    path = tmp_path / "lab.yaml"
    path.write_text(text.replace("192.0.2.", "10.0.0.").replace("ssh_user: me", "ssh_user: ada"))
    return str(path)


def test_a_new_cluster_is_brought_up_and_runs_the_study_detached(cluster, tmp_path):
    terminal = Terminal(status=1)
    typed = ["quickstart", "--cluster", cluster, "--storage", "s3://b/x", "--nodes", "3"]
    assert terminal.launch(tmp_path, *typed, "--set", "question=Which one?") == 0
    probe, up, execute = terminal.commands
    assert probe[:2] == ["exec", cluster]
    assert up == ["up", "--yes", cluster]
    assert execute == [
        "exec",
        "--tmux",
        cluster,
        "cd hand-pose-sweeps && ~/venv/bin/python sweep/run.py quickstart --address auto "
        "--nodes 3 --storage s3://b/x --set 'question=Which one?'",
    ]
    assert terminal.quiet == [True, False, False], "Ray calls a head that is not there an error"
    assert terminal.variables[1] == {"RAY_UP_enable_autoscaler_v2": "0"}
    assert (tmp_path / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600


def test_a_study_is_logged_to_the_server_that_the_head_keeps_running(cluster, tmp_path):
    path = Path(cluster)
    text = path.read_text()
    end = text.index("worker_start_ray_commands:")
    path.write_text(f"{text[:end]}  - bash ~/hand-pose-sweeps/cluster/mlflow.sh\n{text[end:]}")
    terminal = Terminal()
    terminal.launch(tmp_path, "quickstart", "--cluster", cluster)
    assert terminal.commands[-1][-1].startswith(
        "cd hand-pose-sweeps && MLFLOW_TRACKING_URI=http://127.0.0.1:5000 "
        "~/venv/bin/python sweep/run.py "
    )
    assert f"ray exec -p 5000 {cluster} 'sleep infinity'" in terminal.told[-1]
    assert "mlflow ui" not in terminal.told[-1]


def test_a_cluster_that_is_up_is_not_restarted(cluster, tmp_path):
    terminal = Terminal()
    terminal.launch(tmp_path, "quickstart", "--cluster", cluster)
    assert terminal.commands[1] == ["up", "--yes", "--no-restart", cluster]


def test_every_next_step_is_one_line(cluster, tmp_path):
    terminal = Terminal()
    terminal.launch(tmp_path, "quickstart", "--cluster", cluster, "--set", "name=mine")
    _, told = terminal.told
    assert [line.split("  ")[0] for line in told.splitlines()] == [
        "watch",
        "dashboard",
        "MLflow",
        "bring home",
        "tear down",
    ]
    assert "--host 127.0.0.1" in told


def bring_home(terminal, tmp_path, *typed):
    """Return the words of the line that fetches the study, as a shell understands them."""
    terminal.launch(tmp_path, "quickstart", *typed)
    (line,) = [line for line in terminal.told[-1].splitlines() if line.startswith("bring home")]
    script = """
    ray() { test "$1" = get-head-ip && echo 'noise' && echo 10.0.0.10; }
    python() { printf '%s\\n' "$RSYNC_RSH" "$@"; }
    """
    typed = line.removeprefix("bring home").strip()
    bash = ["bash", "-c", f"{script}\n{typed}"]
    done = subprocess.run(bash, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("storage", ["s3://b/x", "s3://b/x?endpoint_override=h:9000&scheme=http"])
def test_results_in_object_storage_come_home_from_there(cluster, tmp_path, storage):
    words = bring_home(Terminal(), tmp_path, "--cluster", cluster, "--storage", storage)
    assert words[1:] == ["sweep/copy.py", "named", storage, "runs"]


@pytest.mark.parametrize("storage", [[], ["--storage", "/shared"]])
def test_results_in_a_folder_of_the_machines_come_home_from_the_head(cluster, tmp_path, storage):
    words = bring_home(Terminal(), tmp_path, "--cluster", cluster, *storage)
    assert words[0] == "ssh -i ~/.ssh/id_ed25519"
    source = "ada@10.0.0.10:hand-pose-sweeps/runs"
    assert words[1:] == ["sweep/copy.py", "named", source, "runs"]
    assert isinstance(place_at(source), RsyncPlace)


def test_a_runs_folder_elsewhere_on_the_head_is_named_as_it_is(cluster, tmp_path):
    terminal = Terminal()
    words = bring_home(terminal, tmp_path, "--cluster", cluster, "--runs-dir", "/data/runs")
    assert words[3] == "ada@10.0.0.10:/data/runs"
    assert "sqlite:////data/runs/mlflow.db" in terminal.told[-1]


def test_from_another_folder_the_project_alone_is_synced(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    terminal = Terminal()
    terminal.launch(tmp_path, "quickstart", "--cluster", "lab.yaml")
    assert all(str(tmp_path / "lab.yaml") in command for command in terminal.commands)
    assert "ray attach --tmux lab.yaml" in terminal.told[-1]
    where = tmp_path / "where"
    program = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(os.getcwd())"
    assert launching.run_command([sys.executable, "-c", program, str(where)], {}) == 0
    assert Path(where.read_text()) == PROJECT


def test_what_a_quiet_command_says_is_not_shown(capfd):
    loud = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)"]
    launching.run_command(loud, {}, is_quiet=True)
    assert capfd.readouterr() == ("", "")
    launching.run_command(loud, {})
    assert capfd.readouterr() == ("out\n", "err\n")


def test_a_dry_run_and_fresh_go_along(cluster, tmp_path):
    terminal = Terminal()
    terminal.launch(tmp_path, "quickstart", "--cluster", cluster, "--dry-run", "--fresh", "--yes")
    execute = terminal.commands[-1]
    assert "--tmux" not in execute
    assert execute[-1].endswith("--address auto --fresh --yes --dry-run")
    assert len(terminal.told) == 1, "it says that it looks for the cluster, and no more"


def test_a_study_file_is_named_as_it_is_on_the_head(cluster, tmp_path):
    terminal = Terminal()
    study = str(PROJECT / "sweep" / "studies" / "quickstart.yaml")
    terminal.launch(tmp_path, study, "--cluster", cluster)
    assert "sweep/run.py sweep/studies/quickstart.yaml " in terminal.commands[-1][-1]


@pytest.mark.parametrize("failing", ["up", "exec"])
def test_a_failure_of_ray_is_the_commands(cluster, tmp_path, failing):
    terminal = Terminal(**{failing: 3})
    assert terminal.launch(tmp_path, "quickstart", "--cluster", cluster) == 1
    assert f"ray {failing} ended with 3" in terminal.told[-1]


def test_a_file_outside_the_project_is_refused(cluster, tmp_path):
    terminal = Terminal()
    with pytest.raises(ValueError, match="only the project's folder is taken to the cluster"):
        terminal.launch(tmp_path, str(tmp_path / "mine.yaml"), "--cluster", cluster)
    assert terminal.commands == []


@pytest.fixture
def _nothing_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(launching, "token_file", lambda: tmp_path / "auth_token")
    monkeypatch.setattr(launching, "run_command", lambda *_, **__: pytest.fail("it ran something"))


@pytest.mark.usefixtures("_nothing_runs")
@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["quickstrat"], "there is no study of this name; did you mean 'quickstart'?"),
        (["quickstart", "--set", "pretrain/epohcs=2"], "pretrain/epohcs"),
        (["quickstart", "--set", "pretrain/epochs=-2"], "pretrain/epochs"),
        (["quickstart", "--arm", "simclear"], "--arm simclear: the study has no such arm"),
        (["quickstart", "--size", "huge"], "--size huge: quickstart has no such size"),
        (["simclr_composition", "--size", "full"], "freihand is not made here: give the folder"),
    ],
)
def test_a_study_that_cannot_run_brings_no_cluster_up(cluster, capsys, typed, message):
    assert run.main([*typed, "--cluster", cluster]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("_nothing_runs")
def test_a_file_with_placeholders_starts_nothing(capsys):
    assert run.main(["quickstart", "--cluster", str(ROOT / "cluster.yaml")]) == 2
    assert "ami-00000000000000000 is a placeholder" in capsys.readouterr().err


def test_a_cluster_file_and_an_address_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        parse_options(["quickstart", "--cluster", "c.yaml", "--address", "auto"])
    assert "--cluster runs the study on the cluster's head" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (["quickstart"], "quickstart"),
        (["quickstart", "--smoke"], "quickstart-smoke"),
        (["quickstart", "--set", "name=mine"], "mine"),
        (["FILE"], "named_in_its_file"),
    ],
)
def test_results_are_fetched_by_the_name_that_the_study_has_there(tmp_path, typed, name):
    text = (PROJECT / "sweep" / "studies" / "quickstart.yaml").read_text()
    file = tmp_path / "file.yaml"
    file.write_text(f"name: named_in_its_file\n{text}")
    options = parse_options([str(file) if word == "FILE" else word for word in typed])
    study = load_study(options.study, sets=options.sets)
    assert check_for_elsewhere(study, options) == name


def test_files_of_the_cluster_need_not_be_here(cluster, monkeypatch, capsys):
    monkeypatch.setattr(launching, "launch", lambda *_, **__: 0)
    settings = {"enabled": "true", "source": "voc", "folder": "/only/there"}
    sets = [f"--set=pretrain/augment/occlude/{key}={value}" for key, value in settings.items()]
    assert run.main(["quickstart", *sets, "--cluster", cluster]) == 0
    assert run.main(["quickstart", *sets, "--dry-run"]) == 2
    assert "/only/there" in capsys.readouterr().err


def documented():
    """Return the lines to type of each owner of machines in docs/cluster.md."""
    sections = (ROOT / "docs" / "cluster.md").read_text().split("\n## ")[1:]
    blocks = [text.split("```")[1].strip().split("\n") for text in sections if "```" in text]
    typed = [[line for line in block if not line.startswith("#")] for block in blocks]
    return [lines for lines in typed if len(lines) > 1]


def words_after(program):
    lines = [line for block in documented() for line in block]
    found = [line.split(program)[1].split("&&")[0] for line in lines if program in line]
    return [shlex.split(line, comments=True) for line in found]


def test_every_owner_of_machines_gets_to_a_running_study_in_ten_lines():
    assert [len(lines) <= 10 for lines in documented()] == [True, True, True]


def test_documented_commands_are_understood():
    runs = words_after("python sweep/run.py")
    assert len(runs) == 2
    for words in runs:
        options = parse_options(words)
        check_for_elsewhere(load_study(options.study, size=options.size), options)
        assert (ROOT / options.cluster).is_file()
    copies = words_after("python sweep/copy.py")
    assert len(copies) == 3
    assert not any(is_folder_here(source) for _, source, _ in copies), "nothing lies here yet"

"""What the doctor finds in a cluster file: the shipped ones, and ones with something wrong."""

from pathlib import Path

import pytest

from sweep import cluster_check, doctor
from sweep.cluster_check import check_cluster
from sweep.findings import Level

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ["cluster.yaml", "cluster/local.yaml", "cluster/gcp.yaml"]
FILLED_IN = {
    "ami-00000000000000000": "ami-0123456789abcdef0",
    "sg-00000000000000000": "sg-0123456789abcdef0",
    "my-project": "hands-4711",
    "192.0.2.": "10.0.0.",
    "ssh_user: me": "ssh_user: ada",
}


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "auth_token"
    path.write_text("0" * 64)
    path.chmod(0o600)
    return path


@pytest.fixture
def examined(tmp_path, token, monkeypatch):
    """Examine a shipped file, filled in and changed."""
    monkeypatch.setattr(cluster_check, "missing_programs", lambda config: ())

    def examine(name="cluster.yaml", **changes):
        text = (ROOT / name).read_text()
        for before, after in {**FILLED_IN, **changes.get("replace", {})}.items():
            text = text.replace(before, after)
        path = tmp_path / "mine.yaml"
        path.write_text(text + changes.get("add", ""))
        return [f for f in check_cluster(path, token=token) if f.level is not Level.OK]

    return examine


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_that_is_filled_in_is_fine(examined, name):
    assert examined(name) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_placeholder_of_a_shipped_file_is_named(name, token):
    findings = check_cluster(ROOT / name, token=token)
    found = [f for f in findings if "is a placeholder" in f.message]
    lines = (ROOT / name).read_text().splitlines()
    wanted = [n for n, line in enumerate(lines, 1) if any(p in line for p in FILLED_IN)]
    assert [int(f.message.split(":")[1]) for f in found] == wanted


PROBLEMS = [
    ({"--dashboard-host=127.0.0.1": "--dashboard-host=0.0.0.0"}, "the dashboard would be open"),
    ({"--dashboard-host=127": "--dashboard-host=0.0.0.0 --node-ip-address=127"}, "the dashboard"),
    ({"SecurityGroupIds: [sg-0123456789abcdef0]": "EbsOptimized: true"}, "opens port 22"),
    ({"available_node_types:": "#", "head_node_type:": "#"}, "Ray does not take the file"),
    ({"RAY_AUTH_MODE=token ~/venv": "~/venv"}, "a node would run what anybody sends it"),
    ({'"~/.ray/auth_token": "~/.ray/auth_token"': ""}, "the nodes do not get the token"),
    ({"resources: {CPU: 0, GPU: 0}": "resources: {CPU: 4}"}, "trials would run on the head"),
    ({"InstanceType: m6i.xlarge": "InstanceTyp"}, "mine.yaml"),
    ({"provider:\n  type: aws": "provider:\n  kind: aws"}, "Ray does not take the file"),
    ({"max_workers: 8 # CHANGE: ma": "max_worker: 8 # CHANGE: ma"}, "Ray does not take the file"),
    ({"cluster_name: hand": "max_workers: 3\ncluster_name: hand"}, "max_workers"),
]


@pytest.mark.parametrize(("replace", "message"), PROBLEMS)
def test_what_is_wrong_is_said(examined, replace, message):
    assert message in " ".join(finding.message for finding in examined(replace=replace))


@pytest.mark.parametrize(
    "line",
    [
        "# aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
        "# export WANDB_API_KEY=0123456789abcdef",
        "# AKIAIOSFODNN7EXAMPLE",
        "# password: correct-horse",
    ],
)
def test_a_secret_is_pointed_at_and_not_repeated(examined, line):
    (finding,) = examined(add=f"{line}\n")
    assert "this looks like a secret" in finding.message
    assert line[-8:] not in finding.message


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("kind", ["head", "worker"])
def test_start_lines_that_are_left_out_are_rays_own_and_ask_for_no_token(examined, name, kind):
    text = (ROOT / name).read_text()
    start = text.index(f"{kind}_start_ray_commands:")
    ends = [text.find("worker_start_ray_commands:", start + 1), len(text)]
    block = text[start : min(end for end in ends if end != -1)]
    found = [f for f in examined(name, replace={block: ""}) if f.level is Level.FAIL]
    assert f"{kind}_start_ray_commands is left out" in found[0].message
    assert all("ray#57153" in finding.message for finding in found[1:])


def test_a_file_that_starts_nothing_is_no_file_that_asks_for_the_token(examined):
    found = examined(replace={"~/venv/bin/ray start": "~/venv/bin/python start.py"})
    assert [f.message.split(":")[0] for f in found] == [
        "head_start_ray_commands",
        "worker_start_ray_commands",
    ]
    assert all("no line is a `ray start`" in finding.message for finding in found)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("  head_ip: 10.0.0.10", "Please supply a `head_ip`"),
        ("  worker_ips: [10.0.0.11, 10.0.0.12]", "Please supply a `head_ip`"),
        ("  type: local", "Ray does not take the file"),
    ],
)
def test_what_ray_refuses_is_told_in_a_sentence(examined, line, message):
    (finding,) = examined("cluster/local.yaml", replace={line: "  # nothing"})
    assert message in finding.message


def test_a_file_without_a_name_has_rays(examined):
    assert examined("cluster/local.yaml", replace={"cluster_name: own-machines": ""}) == []


def test_own_machines_need_the_first_autoscaler_and_all_of_themselves(examined):
    findings = examined(
        "cluster/local.yaml",
        replace={"RAY_enable_autoscaler_v2=0 ": "", "max_workers: 2": "max_workers: 5"},
    )
    assert [f.level for f in findings] == [Level.FAIL, Level.WARN]
    assert "ray#57153" in findings[0].message
    assert "max_workers is 5, worker_ips are 2" in findings[1].message


def test_a_token_that_others_read_fails(examined, token):
    token.chmod(0o644)
    (finding,) = examined()
    assert finding.level is Level.FAIL
    assert finding.remedy == f"chmod 600 {token}"


def test_a_token_that_is_not_there_yet_is_no_failure(examined, token):
    token.unlink()
    (finding,) = examined()
    assert finding.level is Level.WARN


def test_missing_clients_are_named(monkeypatch):
    monkeypatch.setattr(cluster_check.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(cluster_check.shutil, "which", lambda name: None)
    findings = list(cluster_check.missing_programs({"provider": {"type": "aws"}}))
    assert [f.message.split()[-1] if "needs" not in f.message else "boto3" for f in findings] == [
        "boto3",
        "here",
        "here",
    ]


def test_the_doctor_looks_at_the_file_it_is_given(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "check_installation", lambda path: [])
    monkeypatch.setattr("sweep.checkup.check_machine", lambda **options: [])
    assert doctor.main(["--cluster", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: this is not a file" in capsys.readouterr().out

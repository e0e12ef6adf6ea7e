"""The cluster files: what Ray says of them, and what AWS, mocked, makes of cluster.yaml."""

import copy
import re
import subprocess
from pathlib import Path

import boto3
import pytest
import yaml
from moto import mock_aws
from moto.ec2.models import ec2_backends
from ray._private.accelerators.nvidia_gpu import NvidiaGPUAcceleratorManager
from ray._raylet import RAY_NODE_ACCELERATOR_TYPE_KEY
from ray.autoscaler._private.aws.config import bootstrap_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.commands import _set_up_config_for_head_node
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.tags import (
    NODE_KIND_HEAD,
    NODE_KIND_WORKER,
    TAG_RAY_NODE_KIND,
    TAG_RAY_USER_NODE_TYPE,
)
from ray.autoscaler.v2.instance_manager.config import FileConfigReader

from sweep.autoscaler import coming_by
from sweep.slot_fit import Node, cluster_resources, fit_slots
from sweep.study import Slots
from sweep.yaml_file import read_yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = ["cluster.yaml", "cluster/local.yaml", "cluster/gcp.yaml"]
CLOUDS = ["cluster.yaml", "cluster/gcp.yaml"]


PYTHON_OF_THE_SYSTEM = """\
#!/bin/sh
test "$PIP_BREAK_SYSTEM_PACKAGES" = 1 || { echo externally-managed-environment >&2; exit 1; }
echo "$@" > "$HOME/installed"
"""
"""What `python3 -m pip` does on Debian 12, Ubuntu 23.04 and later (PEP 668)."""

CUDA_13_DRIVER = 580
"""The oldest NVIDIA driver for CUDA 13 (CUDA Toolkit release notes, table 2)."""


def load(name):
    return copy.deepcopy(dict(read_yaml(ROOT / name).data))


@pytest.mark.parametrize("name", FILES)
def test_ray_takes_the_file(name):
    validate_config(prepare_config(load(name)))


@pytest.mark.parametrize("name", FILES)
def test_every_placeholder_is_marked_for_the_person_who_must_change_it(name):
    placeholder = re.compile(r"-0{17}|my-project|192\.0\.2\.|ssh_user: me\b")
    lines = (ROOT / name).read_text().splitlines()
    found = [line for line in lines if placeholder.search(line)]
    assert found
    assert all("# CHANGE" in line for line in found)


@pytest.mark.parametrize("name", FILES)
def test_nothing_listens_to_the_world_and_every_node_asks_for_the_token(name):
    config = load(name)
    (head,) = [line for line in config["head_start_ray_commands"] if "ray start" in line]
    (worker,) = [line for line in config["worker_start_ray_commands"] if "ray start" in line]
    assert "--dashboard-host=127.0.0.1" in head
    assert "RAY_AUTH_MODE=token" in head
    assert "RAY_AUTH_MODE=token" in worker
    assert "0.0.0.0" not in (ROOT / name).read_text()
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "chmod 600 ~/.ray/auth_token" in config["setup_commands"]


@pytest.mark.parametrize("name", FILES)
def test_what_is_synced_is_the_project_without_results(name):
    config = load(name)
    assert config["file_mounts"]["~/hand-pose-sweeps"] == "."
    assert {".venv", "runs"} <= set(config["rsync_exclude"])
    assert ".git" not in config["rsync_exclude"], "a study records its commit"


@pytest.mark.parametrize("name", FILES)
def test_uv_is_installed_where_the_systems_python_refuses_packages(name, tmp_path):
    (line,) = [line for line in load(name)["setup_commands"] if "install --user uv" in line]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text(PYTHON_OF_THE_SYSTEM)
    (tmp_path / "bin" / "python3").chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "installed").read_text().startswith("-m pip install --user uv==")


def test_the_drivers_of_googles_images_can_run_the_pytorch_that_is_installed():
    text = (ROOT / "cluster" / "gcp.yaml").read_text()
    drivers = re.findall(r"images/family/\S+-nvidia-(\d+)", text)
    assert len(drivers) == text.count("sourceImage:")
    assert all(int(driver) >= CUDA_13_DRIVER for driver in drivers)


@pytest.mark.parametrize("name", CLOUDS)
def test_the_head_trains_nothing_and_spot_machines_come_first(name):
    config = load(name)
    types = config["available_node_types"]
    assert types["head"]["resources"] == {"CPU": 0, "GPU": 0}
    (start,) = [line for line in config["head_start_ray_commands"] if "ray start" in line]
    assert "--num-cpus=0 --num-gpus=0" in start
    assert types["spot"]["resources"] == types["on_demand"]["resources"]
    assert types["spot"]["priority"] > types["on_demand"]["priority"]
    assert types["spot"]["max_workers"] <= config["max_workers"]


@pytest.mark.parametrize("name", CLOUDS)
def test_the_type_of_a_gpu_is_told_before_there_is_one_as_ray_will_find_it(name):
    found = NvidiaGPUAcceleratorManager._gpu_name_to_accelerator_type("NVIDIA L4")
    types = load(name)["available_node_types"]
    assert types["spot"]["labels"] == {RAY_NODE_ACCELERATOR_TYPE_KEY: found}
    assert types["on_demand"]["labels"] == types["spot"]["labels"]
    assert "labels" not in types["head"]
    lines = (ROOT / name).read_text().splitlines()
    assert all("# CHANGE" in line for line in lines if "labels:" in line)


@pytest.mark.parametrize("name", CLOUDS)
def test_the_head_keeps_mlflow_running_once_ray_is_up(name):
    config = load(name)
    starts = config["head_start_ray_commands"]
    assert "ray start --head" in starts[-2]
    assert starts[-1] == "bash ~/hand-pose-sweeps/cluster/mlflow.sh"
    assert not any("mlflow" in line for line in config["worker_start_ray_commands"])


@pytest.fixture
def aws(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray keeps the key pair it makes in ~/.ssh
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    (tmp_path / ".ssh").mkdir()
    with mock_aws():
        yield boto3.client("ec2", region_name="us-west-2")


def on_this_account(config, ec2):
    """Return the file as somebody changes it: with an image, a security group and a profile."""
    (vpc,) = ec2.describe_vpcs()["Vpcs"]
    group = ec2.create_security_group(GroupName="nodes", Description="nodes", VpcId=vpc["VpcId"])[
        "GroupId"
    ]
    image = next(iter(ec2_backends["123456789012"]["us-west-2"].amis))
    boto3.client("iam").create_instance_profile(InstanceProfileName="hand-pose-sweeps")
    for node_type in config["available_node_types"].values():
        node_type["node_config"] |= {"ImageId": image, "SecurityGroupIds": [group]}
    return config, group


def running(ec2, node_type):
    """Return the instances of a node type."""
    named = {"Name": f"tag:{TAG_RAY_USER_NODE_TYPE}", "Values": [node_type]}
    reservations = ec2.describe_instances(Filters=[named])["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def left_on_the_head(config):
    """Return the file that `ray up` puts there, once Ray's own code has written it."""
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    _, written = _set_up_config_for_head_node(config, provider, no_restart=False)
    return written


@pytest.mark.slow
def test_what_ray_up_leaves_on_the_head_tells_the_machines_that_may_come(aws):
    config, _ = on_this_account(load("cluster.yaml"), aws)
    with left_on_the_head(bootstrap_aws(prepare_config(config))) as file:
        coming = coming_by(Path(file.name))
        read_by_ray = FileConfigReader(file.name).get_cached_autoscaling_config()
    assert set(coming.nodes) == {Node(cpus=8, gpus=1, accelerator="L4")}
    assert (len(coming.nodes), coming.most) == (10, 8)
    assert read_by_ray.get_node_labels("spot") == {RAY_NODE_ACCELERATOR_TYPE_KEY: "L4"}
    assert read_by_ray.get_max_num_worker_nodes() == coming.most
    head = {"Alive": True, "Resources": {"node:__internal_head__": 1.0}, "Labels": {}}
    there = cluster_resources([head], coming=coming, address="auto")
    fit = fit_slots(Slots(accelerator="L4", max=20), there)
    assert (fit.count, fit.cpus_per_worker, fit.gpus_per_worker) == (8, 8, 1.0)


@pytest.mark.slow
def test_mocked_aws_starts_head_spot_and_on_demand_machines(aws):
    config, group = on_this_account(load("cluster.yaml"), aws)
    config = bootstrap_aws(prepare_config(config))
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    for name in ("head", "spot", "spot", "on_demand"):
        tags = {
            TAG_RAY_NODE_KIND: NODE_KIND_HEAD if name == "head" else NODE_KIND_WORKER,
            TAG_RAY_USER_NODE_TYPE: name,
        }
        provider.create_node(config["available_node_types"][name]["node_config"], tags, 1)
    instances = {name: running(aws, name) for name in ("head", "spot", "on_demand")}
    assert {name: len(found) for name, found in instances.items()} == {
        "head": 1,
        "spot": 2,
        "on_demand": 1,
    }
    assert [i.get("InstanceLifecycle") for i in instances["spot"]] == ["spot", "spot"]
    assert "InstanceLifecycle" not in instances["on_demand"][0]
    for instance in (i for found in instances.values() for i in found):
        assert [g["GroupId"] for g in instance["SecurityGroups"]] == [group]
        assert instance["IamInstanceProfile"]["Arn"].endswith("/hand-pose-sweeps")
    (nodes,) = aws.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert nodes["IpPermissions"] == [], "Ray opened a port"


def test_a_duplicate_key_in_a_cluster_file_is_refused(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.dump({"cluster_name": "a"}) + "cluster_name: b\n")
    with pytest.raises(ValueError, match="cluster_name"):
        read_yaml(path)

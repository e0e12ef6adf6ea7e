"""What an autoscaler may start, by what Ray knows and by what `ray up` left on the head."""

import json
from types import SimpleNamespace

import pytest
import ray
from ray.core.generated.autoscaler_pb2 import ClusterConfig, NodeGroupConfig

from sweep import autoscaler
from sweep.autoscaler import machines_that_may_come
from sweep.slot_fit import Coming, Node

LEFT_ON_THE_HEAD = {
    "max_workers": 3,
    "head_node_type": "head",
    "available_node_types": {
        "head": {"resources": {"CPU": 0, "GPU": 0}, "max_workers": 0},
        "spot": {
            "resources": {"CPU": 8, "GPU": 1, "memory": 1e10},
            "labels": {"ray.io/accelerator-type": "L4"},
            "max_workers": 2,
        },
        "cores": {"resources": {"CPU": 16}, "max_workers": 2},
        "never": {"resources": {"CPU": 64}, "max_workers": 0},
    },
}


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A home in which `ray up` left its file, on the head of a cluster whose Ray knows nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ray_bootstrap_config.yaml").write_text(json.dumps(LEFT_ON_THE_HEAD))
    context = SimpleNamespace(get_node_id=lambda: "here")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    runs_on("here", monkeypatch)
    tells(None, monkeypatch)
    return tmp_path


def runs_on(head, monkeypatch):
    nodes = [
        {"NodeID": name, "Resources": {"node:__internal_head__": 1.0} if name == head else {}}
        for name in ("here", "there")
    ]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)


def tells(config, monkeypatch):
    state = SimpleNamespace(get_cluster_config=lambda: config)
    monkeypatch.setattr(autoscaler, "global_state", state)


@pytest.mark.usefixtures("home")
def test_what_ray_up_left_on_the_head_is_read_where_ray_does_not_know():
    spot, cores = Node(8, 1, "L4"), Node(16, 0)
    assert machines_that_may_come() == Coming((spot, spot, cores, cores), most=3)


@pytest.mark.usefixtures("home")
def test_what_another_cluster_left_here_is_not_taken_for_this_ones(monkeypatch):
    runs_on("there", monkeypatch)
    assert machines_that_may_come() == Coming()


def test_a_cluster_that_nobody_brought_up_with_a_file_starts_no_machines(home):
    (home / "ray_bootstrap_config.yaml").unlink()
    assert machines_that_may_come() == Coming()


@pytest.mark.usefixtures("home")
def test_what_ray_itself_knows_comes_first(monkeypatch):
    groups = [
        NodeGroupConfig(name="gpu", resources={"CPU": 4, "GPU": 2}, max_count=2),
        NodeGroupConfig(name="head", resources={}, max_count=1),
    ]
    tells(ClusterConfig(node_group_configs=groups), monkeypatch)
    assert machines_that_may_come() == Coming((Node(4, 2), Node(4, 2)), most=2)

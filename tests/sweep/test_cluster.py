"""Reaching a Ray cluster; what needs a running one is in `test_tuner.py`."""

import socket
from types import SimpleNamespace

import pytest
import ray

from sweep.cluster import LOOK_EVERY_S, ClusterLost, NodeWatch, connected_cluster


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


def test_a_cluster_that_is_not_there_is_refused_in_words():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        pytest.raises(ValueError, match=f"127.0.0.1:{port}: no Ray cluster answers there"),
        connected_cluster(f"127.0.0.1:{port}"),
    ):
        pass


@pytest.mark.parametrize("address", ["ray://head:10001/x", "head", "head:port"])
def test_an_address_that_is_none_is_refused(address):
    with (
        pytest.raises(ValueError, match="must be host:port of the cluster's head, or auto"),
        connected_cluster(address),
    ):
        pass


@pytest.fixture
def nodes(monkeypatch):
    """What Ray says of a cluster of two nodes, of which ours is `here`."""
    nodes = {"here": True, "there": True}
    context = SimpleNamespace(get_node_id=lambda: "here")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(
        ray, "nodes", lambda: [{"NodeID": name, "Alive": alive} for name, alive in nodes.items()]
    )
    return nodes


def test_f3_the_loss_of_the_drivers_own_node_is_noticed_and_no_others(nodes):
    now_s = [0.0]
    node = NodeWatch(clock=lambda: now_s[0])
    nodes["there"] = False
    node.check(now=True)
    nodes["here"] = False
    node.check()  # it was seen alive a moment ago
    now_s[0] += LOOK_EVERY_S
    with pytest.raises(ClusterLost, match="go on from their last saved epoch"):
        node.check()


def test_f3_a_node_that_ray_does_not_know_any_more_is_lost(nodes):
    node = NodeWatch()
    del nodes["here"]
    with pytest.raises(ClusterLost):
        node.check(now=True)

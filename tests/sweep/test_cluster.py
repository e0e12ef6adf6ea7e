"""Reaching a Ray cluster; what needs a running one is in `test_tuner.py`."""

import socket

import pytest

from sweep.cluster import connected_cluster


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

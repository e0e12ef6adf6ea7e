"""The interface that gloo is told to use."""

import socket

import pytest

from trainables import network
from trainables.network import GLOO_INTERFACE, interface_with, meet_where_ray_does

NAMES = [name for _, name in socket.if_nameindex()]


def test_the_interface_of_an_address_is_found():
    assert interface_with("127.0.0.1", NAMES) == "lo"
    assert interface_with("203.0.113.9", NAMES) is None
    assert interface_with("127.0.0.1", ["nosuch0"]) is None


def test_gloo_is_told_where_ray_is(monkeypatch):
    monkeypatch.delenv(GLOO_INTERFACE, raising=False)
    monkeypatch.setattr(network.ray.util, "get_node_ip_address", lambda: "127.0.0.1")
    meet_where_ray_does()
    assert network.os.environ[GLOO_INTERFACE] == "lo"


@pytest.mark.parametrize(("told", "address"), [("ib0", "127.0.0.1"), (None, "203.0.113.9")])
def test_what_was_said_stays_and_what_is_not_known_is_not_guessed(monkeypatch, told, address):
    monkeypatch.delenv(GLOO_INTERFACE, raising=False)
    if told is not None:
        monkeypatch.setenv(GLOO_INTERFACE, told)
    monkeypatch.setattr(network.ray.util, "get_node_ip_address", lambda: address)
    meet_where_ray_does()
    assert network.os.environ.get(GLOO_INTERFACE) == told

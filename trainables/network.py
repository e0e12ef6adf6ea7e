"""The network by which workers on several machines find each other."""

import fcntl
import os
import socket
import struct
from collections.abc import Iterable

import ray.util

GLOO_INTERFACE = "GLOO_SOCKET_IFNAME"
_SIOCGIFADDR = 0x8915  # Linux: the address of an interface


def meet_where_ray_does() -> None:
    """Have gloo use the interface by which Ray reaches this machine, unless told otherwise.

    Left alone it takes the address that the machine's own name has, which is loopback where a name
    is not known or, as on Debian, stands in /etc/hosts as 127.0.1.1; workers on other machines then
    cannot connect. Ray calls this when a process of a cluster's begins.
    """
    if GLOO_INTERFACE not in os.environ:
        names = [name for _, name in socket.if_nameindex()]
        found = interface_with(ray.util.get_node_ip_address(), names)
        if found is not None:
            os.environ[GLOO_INTERFACE] = found


def interface_with(address: str, names: Iterable[str]) -> str | None:
    """Return which of these interfaces has an IPv4 address, or None."""
    return next((name for name in names if _address_of(name) == address), None)


def _address_of(name: str) -> str | None:
    request = struct.pack("256s", name.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket.fileno(), _SIOCGIFADDR, request)
        except OSError:
            return None  # it has no IPv4 address
    return socket.inet_ntoa(answer[20:24])

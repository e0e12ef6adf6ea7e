"""What shell lines tell `ray start`."""

import pytest

from sweep.ray_start import RayStart, ray_starts

TOKEN = {"RAY_AUTH_MODE": "token"}


@pytest.mark.parametrize(
    ("line", "options", "variables"),
    [
        ("ray start --head", {"--head": ""}, {}),
        ("RAY_AUTH_MODE=token ~/venv/bin/ray start --head", {"--head": ""}, TOKEN),
        ("ulimit -n 65536; RAY_AUTH_MODE=token ray start", {}, TOKEN),
        ("export RAY_AUTH_MODE=token && ray start", {}, TOKEN),
        ("export A=1 RAY_AUTH_MODE=token; true | ray start", {}, {"A": "1", **TOKEN}),
        ("env RAY_AUTH_MODE=token nohup ray start", {}, TOKEN),
        ("RAY_AUTH_MODE=token; ray start", {}, {}),
        ("ray start # RAY_AUTH_MODE=token", {}, {}),
        ("ray start; RAY_AUTH_MODE=token ray status", {}, {}),
        ("RAY_AUTH_MODE=token ray stop && ray start", {}, {}),
        ("RAY_AUTH_MODE=token bash -c 'ray start --port=1'", {"--port": "1"}, TOKEN),
        ("bash -c 'RAY_AUTH_MODE=token ray start'", {}, TOKEN),
        ("ray start --port 1 --head --port=2", {"--port": "2", "--head": ""}, {}),
        ("ray start --labels='a=b,c=d' --block", {"--labels": "a=b,c=d", "--block": ""}, {}),
        ("RAY_AUTH_MODE=token \\\n  ray start \\\n  --head", {"--head": ""}, TOKEN),
        ("ray start > log 2>&1 --port=1 &", {"--port": "1"}, {}),
        ("ray start --temp-dir=$(pwd) --port=1", {"--temp-dir": "$(pwd)", "--port": "1"}, {}),
        ("RAY_AUTH_MODE=token ray start 'open", {}, {}),
    ],
)
def test_a_line_is_read_as_the_shell_does(line, options, variables):
    assert ray_starts([line]) == [RayStart(options, variables)]


def test_every_start_of_every_line_is_found():
    lines = ["ray stop", "ray start --head; ray start --block", "echo ray", "a=1\nray start"]
    found = ray_starts(lines)
    assert [list(start.options) for start in found] == [["--head"], ["--block"], []]
    assert found[-1].variables == {}

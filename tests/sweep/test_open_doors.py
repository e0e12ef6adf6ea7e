"""What a cluster file would let strangers in by."""

import pytest

from sweep.findings import Level
from sweep.open_doors import open_doors

HEAD = "RAY_AUTH_MODE=token ray start --head --dashboard-host=127.0.0.1"
WORKER = "RAY_AUTH_MODE=token ray start --address=$RAY_HEAD_IP:6379"


def found(head=HEAD, worker=WORKER, **settings):
    config = {
        "provider": {"type": "local"},
        "file_mounts": {"~/.ray/auth_token": "~/.ray/auth_token"},
        "head_start_ray_commands": ["ray stop", head],
        "worker_start_ray_commands": ["ray stop", worker],
        **settings,
    }
    return list(open_doors(config, prepared=config))


@pytest.mark.parametrize(
    "host", ["--dashboard-host=127.0.0.1", "--dashboard-host localhost", "--dashboard-host=::1", ""]
)
def test_a_dashboard_on_loopback_is_no_door(host):
    assert found(f"RAY_AUTH_MODE=token ray start --head {host}") == []


@pytest.mark.parametrize(
    "hosts",
    [
        "--dashboard-host=0.0.0.0",
        "--dashboard-host=0.0.0.0 --node-ip-address=127.0.0.1",
        "--dashboard-host 0.0.0.0",
        "--dashboard-host=:: # --dashboard-host=127.0.0.1",
        "--dashboard-host=127.0.0.1 --dashboard-host=10.0.0.10",
        "--dashboard-host=$(hostname)",
    ],
)
def test_a_dashboard_that_others_reach_is_a_door(hosts):
    (finding,) = found(f"RAY_AUTH_MODE=token ray start --head {hosts}")
    assert finding.level is Level.FAIL
    assert "the dashboard would be open" in finding.message


@pytest.mark.parametrize("kind", ["head", "worker"])
@pytest.mark.parametrize(
    "line", ["ray start", "ray start # RAY_AUTH_MODE=token", "RAY_AUTH_MODE=disabled ray start"]
)
def test_a_node_that_asks_for_no_token_is_a_door(kind, line):
    (finding,) = found(**{kind: line})
    assert finding.level is Level.FAIL
    assert finding.message.startswith(f"{kind}_start_ray_commands: a node would run")


def on_aws(**node_config):
    given = {"SecurityGroupIds": ["sg-1"]}
    types = {"head": {"node_config": given}, "spot": {"node_config": node_config}}
    return found(provider={"type": "aws"}, available_node_types=types)


@pytest.mark.parametrize(
    "node_config", [{"SecurityGroupIds": ["sg-1"]}, {"NetworkInterfaces": [{"Groups": ["sg-1"]}]}]
)
def test_machines_on_aws_in_groups_of_ones_own_are_no_door(node_config):
    assert on_aws(**node_config) == []


def test_a_type_on_aws_without_a_group_gets_one_of_rays_which_is_a_door():
    (finding,) = on_aws(InstanceType="g6.2xlarge")
    assert finding.level is Level.FAIL
    assert finding.message.startswith("spot has no SecurityGroupIds: Ray would make a group")


def test_what_a_launch_template_says_is_left_to_people():
    (finding,) = on_aws(LaunchTemplate={"LaunchTemplateName": "mine"})
    assert finding.level is Level.WARN
    assert "whether its LaunchTemplate has some is not seen" in finding.message

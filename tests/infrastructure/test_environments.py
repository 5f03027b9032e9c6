"""Laws of the table of environments: what cannot be deployed cannot be written down."""

from ipaddress import IPv4Network
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks import environments
from stacks.environments import DEV, ENVIRONMENTS, PROD, BadEnvironment, Environment, environment

WRONG: list[tuple[Environment, dict[str, Any], str]] = [
    (DEV, {"name": "Dev 1"}, "name: use small letters"),
    (DEV, {"zones": ("us-east-1a",)}, "zones: 1 given; name two"),
    (DEV, {"zones": ("us-east-1a", "us-east-1b", "us-east-1c")}, "zones: 3 given; name two"),
    (DEV, {"zones": ("us-east-1a", "us-east-1a")}, "name two different ones of us-east-1"),
    (DEV, {"zones": ("us-east-1a", "eu-west-1a")}, "name two different ones of us-east-1"),
    (DEV, {"cidr": "10.10.0.1/16"}, "cidr: .*host bits set; write the network's first address"),
    (DEV, {"cidr": "10.10.0.0/24"}, "must be a private /16"),
    (DEV, {"cidr": "8.8.0.0/16"}, "must be a private /16"),
    (DEV, {"cidr": "ten"}, "cidr: .*as in 10.10.0.0/16"),
    (DEV, {"nat_gateways": 3}, "1 carries both addresses, 2 carry one each"),
    (DEV, {"endpoint_zones": 3}, "endpoint_zones: 3; there are two zones"),
    (DEV, {"oms": environments.Cluster(instance_type="t3.small", least=3, most=2)}, "oms: least 3, most 2"),
    (DEV, {"oms": environments.Cluster(instance_type="t2.nano", least=1, most=3)}, "t2.nano is not measured"),
    (
        DEV,
        {"oms": environments.Cluster(instance_type="t3.small", least=1, most=2)},
        "needs 3 machines; most is 2",
    ),
    (
        PROD,
        {"oms": environments.Cluster(instance_type="t3.large", least=1, most=10)},
        "2 gateways share them",
    ),
    (DEV, {"oms_tasks": environments.Tasks(cpu=256, memory=1_024, least=1, most=1)}, "do not fit a machine"),
    (DEV, {"dashboard_tasks": environments.Tasks(cpu=1, memory=1, least=2, most=1)}, "tasks least 2, most 1"),
    (DEV, {"log_days": 8}, "log_days: 8; CloudWatch takes"),
    (DEV, {"backup_minutes": 100}, "backup_minutes: 100; choose of"),
    (DEV, {"rpo_minutes": 60}, "misses rpo_minutes 60, for a backup .* back up oftener"),
    (DEV, {"audit_days": 0}, "must be at least 1"),
    (DEV, {"image_tag": ""}, "image_tag"),
    (PROD, {"image_tag": "latest"}, "'latest' names no release"),
    (PROD, {"redis": DEV.redis}, "replicas 0 loses the cache with its zone"),
]


@pytest.mark.parametrize(("row", "change", "said"), WRONG)
def test_a_row_that_cannot_be_deployed_is_refused_with_its_field_and_the_fix(
    row: Environment, change: dict[str, Any], said: str
) -> None:
    """The error names the environment, the field and what to write instead."""
    with pytest.raises(BadEnvironment, match=said):
        msgspec.structs.replace(row, **change)


def test_an_unknown_environment_is_refused_with_those_that_are_known() -> None:
    """The error lists what may be chosen."""
    with pytest.raises(BadEnvironment, match="'live' is unknown; choose of dev, staging, prod"):
        environment("live")


def test_latest_is_no_release_in_prod() -> None:
    """A tag given from outside is held to the same rule as one in the table."""
    assert environment("dev", image_tag="latest").image_tag == "latest"
    with pytest.raises(BadEnvironment, match="names no release"):
        environment("prod", image_tag="latest")


def test_overlapping_networks_are_refused() -> None:
    """Two environments never share an address."""
    with pytest.raises(BadEnvironment, match=r"'dev' and 'prod': cidr .* overlaps"):
        environments._table(DEV, msgspec.structs.replace(PROD, cidr=DEV.cidr))
    with pytest.raises(BadEnvironment, match="stands twice"):
        environments._table(DEV, msgspec.structs.replace(PROD, name="dev"))


@given(st.sampled_from(sorted(ENVIRONMENTS)), st.integers(0, 15), st.integers(0, 15))
def test_subnets_are_inside_their_network_and_apart(name: str, one: int, other: int) -> None:
    """Each of the sixteen parts is in the environment's network and shares no address with another."""
    row = environment(name)
    first, second = (IPv4Network(row.subnet(number)) for number in (one, other))
    assert first.subnet_of(row.network)
    assert first.overlaps(second) == (one == other)


def test_the_table_is_what_the_architecture_states() -> None:
    """NAT, machines, cache, logs and recovery of each environment, side by side."""
    stated = {
        name: (
            row.nat_gateways,
            row.oms.instance_type,
            row.redis.node_type,
            row.redis.shards > 1,
            row.log_days,
            row.point_in_time,
            row.protected,
        )
        for name, row in ENVIRONMENTS.items()
    }
    assert stated == {
        "dev": (1, "t3.small", "cache.t3.micro", False, 7, False, False),
        "staging": (2, "t3.medium", "cache.t3.small", False, 14, False, False),
        "prod": (2, "t3.large", "cache.r6g.large", True, 30, True, True),
    }


def test_each_zone_leaves_by_one_way(name: str) -> None:
    """There is a way for each gateway, named for its zone, and every zone has exactly one."""
    ways = ENVIRONMENTS[name].ways_out
    assert [way.name for way in ways] == ["a", "b"][: ENVIRONMENTS[name].nat_gateways]
    assert sorted(zone for way in ways for zone in way.zones) == sorted(ENVIRONMENTS[name].zones)
    assert all(way.zones[0].endswith(way.name) for way in ways)

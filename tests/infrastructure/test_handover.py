"""Laws of what the foundation hands to the services: both sides mean the same."""

import re
from typing import Any

import msgspec

from stacks.environments import ENVIRONMENTS
from stacks.handover import Handover, outputs, stand_in

READ = re.compile(r"terraform_remote_state\.state\.outputs\.(\w+)(?:\.([\w-]+))?")


def test_the_foundation_writes_the_whole_contract(configuration: dict[str, Any], name: str) -> None:
    """Each output is there with its description, and a mapping has the keys that the services read."""
    written = configuration["output"]
    assert set(written) == set(Handover.__struct_fields__)
    for each in outputs(ENVIRONMENTS[name]):
        assert written[each.name]["description"] == each.says
        value = written[each.name]["value"]
        assert set(value if each.keys else ()) == set(each.keys)


def test_the_services_read_nothing_that_is_not_written(
    services: dict[str, Any], configuration: dict[str, Any]
) -> None:
    """Every reference of the services into the foundation's state leads to something."""
    read = READ.findall(msgspec.json.encode(services).decode())
    assert read
    for output, key in read:
        value = configuration["output"][output]["value"]
        assert not key or key in value


def test_a_stand_in_has_every_output(name: str) -> None:
    """Terraform reads from it what it would read from a foundation, in the same shapes."""
    state = msgspec.json.decode(stand_in(ENVIRONMENTS[name]))
    values = {output: body["value"] for output, body in state["outputs"].items()}
    assert msgspec.convert(values, Handover)
    assert set(values["egress_addresses"]) == set(ENVIRONMENTS[name].zones)

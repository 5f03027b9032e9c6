"""The documents say of the stacks what the stacks are, and name commands that exist."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore import xform_name

from stacks.diagram import Arrow, arrows, drawn, ways_out
from stacks.documents import (
    BEGIN,
    INFRASTRUCTURE,
    RECOVERY,
    differences,
    infrastructure_markdown,
    inventory,
    recovery_markdown,
)
from stacks.environments import DEV, PROD

DOCS = Path(__file__).parents[2] / "docs"


def made(path: str, **body: Any) -> dict[str, Any]:
    """A resource of a configuration, at its place in the tree of constructs."""
    return {"//": {"metadata": {"path": path}}, **body}


FOUNDATION = {
    "resource": {
        "aws_kms_key": {"key": made("foundation-x/stores-key/key")},
        "aws_kms_alias": {"alias": made("foundation-x/stores-key/alias", target="${aws_kms_key.key.id}")},
        "aws_vpc": {"net": made("foundation-x/network/vpc")},
        "aws_table": {
            "one": made("foundation-x/table-one/table", key="${aws_kms_key.key.arn}"),
            "two": made("foundation-x/table-two/table", vpc="${aws_vpc.net.id}"),
        },
    },
    "output": {
        "tables": {"value": {"one": "${aws_table.one.arn}", "two": "${aws_table.two.arn}"}},
        "vpc": {"value": "${aws_vpc.net.id}"},
        "stores_key_arn": {"value": "${aws_kms_key.key.arn}"},
    },
}
STATE = "data.terraform_remote_state.state.outputs"
SERVICES = {
    "resource": {
        "aws_task": {"oms": made("services-x/oms-a-task/task", table=f"${{{STATE}.tables.one}}")},
        "aws_service": {"oms": made("services-x/oms-a-service/service", task="${aws_task.oms.arn}")},
        "aws_lb": {
            "door": made(
                "services-x/balancer/lb", vpc=f"${{{STATE}.vpc}}", key=f"${{{STATE}.stores_key_arn}}"
            )
        },
    },
    "output": {},
}


def test_an_arrow_is_a_reference_and_every_reference_is_an_arrow() -> None:
    """Within a stack, and across by the output that is read, of a mapping by one entry; not to keys."""
    assert arrows(FOUNDATION, SERVICES) == (
        [Arrow("table-two", "network")],
        [],
        [Arrow("balancer", "network"), Arrow("oms", "table-one")],
    )


def test_each_construct_is_one_box_and_keys_are_none() -> None:
    """What makes one service run is one box; a key has nearly everything pointing at it."""
    text = drawn(FOUNDATION, SERVICES)
    assert re.findall(r"\[([\w-]+)\]", text) == ["balancer", "oms", "network", "table-one", "table-two"]


def test_a_piece_is_listed_with_its_resources_and_its_key() -> None:
    """Counted by type; the key is found by reference, or by the output that hands it over."""
    assert "| `table-one` | table | `stores-key` |" in inventory(FOUNDATION)
    assert "| `balancer` | lb | `stores-key` |" in inventory(SERVICES)
    assert "| `stores-key` | kms_alias, kms_key |  |" in inventory(FOUNDATION)


def test_what_differs_is_a_row_and_what_does_not_is_a_word() -> None:
    """Fields with one value everywhere are not in the table."""
    text = differences([DEV, msgspec.structs.replace(DEV, name="other", log_days=14)])
    assert text.splitlines()[2:3] == ["| `log_days` | 7 | 14 |"]
    assert "`nat_gateways` 1" in text.splitlines()[-1]


def test_every_private_subnet_is_drawn_to_leave_by_an_address(
    configurations: Mapping[str, Any], name: str
) -> None:
    """Two addresses lead to the world, each subnet has one way, and only public ones go there directly."""
    text = ways_out(configurations[name])
    assert len(set(re.findall(r"--> (eip_\w+) --> world", text))) == 2
    ways = dict(re.findall(r"^  (subnet_\w+) --> (\w+)", text, re.MULTILINE))
    assert len(ways) == 6
    assert {subnet for subnet, to in ways.items() if to == "world"} == {
        subnet for subnet in ways if "public" in subnet
    }


def test_the_document_of_the_infrastructure_is_what_is_synthesized(files: Mapping[str, Path]) -> None:
    """`make docs` writes its diagrams and tables anew."""
    stacks = {stack: msgspec.json.decode(file.read_bytes()) for stack, file in files.items()}
    text = (DOCS / f"{INFRASTRUCTURE}.md").read_text()
    assert text[text.index(BEGIN.format(INFRASTRUCTURE)) :] == infrastructure_markdown(stacks)


def test_the_document_of_recovery_is_what_the_table_says() -> None:
    """`make docs` writes its table anew."""
    text = (DOCS / f"{RECOVERY}.md").read_text()
    assert text[text.index(BEGIN.format(RECOVERY)) :] == recovery_markdown()
    assert f"{PROD.rpo_minutes} min" in text


COMMANDS = [
    line.replace("\\\n", " ").strip()
    for line in re.findall(r"^    (aws (?:.*\\\n)*.*)$", (DOCS / f"{RECOVERY}.md").read_text(), re.MULTILINE)
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.split()[1:3]))
def test_a_command_of_the_runbook_is_one_of_aws(command: str) -> None:
    """The service, the operation and each of its options exist, and no required one is missing."""
    _, service, operation, *options = shlex.split(command)
    if operation == "wait":
        operation, *options = options
        waiters = botocore.session.get_session().get_waiter_model(service).waiter_names
        assert operation.replace("-", "_") in map(xform_name, waiters)
        return
    model = botocore.session.get_session().get_service_model(service)
    shapes = {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}
    shape = shapes[operation].input_shape
    assert shape is not None
    known = {xform_name(member, "-"): member for member in shape.members}
    flags = [option[2:] for option in options if option.startswith("--")]
    of_the_client = {"query", "output", "region", "select"}
    given = {
        known[flag.removeprefix("no-") if flag not in known else flag]
        for flag in flags
        if flag not in of_the_client
    }
    assert set(shape.required_members) <= given


def test_the_runbook_has_commands() -> None:
    """Else the law above would hold of nothing."""
    assert len(COMMANDS) > 8

"""What stacks look like: Mermaid flowcharts read from the synthesized configuration. Pure.

Nothing here knows what a stack ought to hold: boxes are its constructs, arrows its references.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from stacks.handover import SERVICES

KEY: Final = "aws_kms_key"
_ONLY_A_KEY: Final = frozenset({KEY, "aws_kms_alias"})
REFERENCE: Final = re.compile(r"\b(aws_\w+)\.([\w-]+)\.")
HANDED: Final = re.compile(
    r'\bdata\.terraform_remote_state\.[\w-]+\.outputs\.(\w+)(?:(?:\.|\[\\?")([\w-]+))?'
)

Body = Mapping[str, Any]
Configuration = Mapping[str, Any]
"""A stack, as its `cdk.tf.json` has it."""


class Resource(NamedTuple):
    """One resource of a stack, and the construct directly below the stack that it belongs to."""

    kind: str
    name: str
    construct: str
    body: Body


class Arrow(NamedTuple):
    """A construct that refers to another."""

    of: str
    to: str


def resources(configuration: Configuration) -> Iterator[Resource]:
    """Everything that a stack makes."""
    for kind, bodies in configuration["resource"].items():
        for name, body in bodies.items():
            _, construct, *_ = body["//"]["metadata"]["path"].split("/")
            yield Resource(kind, name, construct, body)


def box(construct: str) -> str:
    """What a construct is drawn as: all that makes one service run is one box.

    >>> box("oms-a-task"), box("queue-copy")
    ('oms', 'queue-copy')
    """
    service = construct.partition("-")[0]
    return service if service in SERVICES else construct


def arrows(
    foundation: Configuration, services: Configuration
) -> tuple[list[Arrow], list[Arrow], list[Arrow]]:
    """Who refers to whom: within the foundation, within the services, and from these to the foundation.

    References to keys are left out: nearly everything has one.
    """
    below, above = _places(foundation), _places(services)
    outputs = {name: body["value"] for name, body in foundation["output"].items()}
    across = {
        Arrow(box(each.construct), below[reference])
        for each in resources(services)
        for name, key in HANDED.findall(text_of(each.body))
        for reference in REFERENCE.findall(text_of(outputs[name][key] if key else outputs[name]))
        if reference in below
    }
    return _within(foundation, below), _within(services, above), sorted(across)


def drawn(foundation: Configuration, services: Configuration) -> str:
    """Both stacks of an environment as a Mermaid flowchart."""
    inner, upper, across = arrows(foundation, services)
    lines = ["flowchart TB"]
    for title, configuration in (("services", services), ("foundation", foundation)):
        boxes = sorted(set(_places(configuration).values()))
        lines += [f"  subgraph {title}", *(f"    {_id(title, each)}[{each}]" for each in boxes), "  end"]
    for of, to, found in (
        ("services", "services", upper),
        ("services", "foundation", across),
        ("foundation", "foundation", inner),
    ):
        lines += [f"  {_id(of, each.of)} --> {_id(to, each.to)}" for each in found]
    return _mermaid(lines)


def ways_out(foundation: Configuration) -> str:
    """Subnets, zone by zone, and by which gateways and addresses each leaves, as a Mermaid flowchart."""
    of: dict[str, dict[str, Body]] = {}
    for each in resources(foundation):
        of.setdefault(each.kind, {})[each.name] = each.body
    lines = ["flowchart LR"]
    zones: dict[str, list[str]] = {}
    for name, body in of["aws_subnet"].items():
        text = f"{body['tags']['Name']}<br/>{body['cidr_block']}"
        zones.setdefault(body["availability_zone"], []).append(f'    {_id("subnet", name)}["{text}"]')
    for name, body in of["aws_nat_gateway"].items():
        zone = of["aws_subnet"][_named(body["subnet_id"])]["availability_zone"]
        zones[zone].append(f'    {_id("nat", name)}(["NAT {body["tags"]["Name"]}"])')
    for zone, boxes in sorted(zones.items()):
        lines += [f"  subgraph {zone}", *boxes, "  end"]
    for name, body in of["aws_eip"].items():
        lines.append(f'  {_id("eip", name)}[["Elastic IP {body["tags"]["Name"]}"]]')
    routes = {
        _named(route["route_table_id"]): route
        for route in of["aws_route"].values()
        if route["destination_cidr_block"] == "0.0.0.0/0"
    }
    for association in of["aws_route_table_association"].values():
        way = routes[_named(association["route_table_id"])]
        to = _id("nat", _named(way["nat_gateway_id"])) if "nat_gateway_id" in way else "world((world))"
        lines.append(f"  {_id('subnet', _named(association['subnet_id']))} --> {to}")
    for name, body in of["aws_nat_gateway"].items():
        for address in (body["allocation_id"], *body.get("secondary_allocation_ids", ())):
            lines.append(f"  {_id('nat', name)} --> {_id('eip', _named(address))} --> world((world))")
    return _mermaid(lines)


def _places(configuration: Configuration) -> dict[tuple[str, str], str]:
    """Where each resource is drawn: all but keys."""
    drawn_too = {each.construct for each in resources(configuration) if each.kind not in _ONLY_A_KEY}
    return {
        (each.kind, each.name): box(each.construct)
        for each in resources(configuration)
        if each.construct in drawn_too
    }


def _within(configuration: Configuration, places: Mapping[tuple[str, str], str]) -> list[Arrow]:
    return sorted(
        {
            Arrow(box(each.construct), places[reference])
            for each in resources(configuration)
            for reference in REFERENCE.findall(text_of(each.body))
            if reference in places and places[reference] != box(each.construct)
        }
    )


def text_of(body: Any) -> str:
    return msgspec.json.encode(body).decode()


def _named(reference: str) -> str:
    """The resource that `${type.name.attribute}` refers to."""
    return reference.split(".")[1]


def _id(*parts: str) -> str:
    return re.sub(r"\W", "_", "_".join(parts))


def _mermaid(lines: Iterable[str]) -> str:
    return "\n".join(("```mermaid", *lines, "```"))

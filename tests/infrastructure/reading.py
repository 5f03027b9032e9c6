"""How the tests read a configuration: resources by type and reference, and what differs between several."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from stacks.environments import ENVIRONMENTS

Body = dict[str, Any]
Configuration = dict[str, Any]


def of(configuration: Configuration, kind: str) -> dict[str, Body]:
    """The resources of one type, by name."""
    found: dict[str, Body] = configuration["resource"].get(kind, {})
    return found


def one(configuration: Configuration, kind: str) -> Body:
    """The only resource of a type."""
    (body,) = of(configuration, kind).values()
    return body


def named(configuration: Configuration, reference: str) -> Body:
    """The resource that `${type.name.attribute}` refers to."""
    kind, name, _ = reference.removeprefix("${").removesuffix("}").split(".")
    return of(configuration, kind)[name]


def leaves(body: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in a configuration with its path."""
    if isinstance(body, dict):
        for key, value in body.items():
            if key != "//":
                yield from leaves(value, f"{at}.{key}")
    elif isinstance(body, list):
        for number, value in enumerate(body):
            yield from leaves(value, f"{at}[{number}]")
    else:
        yield at, body


def differences(configurations: Mapping[str, Configuration]) -> set[str]:
    """The paths of what differs between environments once their names and networks are made equal."""
    seen: dict[str, dict[str, Any]] = {}
    for name, configuration in configurations.items():
        whole = msgspec.json.encode(configuration["resource"]).decode()
        cidr = ENVIRONMENTS[name].cidr.removesuffix(".0.0/16")
        same = re.sub(rf"\b{name}\b(?!/xvd)", "ENV", whole).replace(cidr, "NET")
        seen[name] = dict(leaves(msgspec.json.decode(same)))
    return {
        path
        for one_, other in itertools.combinations(seen.values(), 2)
        for path in one_.keys() | other.keys()
        if one_.get(path) != other.get(path)
    }


def containers(services: Configuration) -> Iterator[tuple[str, Body]]:
    """Every container with its service; the collector beside it too."""
    for body in of(services, "aws_ecs_task_definition").values():
        both = msgspec.json.decode(body["container_definitions"])
        for container in both:
            yield both[0]["name"], container


def own(services: Configuration) -> Iterator[tuple[str, Body]]:
    """The container of each service, for every way out."""
    return ((service, each) for service, each in containers(services) if each["name"] == service)


def told(container: Body) -> dict[str, str]:
    """A container's environment."""
    return {each["name"]: each["value"] for each in container["environment"]}
